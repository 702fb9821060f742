import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Snapshot } from '../src/lab/snapshot.ts'
import { startBrowser, startServer, visit, type Server } from './world.ts'

// The Lab against the real server: what it shows is compared with what the server says of the channel.

const all = ['websocket', 'sse', 'stream', 'longpoll', 'poll', 'multipart', 'iframe', 'jsonp']
const today = all.slice(0, 5)
const others = ['Poll', 'EventSource', 'Multipart', 'WebSocket', 'JSONP', 'Long poll', 'Hidden iframe', 'Fetch stream']
const clean = { lost: 0, repeated: 0, outOfOrder: 0 }

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

test('lanes read live, and agree with the server on what was published', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/lab?lang=en`)
  const now = await until(page, 'every lane of today has five entries', (now) => allHave(now, today, 5))
  for (const via of today) expect(now.lanes[via], via).toMatchObject({ ...clean, reconnects: 0, error: '' })
  for (const via of ['websocket', 'sse', 'stream']) expect(now.lanes[via]!.requests, via).toBe(1)
  for (const via of ['longpoll', 'poll']) expect(now.lanes[via]!.requests, via).toBeGreaterThan(2)
  await page.getByRole('button', { name: 'Stop' }).click()
  const stopped = await until(page, 'it has stopped', (now) => now.phase === 'still' && now.kept === now.sent)
  expect((await entries(stopped.channel)).length).toBe(stopped.kept)
  await page.getByLabel('The older three').check()
  await until(page, 'the older lanes read', (now) => allHave(now, all.slice(5), 2))
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a measurement has every entry by every technique, a verdict, and a link that shows it elsewhere', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/lab?lang=en&seconds=6`)
  await slide(page, 'Entries a second', 4) // 5 a second
  await page.getByRole('button', { name: 'Measure for 6 s' }).click()
  const { run, channel, kept } = await until(page, 'it has measured', (now) => now.phase === 'done', 40)
  const log = await entries(channel)
  expect(log.length).toBe(kept)
  expect(run!.ways.map((way) => way.via)).toEqual(all)
  for (const way of run!.ways) {
    expect(way, way.via).toMatchObject({ received: way.published, lost: 0, repeated: 0, outOfOrder: 0 })
    expect(way.published, way.via).toBeGreaterThan(8)
    expect(way.bytes, way.via).toBeGreaterThan(64 * way.received)
  }
  const p50 = (via: string) => run!.ways.find((way) => way.via === via)!.p50!
  expect(p50('sse')).toBeLessThan(p50('poll'))
  await page.getByRole('heading', { name: 'Use EventSource.' }).waitFor()
  expect(await page.locator('.verdict-table tr[data-fate=works]').count()).toBe(8)
  await slide(page, 'Readers', 6) // a million
  expect(await page.locator('tr[data-via=sse] td').nth(6).textContent()).toBe('1.0M')

  await page.context().grantPermissions(['clipboard-write', 'clipboard-read'])
  await page.getByRole('button', { name: 'Copy a link to this' }).click()
  await page.getByText('Copied.').waitFor()
  const link = await page.evaluate(() => navigator.clipboard.readText())
  expect(complaints).toEqual([])
  await page.context().close()

  const other = await visit(browser, link.replace('lang=en', 'lang=ko'))
  await other.page.getByRole('heading', { name: 'EventSource: 이것을 쓰세요.' }).waitFor()
  await other.page.getByText('여기서 잰 것은 하나도 없습니다.', { exact: false }).waitFor()
  expect(await other.page.locator('tr[data-via=sse] td').nth(6).textContent()).toBe('1.0M')
  expect(await snapshot(other.page)).toMatchObject({ phase: 'still', sent: 0, run: undefined })
  await other.page.getByRole('button', { name: '여기서 재기, 6초' }).click()
  await until(other.page, 'it measures here', (now) => now.phase === 'measuring')
  expect(new URL(other.page.url()).hash).toBe('')
  expect(other.complaints).toEqual([])
  await other.page.context().close()
})

test('a reader hops from any technique to any other and loses nothing', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/lab?lang=en`)
  await page.getByRole('button', { name: 'Start the reader' }).click()
  await until(page, 'it reads', ({ hop }) => hop.received > 3)
  for (const [i, name] of others.entries()) {
    await page.getByRole('button', { name: `Hop to ${name}`, exact: true }).click()
    await until(page, `it went to ${name}`, ({ hop }) => hop.hops === i + 1 && !hop.going)
  }
  await page.getByLabel('Hop every second').check()
  await until(page, 'it hops by itself', ({ hop }) => hop.hops >= 12)
  await page.getByLabel('Hop every second').uncheck()
  const { hop } = await until(page, 'it goes on', ({ hop }) => hop.received > 40 && !hop.going)
  expect(hop).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, failed: undefined })
  const behind = (await snapshot(page)).hop.kept
  await until(page, 'it has all that was published', ({ hop }) => hop.received >= behind)
  await page.locator('.lab-hop').getByRole('button', { name: 'Stop', exact: true }).click()
  const stopped = (await until(page, 'it has stopped', ({ hop }) => hop.kept === hop.seq)).hop
  expect((await entries(stopped.channel)).length).toBe(stopped.kept)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('where responses are buffered and upgrades stripped, questions and answers go on, and nothing is lost', async () => {
  const { page } = await visit(browser, `${server.origin}/lab?lang=en&seconds=16`)
  await until(page, 'every lane reads', (now) => allHave(now, today, 1))
  await page.getByLabel('A proxy that buffers', { exact: false }).check()
  await page.getByLabel('A proxy that strips Upgrade').check()
  await until(page, 'they go through trouble', (now) => now.url.includes('/trouble/'))
  await page.getByRole('button', { name: 'Measure for 16 s' }).click()
  const { run } = await until(page, 'it has measured', (now) => now.phase === 'done', 50)
  const rows = page.locator('.verdict-table tbody tr')
  const fates = await rows.evaluateAll((all) => (all as HTMLElement[]).map((row) => [row.dataset.via, row.dataset.fate]))
  expect(Object.fromEntries(fates)).toEqual({
    ...{ websocket: 'failed', sse: 'buffered', stream: 'buffered', multipart: 'buffered', iframe: 'buffered' },
    ...{ longpoll: 'works', poll: 'works', jsonp: 'works' },
  })
  await page.getByRole('heading', { name: 'Use Long poll.' }).waitFor()
  for (const way of run!.ways) expect(way, way.via).toMatchObject(clean)
  await page.getByRole('button', { name: 'Go on' }).click()
  await page.getByRole('button', { name: 'No more trouble' }).click()
  const well = (now: Snapshot) => today.every((via) => now.lanes[via]!.error === '')
  const now = await until(page, 'all read again', (now) => allHave(now, today, 3) && well(now))
  expect(now.url).toBe(server.origin)
  await page.context().close()
})

test('an experiment sets all that it needs, says what there is to see, and can be taken back', async () => {
  const { page } = await visit(browser, `${server.origin}/lab?lang=en`)
  const slow = page.getByRole('button', { name: 'A slow road' })
  await slow.click()
  await page.getByText('Now every arrow slants.', { exact: false }).waitFor()
  expect(await page.getByRole('slider', { name: 'Delay, each way' }).getAttribute('aria-valuetext')).toBe('400 ms')
  await until(page, 'EventSource is late', (now) => (now.lanes.sse?.p99 ?? 0) > 380)
  await slow.click()
  const now = await until(page, 'it reads by the straight road', ({ url }) => url === server.origin)
  for (const via of today) expect(now.lanes[via], via).toMatchObject(clean)
  expect(await slow.getAttribute('aria-pressed')).toBe('false')
  await page.context().close()
})

test('connections that are cut again and again lose nothing', async () => {
  const { page } = await visit(browser, `${server.origin}/lab?lang=en`)
  await slide(page, 'Delay, each way', 1)
  await page.getByLabel('Connections').selectOption('are cut, every 3 s or so')
  const cut = (now: Snapshot) => now.active.filter((via) => now.lanes[via]!.reconnects > 1)
  const now = await until(page, 'lanes were cut', (now) => cut(now).length >= 3, 40)
  for (const via of today) expect(now.lanes[via], via).toMatchObject(clean)
  await page.context().close()
})

test('requests that wait because another tab holds the connections are told', async () => {
  const { page } = await visit(browser, `${server.origin}/demo/monitor?lang=en`)
  await page.waitForFunction(() => {
    const lanes = Object.values(window.monitor?.snapshot()?.lanes ?? {})
    return lanes.length > 0 && lanes.filter((lane) => lane.messages > 0).length >= lanes.length - 1
  })
  const second = await page.context().newPage()
  await second.goto(`${server.origin}/lab?lang=en`, { waitUntil: 'domcontentloaded' })
  await second.getByText('another tab that reads from this server', { exact: false }).waitFor()
  await page.close()
  await second.getByText('another tab that reads from this server', { exact: false }).waitFor({ state: 'detached' })
  await second.context().close()
})

test('the page leaves nothing behind: its channels are deleted and its trouble is over', async () => {
  const { page } = await visit(browser, `${server.origin}/lab?lang=en`)
  await page.getByLabel('A proxy that strips Upgrade').check()
  await page.getByRole('button', { name: 'Start the reader' }).click()
  const now = await until(page, 'it reads', ({ kept, hop, url }) => kept > 1 && hop.received > 1 && url.endsWith('/via'))
  await page.goto(`${server.origin}/demo/chat`, { waitUntil: 'domcontentloaded' })
  await expect.poll(() => entries(now.channel)).toEqual([])
  await expect.poll(() => entries(now.hop.channel)).toEqual([])
  await expect.poll(async () => (await fetch(now.url.replace(/\/via$/, ''))).status).toBe(404)
  await page.context().close()
})

test('where there is no development mode the knobs say why they are not there', async () => {
  const other = await startServer({ args: ['--dev=off'] })
  try {
    const { page, complaints } = await visit(browser, `${other.origin}/lab?lang=en`)
    await page.getByText('This server makes no trouble on demand', { exact: false }).waitFor()
    expect(await page.getByLabel('Delay, each way').count()).toBe(0)
    // The one thing that the browser itself notes: the question was answered with 404.
    expect(complaints.filter((complaint) => !complaint.includes('404'))).toEqual([])
    await page.context().close()
  } finally {
    await other.stop()
  }
})

test.each([
  { width: 1280, colorScheme: 'light', lang: 'en' },
  { width: 360, colorScheme: 'dark', lang: 'ko' },
] as const)('nothing is in the way of anybody at $width px, $colorScheme, $lang', async ({ width, colorScheme, lang }) => {
  const options = { viewport: { width, height: 800 }, colorScheme, reducedMotion: 'reduce' } as const
  const { page, complaints } = await visit(browser, `${server.origin}/lab?lang=${lang}&seconds=3`, options)
  await page.locator('.lab-go .button').click()
  await until(page, 'it has measured', (now) => now.phase === 'done', 30)
  for (const summary of await page.locator('.lane-about summary').all()) await summary.click()
  await page.locator('.hop-bar .button').click()
  await until(page, 'the hopping reader reads', ({ hop }) => hop.received > 1)
  expect(await violations(page)).toEqual([])
  expect(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true)
  expect(complaints).toEqual([])
  await page.context().close()
})

const allHave = (now: Snapshot, vias: string[], count: number): boolean =>
  vias.every((via) => (now.lanes[via]?.received ?? 0) >= count)

const snapshot = (page: Page): Promise<Snapshot> => page.evaluate(() => window.lab!.snapshot()!)

/** Waits until the snapshot is as expected; if it never is, the error has the last one. */
async function until(page: Page, what: string, holds: (now: Snapshot) => boolean, seconds = 25): Promise<Snapshot> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    await page.waitForFunction(() => window.lab?.snapshot() !== undefined, null, { timeout: seconds * 1000 })
    const now = await snapshot(page)
    if (holds(now)) return now
    if (Date.now() > deadline) throw new Error(`not within ${seconds} s: ${what}\n${JSON.stringify(now, null, 1)}`)
    await page.waitForTimeout(100)
  }
}

/** What the server itself has in a channel. */
async function entries(channel: string): Promise<unknown[]> {
  const response = await fetch(`${server.origin}/channels/${channel}?via=poll&since=all`)
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  return ((await response.json()) as { entries: unknown[] }).entries
}

/** Moves a slider to one of its steps. */
async function slide(page: Page, label: string, step: number): Promise<void> {
  await page.getByRole('slider', { name: label }).evaluate((input, step) => {
    ;(input as HTMLInputElement).value = String(step)
    input.dispatchEvent(new Event('input', { bubbles: true }))
  }, step)
}

/** What axe finds that is serious. It is given as text, since the policy lets no script in. */
async function violations(page: Page): Promise<string[]> {
  const source = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  await page.evaluate(`${source}; undefined`)
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: object): Promise<{ violations: Violation[] }> } }
    const { violations } = await axe.run({ iframes: false })
    const found = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
    return found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.target.join(' ')}`))
  })
}

interface Violation {
  id: string
  impact: string
  nodes: { target: string[] }[]
}
