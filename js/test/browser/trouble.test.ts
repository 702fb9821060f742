import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startServer, truth, until, type Server } from '../server.ts'
import { got, open, read, startBrowser, startSite, status, type Site } from './world.ts'

let site: Site
let browser: Browser
let server: Server
let data: string

beforeAll(async () => {
  site = await startSite()
  browser = await startBrowser()
  data = await mkdtemp(join(tmpdir(), 'pabal-data-'))
  server = await startServer(['--allow-origin', site.origin, '--data', data])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await site?.stop()
  await rm(data, { recursive: true })
})

/** Sets the faults of a proxy, and cuts what goes through it. */
async function trouble(id: string, faults: object): Promise<void> {
  const response = await fetch(`${server.url}/trouble/${id}`, {
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(faults),
  })
  expect(response.status).toBe(200)
  await fetch(`${server.url}/trouble/${id}/cut`, { method: 'POST' })
}

const through = (id: string): string => `${server.url}/trouble/${id}/via`

test('where Upgrade is stripped and responses are held back it polls, and comes up again', async () => {
  await trouble('bad', { stripUpgrade: true, buffer: 1 << 20 })
  const context = await browser.newContext()
  const page = await open(context, site)
  await read(page, through('bad'), 'bad')
  const publish = (n: number) => page.evaluate((n) => window.made.client.channel('bad').publish(n), n)
  await publish(1)
  await until('it reads', async () => (await status(page)).state === 'live', 20)
  expect((await status(page)).technique).toMatch(/poll/)
  await publish(2)
  await until('both have come', async () => (await got(page)).length === 2)
  await trouble('bad', {})
  await page.evaluate(() => dispatchEvent(new Event('online')))
  await until('it is up again', async () => (await status(page)).technique === 'websocket', 45)
  await publish(3)
  await until('all have come', async () => (await got(page)).length === 3)
  expect(await got(page)).toEqual([1, 2, 3])
  await context.close()
}, 90_000)

test('a proxy that begins to hold back in the middle is noticed', async () => {
  await trouble('later', {})
  const context = await browser.newContext()
  const page = await open(context, site)
  await read(page, through('later'), 'later', { techniques: ['sse', 'longpoll'] })
  const publish = (n: number) => page.evaluate((n) => window.made.client.channel('later').publish(n), n)
  await publish(1)
  await until('it reads', async () => (await status(page)).technique === 'sse' && (await got(page)).length === 1)
  await trouble('later', { buffer: 1 << 20 })
  await publish(2)
  await until('it has come all the same', async () => (await got(page)).length === 2, 20)
  expect((await status(page)).technique).toBe('longpoll')
  await context.close()
}, 60_000)

test('one restart sends nobody to polling for good', async () => {
  const context = await browser.newContext()
  const page = await open(context, site)
  const { url } = server
  await read(page, url, 'restart')
  await until('it reads', async () => (await status(page)).technique === 'websocket')
  await server.stop()
  await until('it says that it waits', async () => (await status(page)).state !== 'live', 3)
  server = await startServer(['--allow-origin', site.origin, '--data', data], new URL(url).host)
  await until('it reads again', async () => (await status(page)).state === 'live', 20)
  await page.evaluate(() => window.made.client.channel('restart').publish(1))
  await until('it has come', async () => (await got(page)).length === 1)
  await until('by WebSocket', async () => (await status(page)).technique === 'websocket', 45)
  await context.close()
}, 90_000)

test('10,000 entries, a hop a second, a proxy that holds back, one that cuts, two kills: each once, in order', async () => {
  const all = 10_000
  const channel = 'all'
  const context = await browser.newContext()
  const page = await open(context, site)
  const { url } = server
  await trouble('road', {})
  await read(page, through('road'), channel, { techniques: ['websocket', 'sse', 'eventsource', 'stream', 'longpoll', 'poll'] })
  await page.evaluate(() => {
    const techniques = ['websocket', 'sse', 'eventsource', 'stream', 'longpoll', 'poll'] as const
    const samples: [number, string, number][] = []
    const hops = { tried: 0, done: 0 }
    Object.assign(window, { samples, hops })
    setInterval(() => samples.push([Date.now(), window.made.client.status.state, window.made.got.length]), 100)
    setInterval(() => {
      const technique = techniques[Math.floor(Math.random() * techniques.length)]!
      hops.tried++
      window.made.client.hop(technique).then(
        () => hops.done++,
        () => {}, // that road does not work now
      )
    }, 1000)
  })
  let sent = 0
  const publishing = (async () => {
    while (sent < all) {
      const lines = Array.from({ length: Math.min(25, all - sent) }, (_, i) => JSON.stringify({ data: sent + i, id: `n${sent + i}` }))
      const response = await fetch(`${url}/channels/${channel}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/x-ndjson', 'Idempotency-Key': `b${sent}` },
        body: lines.join('\n') + '\n',
        signal: AbortSignal.timeout(5000),
      }).catch(() => undefined)
      if (response?.ok) sent += lines.length
      await new Promise((resolve) => setTimeout(resolve, 70))
    }
  })()
  const downs: [number, number][] = []
  const phases = [{}, { buffer: 32_768, stripUpgrade: true }, { lifeMs: 1500 }, { delayMs: 50, jitterMs: 50, lifeMs: 3000 }, {}]
  for (const [i, faults] of phases.entries()) {
    await trouble('road', faults)
    const until = Date.now() + 6000
    while (Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50))
    if (i !== 1 && i !== 3) continue
    await server.stop('SIGKILL')
    const down = Date.now()
    while (Date.now() < down + 2500) await new Promise((resolve) => setTimeout(resolve, 50))
    server = await startServer(['--allow-origin', site.origin, '--data', data], new URL(url).host)
    downs.push([down, Date.now()])
  }
  await publishing
  await until('all have come', async () => (await page.evaluate(() => window.made.got.length)) >= all, 30)
  const log = (await truth(url, channel)).map((entry) => entry.data)
  expect(log.length).toBe(all)
  expect(await got(page)).toEqual(log)
  const { samples, hops } = await page.evaluate(() => {
    const { samples, hops } = window as unknown as { samples: [number, string, number][]; hops: { tried: number; done: number } }
    return { samples, hops }
  })
  expect(hops.done).toBeGreaterThan(10)
  for (const [from, to] of downs) {
    const lies = samples.filter(([at, state]) => at > from + 1000 && at < to && state === 'live')
    expect(lies).toEqual([])
  }
  console.log(`${hops.done} of ${hops.tried} hops, ${samples.filter(([, state]) => state === 'live').length} of ${samples.length} samples live`)
  await context.close()
}, 180_000)
