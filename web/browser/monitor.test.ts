import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sliceFor, snapshot, startBrowser, startServer, truth, until, visit, type Server } from './world.ts'

const channel = '$host/cpu'
const all = ['iframe', 'jsonp', 'longpoll', 'multipart', 'poll', 'sse', 'stream', 'websocket']

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

test('all lanes advance and agree on the log', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor`)
  const begun = await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  expect(Object.keys(begun.lanes).sort()).toEqual(all)
  const now = await until(page, 'every lane has ten more', (now) =>
    all.every((via) => now.lanes[via]!.messages >= begun.lanes[via]!.messages + 10),
  )
  const log = await truth(server.origin, channel)
  for (const via of all) {
    const lane = now.lanes[via]!
    expect(lane.entries, via).toEqual(sliceFor(log, lane.entries))
    expect(lane.entries[0], `${via} begins where all do`).toEqual(now.lanes.poll!.entries[0])
    expect(lane, via).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, told: 0, disagreed: 0, error: '', starved: 0 })
    expect(lane.bytes, via).toBeGreaterThan(lane.messages * 20)
  }
  // Streams need one request each, whatever comes; the others ask again and again.
  for (const via of ['sse', 'stream', 'multipart', 'iframe', 'websocket']) expect(now.lanes[via]!.requests, via).toBe(1)
  for (const via of ['longpoll', 'poll', 'jsonp']) expect(now.lanes[via]!.requests, via).toBeGreaterThan(3)
  await page.getByText('All lanes agree on the log').waitFor()
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a lane that was cut for some seconds catches up without a gap', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  for (const group of [all.filter((_, i) => i % 2 === 0), all.filter((_, i) => i % 2 === 1)]) {
    for (const via of group) await page.click(`[data-via=${via}] button`)
    const cut = await snapshot(page)
    // At two entries a second, six are three seconds.
    const away = await until(page, 'the others go on', (now) => now.head >= cut.head + 6)
    for (const via of group) {
      expect(away.lanes[via], via).toMatchObject({ cut: true, cursor: cut.lanes[via]!.cursor, messages: cut.lanes[via]!.messages })
      expect(await page.getAttribute(`[data-via=${via}]`, 'data-state')).toBe('cut')
      await page.click(`[data-via=${via}] button`)
    }
    await until(page, 'the cut lanes are back and beyond', (now) =>
      group.every((via) => now.lanes[via]!.entries.at(-1)![1] > away.head),
    )
  }
  const now = await snapshot(page)
  const log = await truth(server.origin, channel)
  for (const via of all) {
    const lane = now.lanes[via]!
    expect(lane.entries, via).toEqual(sliceFor(log, lane.entries))
    expect(lane, via).toMatchObject({ cut: false, lost: 0, repeated: 0, outOfOrder: 0, told: 0, disagreed: 0, error: '' })
    expect(lane.messages, via).toBe(lane.entries.length)
    expect(lane.caughtUp, via).toBeGreaterThanOrEqual(5)
  }
  for (const name of ['Lost', 'Repeated', 'Out of order']) {
    const figures = page.locator('.figure', { has: page.getByText(name, { exact: true }) }).locator('dd')
    expect(await figures.allTextContents(), name).toEqual(all.map(() => '0'))
  }
  expect(complaints).toEqual([])
  await page.context().close()
})

test('cut all and restore all, from the keyboard', async () => {
  const { page } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  const button = page.getByRole('button', { name: 'Cut all' })
  await button.focus()
  await page.keyboard.press('Enter')
  expect(lanesOf(await snapshot(page)).every((lane) => lane.cut)).toBe(true)
  await page.keyboard.press('Enter')
  const restored = await until(page, 'all are back', (now) => lanesOf(now).every((lane) => lane.caughtUp + lane.messages > 0 && !lane.cut))
  await until(page, 'all go on', (now) => lanesOf(now).every((lane) => lane.entries.at(-1)![1] > restored.head))
  await page.context().close()
})

test('a page that nobody sees lets go of its connections, and has missed nothing when it is seen again', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  await page.click('[data-via=stream] button')
  await turn(page, 'hidden')
  const hidden = await snapshot(page)
  await expect.poll(async () => (await truth(server.origin, channel)).at(-1)![1], { timeout: 10_000 }).toBeGreaterThan(hidden.head + 3)
  expect((await snapshot(page)).lanes).toEqual(hidden.lanes)
  await turn(page, 'visible')
  const now = await until(page, 'the lanes that were not cut are back', (now) =>
    Object.entries(now.lanes).every(([via, lane]) => via === 'stream' || lane.entries.at(-1)![1] > hidden.head + 3),
  )
  expect(now.lanes.stream).toMatchObject({ cut: true, messages: hidden.lanes.stream!.messages })
  for (const [via, lane] of Object.entries(now.lanes)) expect(lane, via).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0 })
  expect(complaints).toEqual([])
  await page.context().close()
})

test('two pages are more than six connections: the lanes that wait are told apart, and go on when one is closed', async () => {
  const { page } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  const second = await page.context().newPage()
  await second.goto(`${server.origin}/demo/monitor`, { waitUntil: 'domcontentloaded' })
  await until(second, 'some lane waits', (now) => lanesOf(now).some((lane) => lane.starved > 0))
  await second.getByText('for a free connection.').waitFor()
  await second.locator('.lane[data-state=starved]').first().waitFor()
  expect((await snapshot(second)).lanes.websocket!.starved).toBe(0)
  await page.close()
  await until(second, 'every lane reads', (now) => lanesOf(now).every((lane) => lane.messages > 0 && lane.starved === 0))
  await second.getByText('for a free connection.').waitFor({ state: 'detached' })
  await second.context().close()
})

test('another channel is read by all lanes too, and the address keeps the choice', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  await page.getByLabel('Channel').selectOption('$host/memory')
  await until(page, 'every lane has memory', (now) => now.channel === '$host/memory' && lanesOf(now).every((lane) => lane.messages > 3))
  expect(new URL(page.url()).search).toBe('?channel=$host/memory')
  expect(lanesOf(await snapshot(page)).every((lane) => lane.lost + lane.repeated + lane.outOfOrder === 0)).toBe(true)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a server that comes back without its log says so: the lanes go on, told what they cannot have', async () => {
  const first = await startServer()
  const { page } = await visit(browser, `${first.origin}/demo/monitor`)
  const before = await until(page, 'every lane has entries', (now) => lanesOf(now).every((lane) => lane.messages > 3))
  await first.stop()
  const second = await startServer({ listen: new URL(first.origin).host })
  try {
    const known = new Set(before.lanes.poll!.entries.map(([cursor]) => cursor))
    const isNew = ([cursor, seq]: [string, number]) => !known.has(cursor) && seq < 30
    const now = await until(
      page,
      'every lane has six entries of the new log',
      (now) => lanesOf(now).every((lane) => lane.entries.slice(-6).every(isNew) && lane.error === ''),
      50,
    )
    const log = await truth(second.origin, channel)
    for (const via of all) {
      const lane = now.lanes[via]!
      expect(lane, via).toMatchObject({ lost: 0, repeated: 0, outOfOrder: 0, disagreed: 0 })
      const ofNew = lane.entries.filter(([cursor]) => log.some(([c]) => c === cursor))
      expect(ofNew, `${via} has the new log from its start`).toEqual(log.slice(0, ofNew.length))
    }
    await page.context().close()
  } finally {
    await second.stop()
  }
})

test('without metrics of the host the page says so', async () => {
  const bare = await startServer({ args: ['--host-metrics=false'] })
  try {
    const { page, complaints } = await visit(browser, `${bare.origin}/demo/monitor`)
    await page.getByText('$host/cpu has no entries').waitFor()
    await page.getByText('--host-metrics=false').waitFor()
    expect(complaints).toEqual([])
    await page.context().close()
  } finally {
    await bare.stop()
  }
})

/** Tells the page that it is seen or not, as a browser does when tabs change. */
async function turn(page: Page, state: DocumentVisibilityState) {
  await page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state })
    document.dispatchEvent(new Event('visibilitychange'))
  }, state)
}

function lanesOf(now: Awaited<ReturnType<typeof snapshot>>) {
  return Object.values(now.lanes)
}
