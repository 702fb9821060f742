import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, until, type Server } from '../server.ts'
import { got, open, read, startBrowser, startSite, status, type Site } from './world.ts'

let server: Server
let site: Site
let browser: Browser

beforeAll(async () => {
  site = await startSite()
  server = await startServer(['--allow-origin', site.origin])
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await site?.stop()
})

async function publish(channel: string, ...data: unknown[]): Promise<void> {
  for (const one of data) {
    const response = await fetch(`${server.url}/channels/${channel}`, { method: 'POST', body: JSON.stringify(one), headers: { 'Content-Type': 'application/json' } })
    expect(response.status).toBe(200)
  }
}

const has = (page: Page, data: unknown[], seconds?: number) =>
  until(`it has ${data}`, async () => JSON.stringify(await got(page)) === JSON.stringify(data), seconds)
const readers = async (channel: string): Promise<number> =>
  Number((await fetch(`${server.url}/channels/${channel}`, { method: 'HEAD' })).headers.get('Pabal-Readers'))

/** A page is hidden, or seen again, as the browser tells it. */
const hide = (page: Page, hidden: boolean): Promise<void> =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, value: hidden ? 'hidden' : 'visible' })
    document.dispatchEvent(new Event('visibilitychange'))
  }, hidden)

async function using(act: (context: BrowserContext, page: Page) => Promise<void>): Promise<void> {
  const context = await browser.newContext()
  await act(context, await open(context, site))
  await context.close()
}

test('offline and online: the status says so at once, and nothing is missed', () =>
  using(async (context, page) => {
    // Chromium takes the network from requests, but not always from a WebSocket.
    await read(page, server.url, 'offline', { techniques: ['sse', 'longpoll'] })
    await publish('offline', 1)
    await has(page, [1])
    await page.waitForFunction(() => ['life', 'kit'].every((part) => performance.getEntriesByType('resource').some((e) => e.name.includes(`/${part}-`))))
    await context.setOffline(true)
    await until('it is offline', async () => (await status(page)).state === 'offline', 5)
    await publish('offline', 2)
    const sending = page.evaluate(() => window.made.client.channel('offline').publish(3))
    await context.setOffline(false)
    await has(page, [1, 2, 3], 5)
    expect(await sending).toMatchObject({ duplicate: false })
    expect(await status(page)).toMatchObject({ state: 'live' })
  }))

test('a reload goes on where the page was, if it is asked to', () =>
  using(async (_, page) => {
    await read(page, server.url, 'reload', { remember: 'me' }, {})
    await until('it reads', async () => (await status(page)).state === 'live')
    await publish('reload', 1, 2)
    await has(page, [1, 2])
    await page.reload()
    await page.waitForFunction(() => (window as unknown as { ready?: boolean }).ready)
    await publish('reload', 3)
    await read(page, server.url, 'reload', { remember: 'me' }, {})
    await publish('reload', 4)
    await has(page, [3, 4])
    await page.evaluate(() => {
      window.made.got.length = 0
      window.made.client.channel('reload').subscribe((entry) => window.made.got.push(entry.data), { since: 'all' })
    })
    await has(page, [1, 2, 3, 4]) // who says where to begin begins there
  }))

test('a hidden page lets go, if it is asked to, and catches up', () =>
  using(async (_, page) => {
    await read(page, server.url, 'pause', { hidden: 'pause' })
    await publish('pause', 1)
    await has(page, [1])
    await hide(page, true)
    await until('nobody reads', async () => (await readers('pause')) === 0)
    expect(await status(page)).toMatchObject({ state: 'paused' })
    await publish('pause', 2, 3)
    await hide(page, false)
    await has(page, [1, 2, 3])
  }))

test('a hidden page polls, if it is asked to, and comes back to what it read by', () =>
  using(async (_, page) => {
    await read(page, server.url, 'rare', { hidden: 'poll' })
    await publish('rare', 1)
    await has(page, [1])
    await until('by WebSocket', async () => (await status(page)).technique === 'websocket')
    await hide(page, true)
    await until('it polls', async () => (await status(page)).technique === 'poll')
    await publish('rare', 2)
    await hide(page, false)
    await until('by WebSocket again', async () => (await status(page)).technique === 'websocket')
    await has(page, [1, 2])
  }))

test('a frozen page lets go', () =>
  using(async (_, page) => {
    await read(page, server.url, 'frozen')
    await publish('frozen', 1)
    await has(page, [1])
    // Chromium freezes only pages in the background, after minutes: the page is told what it would be told then.
    await page.evaluate(() => document.dispatchEvent(new Event('freeze')))
    await until('nobody reads', async () => (await readers('frozen')) === 0)
    await publish('frozen', 2)
    await page.evaluate(() => document.dispatchEvent(new Event('resume')))
    await has(page, [1, 2])
  }))

test('a page that was left and is come back to goes on, out of the cache of the browser', () =>
  using(async (_, page) => {
    await read(page, server.url, 'left')
    await publish('left', 1)
    await has(page, [1])
    await page.goto(`${site.origin}/?another`)
    await until('nobody reads', async () => (await readers('left')) === 0)
    await publish('left', 2)
    await page.goBack({ waitUntil: 'commit' })
    await has(page, [1, 2]) // a page that was loaded anew would have nothing
  }))

test('latest only, and throttled', () =>
  using(async (_, page) => {
    await publish('values', 0)
    await read(page, server.url, 'values', {}, { since: 'all' })
    await page.evaluate(() => {
      const channel = window.made.client.channel('values')
      const slow: unknown[] = []
      Object.assign(window, { slow })
      channel.subscribe((entry) => slow.push(entry.data), { only: 'latest', every: '400ms' })
    })
    await has(page, [0])
    await until('both read', async () => (await readers('values')) === 2)
    const lines = Array.from({ length: 200 }, (_, i) => JSON.stringify({ data: i + 1, key: 'k' }))
    for (let i = 0; i < 200; i += 10) {
      await fetch(`${server.url}/channels/values`, { method: 'POST', headers: { 'Content-Type': 'application/x-ndjson' }, body: lines.slice(i, i + 10).join('\n') })
    }
    await until('all have come', async () => (await got(page)).length === 201)
    await until('the last is the latest', async () => (await page.evaluate(() => (window as unknown as { slow: number[] }).slow.at(-1))) === 200)
    const slow = await page.evaluate(() => (window as unknown as { slow: number[] }).slow)
    expect(slow.length).toBeLessThan(60)
    expect(slow).toEqual([...slow].sort((a, b) => a - b))
  }))
