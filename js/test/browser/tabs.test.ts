import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, truth, until, type Server } from '../server.ts'
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

const readers = async (channel: string): Promise<number> => {
  const response = await fetch(`${server.url}/channels/${channel}`, { method: 'HEAD' })
  return Number(response.headers.get('Pabal-Readers'))
}

const publish = async (channel: string, n: number): Promise<void> => {
  const response = await fetch(`${server.url}/channels/${channel}`, { method: 'POST', body: String(n), headers: { 'Content-Type': 'application/json' } })
  expect(response.status).toBe(200)
}

const tabs = async (context: BrowserContext, channel: string, count: number, share: unknown): Promise<Page[]> => {
  const pages: Page[] = []
  for (let i = 0; i < count; i++) {
    const page = await open(context, site)
    await read(page, server.url, channel, { share }, { since: 'all' })
    pages.push(page)
  }
  return pages
}

describe.each([
  ['one of them leads', true],
  ['a SharedWorker', { worker: '/pabal-worker.mjs' }],
])('tabs that share: %s', (how, share) => {
  const name = `tabs/${how.replaceAll(' ', '-')}`

  test('eight of them are one connection, and each has every entry', async () => {
    const context = await browser.newContext()
    await publish(name, 0)
    const pages = await tabs(context, name, 8, share)
    await until('all are live', async () => (await Promise.all(pages.map(status))).every((s) => s.state === 'live' && s.technique === 'websocket'))
    for (let n = 1; n <= 50; n++) await publish(name, n)
    const all = Array.from({ length: 51 }, (_, n) => n)
    for (const page of pages) {
      await until('all have come', async () => (await got(page)).length >= 51)
      expect(await got(page)).toEqual(all)
    }
    expect(await readers(name)).toBe(1)
    await context.close()
    await until('nobody reads', async () => (await readers(name)) === 0)
  })

  test('when the first one closes, the others go on within a second', async () => {
    const context = await browser.newContext()
    const channel = `${name}/close`
    const pages = await tabs(context, channel, 4, share)
    await until('all are live', async () => (await Promise.all(pages.map(status))).every((s) => s.state === 'live'))
    let n = 0
    for (; pages.length > 1; ) {
      await publish(channel, n++)
      await until('it has come', async () => (await got(pages.at(-1)!)).length === n)
      await pages.shift()!.close()
      const closed = Date.now()
      await publish(channel, n++)
      await until('the next has come', async () => (await got(pages[0]!)).length === n, 3)
      expect(Date.now() - closed).toBeLessThan(1000)
    }
    expect(await got(pages[0]!)).toEqual((await truth(server.url, channel)).map((entry) => entry.data))
    await context.close()
  })

  test('a tab may read other channels than another, and let go of them', async () => {
    const context = await browser.newContext()
    const [one, two] = (await tabs(context, `${name}/mine`, 2, share)) as [Page, Page]
    const more = (page: Page) =>
      page.evaluate((channel) => {
        Object.assign(window, { more: window.made.client.channel(channel).subscribe((entry) => window.made.got.push(entry.data), { since: 'all' }) })
      }, `${name}/more`)
    await more(one)
    await more(two)
    await publish(`${name}/more`, 1)
    for (const page of [one, two]) await until('it has come', async () => (await got(page)).length === 1)
    await one.evaluate(() => (window as unknown as { more: { stop(): void } }).more.stop())
    await publish(`${name}/mine`, 2)
    await publish(`${name}/more`, 3)
    await until('the other reads on', async () => (await got(two)).length === 3)
    expect([await got(one), await got(two)]).toEqual([[1, 2], [1, 2, 3]])
    await context.close()
  })

  test('a tab publishes, is present, hops and is not heard of any more', async () => {
    const context = await browser.newContext()
    const channel = `${name}/two`
    const pages = await tabs(context, channel, 2, share)
    await pages[0]!.evaluate((name) => window.made.client.channel(name).presence.enter('first'), channel)
    await pages[1]!.evaluate(async (name) => {
      await window.made.client.channel(name).publish(1)
      await window.made.client.hop('stream')
      await window.made.client.channel(name).publish(2)
    }, channel)
    for (const page of pages) await until('both have come', async () => (await got(page)).length === 2)
    await until('the status says by what', async () => (await status(pages[0]!)).technique === 'stream')
    const present = async () => ((await (await fetch(`${server.url}/presence/${channel}`)).json()) as { connections: number }).connections
    await until('it is present', async () => (await present()) === 1)
    await pages[0]!.close()
    await until('it has left', async () => (await present()) === 0, 20)
    await context.close()
  })

  test('who is present stays so when the tab that led has closed', async () => {
    const context = await browser.newContext()
    const channel = `${name}/stays`
    const pages = await tabs(context, channel, 2, share)
    for (const page of pages) await page.evaluate((name) => window.made.client.channel(name).presence.enter('here'), channel)
    await pages[0]!.close()
    const closed = Date.now()
    const present = async () => ((await (await fetch(`${server.url}/presence/${channel}`)).json()) as { connections: number }).connections
    // What the closed tab held is forgotten after presence-linger, 5 s.
    await until('the other is present', async () => Date.now() > closed + 8000 && (await present()) === 1, 20)
    await context.close()
  })
})
