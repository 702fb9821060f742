import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sliceFor, snapshot, startBrowser, startServer, truth, turn, until, visit, type Server } from './world.ts'

const channel = '$host/cpu'
/** The lanes that read everything: each by its technique, and one that the server lets rest between batches. */
const whole = ['iframe', 'jsonp', 'longpoll', 'multipart', 'poll', 'sse', 'stream', 'throttled', 'websocket']
const all = [...whole, 'latest']
const faultless = { lost: 0, repeated: 0, outOfOrder: 0, disagreed: 0, error: '' }

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
  expect(Object.keys(begun.lanes).sort()).toEqual([...all].sort())
  const now = await until(page, 'every lane has ten more', (now) =>
    all.every((via) => now.lanes[via]!.messages >= begun.lanes[via]!.messages + 10),
  )
  const log = await truth(server.origin, channel)
  for (const via of all) {
    const lane = now.lanes[via]!
    expect(lane, via).toMatchObject({ ...faultless, starved: 0 })
    expect(lane.bytes, via).toBeGreaterThan(lane.messages * 20)
    for (const entry of lane.entries) expect(log, via).toContainEqual(entry)
  }
  for (const via of whole) {
    const lane = now.lanes[via]!
    expect(lane.entries, via).toEqual(sliceFor(log, lane.entries))
    expect(lane.entries[0], `${via} begins where all do`).toEqual(now.lanes.poll!.entries[0])
    expect(lane.told + lane.skipped, via).toBe(0)
  }
  // Streams need one request each, whatever comes; the others ask again and again.
  const streams = ['sse', 'stream', 'multipart', 'iframe', 'websocket', 'latest', 'throttled']
  for (const via of streams) expect(now.lanes[via]!.requests, via).toBe(1)
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
      const { cursor, messages } = cut.lanes[via]!
      expect(away.lanes[via], via).toMatchObject({ cut: true, cursor, messages })
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
    expect(now.lanes[via], via).toMatchObject({ ...faultless, cut: false })
    expect(now.lanes[via]!.messages, via).toBe(now.lanes[via]!.entries.length)
  }
  for (const via of whole) {
    const lane = now.lanes[via]!
    expect(lane.entries, via).toEqual(sliceFor(log, lane.entries))
    expect(lane.told, via).toBe(0)
    expect(lane.caughtUp, via).toBeGreaterThanOrEqual(via === 'throttled' ? 1 : 5)
  }
  // Of what it was cut off from this one has only the newest, and was told how many it has not.
  const { latest } = now.lanes
  expect(latest!.skipped, 'latest').toBeGreaterThanOrEqual(5)
  expect(latest!.told, 'latest').toBeGreaterThanOrEqual(5)
  const span = latest!.entries.at(-1)![1] - latest!.entries[0]![1] + 1
  expect(latest!.entries.length + latest!.told, 'latest: what came and what was told').toBe(span)
  for (const name of ['Lost', 'Repeated', 'Out of order']) {
    const figures = page.locator('.figure', { has: page.getByText(name, { exact: true }) }).locator('dd')
    expect(await figures.allTextContents(), name).toEqual(all.map(() => '0'))
  }
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a lane that rests has what came meanwhile all at once, and one with the latest only goes along', async () => {
  const { page } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  let most = 0
  const seen = new Set<number>()
  await until(page, 'the one that rests falls three behind', ({ head, lanes }) => {
    most = Math.max(most, head - lanes.throttled!.entries.at(-1)![1])
    seen.add(lanes.throttled!.messages)
    return most >= 3 && seen.size >= 3
  })
  await page.context().close()
})

test('in Korean, with the same lanes', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor?lang=ko`)
  await page.getByRole('heading', { name: '채널 하나, 모든 전송 방식' }).waitFor()
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  await page.getByRole('button', { name: '끊기: 롱 폴링' }).click()
  expect((await snapshot(page)).lanes.longpoll!.cut).toBe(true)
  const before = (await snapshot(page)).lanes.websocket!.messages
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByText('Cut, ').first().waitFor()
  const now = await until(page, 'the lanes go on', (now) => now.lanes.websocket!.messages > before)
  expect(now.lanes.websocket!.requests, 'the language is no reason to begin anew').toBe(1)
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
  const isBack = (lane: ReturnType<typeof lanesOf>[number]) => !lane.cut && lane.caughtUp + lane.messages > 0
  const restored = await until(page, 'all are back', (now) => lanesOf(now).every(isBack))
  await until(page, 'all go on', (now) => lanesOf(now).every((lane) => lane.entries.at(-1)![1] > restored.head))
  await page.context().close()
})

test('a page that nobody sees lets go of its connections, and has missed nothing when it is seen again', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/monitor`)
  await until(page, 'every lane has an entry', (now) => lanesOf(now).every((lane) => lane.messages > 0))
  await page.click('[data-via=stream] button')
  await turn(page, 'hidden')
  const hidden = await snapshot(page)
  const head = async () => (await truth(server.origin, channel)).at(-1)![1]
  await expect.poll(head, { timeout: 10_000 }).toBeGreaterThan(hidden.head + 3)
  expect((await snapshot(page)).lanes).toEqual(hidden.lanes)
  await turn(page, 'visible')
  const now = await until(page, 'the lanes that were not cut are back', (now) =>
    Object.entries(now.lanes).every(([via, lane]) => via === 'stream' || lane.entries.at(-1)![1] > hidden.head + 3),
  )
  expect(now.lanes.stream).toMatchObject({ cut: true, messages: hidden.lanes.stream!.messages })
  const clean = { lost: 0, repeated: 0, outOfOrder: 0 }
  for (const [via, lane] of Object.entries(now.lanes)) expect(lane, via).toMatchObject(clean)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('two pages are more than six connections: lanes that wait are told apart, and go on when one is closed', async () => {
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
  const hasSome = (now: Awaited<ReturnType<typeof snapshot>>) => lanesOf(now).every((lane) => lane.messages > 3)
  await until(page, 'every lane has memory', (now) => now.channel === '$host/memory' && hasSome(now))
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

function lanesOf(now: Awaited<ReturnType<typeof snapshot>>) {
  return Object.values(now.lanes)
}
