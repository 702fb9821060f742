import { expect, test } from 'vitest'
import type { Via } from '../lanes/index.ts'
import { all } from './shifts.ts'
import { verdict, type Measurement } from './verdict.ts'

const good: Record<Via, [p50: number, requests: number]> = {
  websocket: [3, 1],
  sse: [3, 1],
  stream: [3, 1],
  multipart: [3, 1],
  iframe: [4, 1],
  longpoll: [4, 31],
  poll: [600, 15],
  jsonp: [520, 15],
}

/** A run of 15 s at two a second on a good network, with some lanes otherwise. */
function run(other: Partial<Record<Via, Partial<Measurement>>> = {}): Measurement[] {
  return all.map((via) => {
    const [p50, requests] = good[via]
    const clean = { lost: 0, repeated: 0, outOfOrder: 0, reconnects: 0, silent: false }
    const latency = { p50, p90: 1.5 * p50, p99: 2 * p50 }
    return { via, seconds: 15, published: 30, received: 30, ...clean, ...latency, bytes: 3000, requests, ...other[via] }
  })
}
const every = (vias: Via[], what: Partial<Measurement>) => Object.fromEntries(vias.map((via) => [via, what]))
const dead: Partial<Measurement> = { received: 0, p50: undefined, p90: undefined, p99: undefined, reconnects: 5 }
const held: Partial<Measurement> = { ...dead, reconnects: 1, silent: true }
const streams: Via[] = ['sse', 'stream', 'multipart', 'iframe']
const fates = (ways: { via: Via; fate: string }[]) => Object.fromEntries(ways.map(({ via, fate }) => [via, fate]))

test('one way and seldom is for EventSource, often or much is for WebSocket', () => {
  expect(verdict(run(), 2, 64, 100)).toMatchObject({ use: 'sse', why: 'low' })
  expect(verdict(run(), 20, 64, 100)).toMatchObject({ use: 'websocket', why: 'high' })
  expect(verdict(run(), 4, 16_384, 100)).toMatchObject({ use: 'websocket', why: 'high' })
})

test('it says what else to take, and when', () => {
  const both = [{ when: 'both-ways', use: 'websocket' }, { when: 'crowd', use: 'poll' }]
  expect(verdict(run(), 2, 64, 100).otherwise).toEqual(both)
  expect(verdict(run(), 20, 64, 100).otherwise).toEqual([{ when: 'crowd', use: 'poll' }])
})

test('a crowd that reads something seldom polls through a cache', () => {
  const { use, why, otherwise } = verdict(run(), 0.2, 64, 50_000)
  expect([use, why]).toEqual(['poll', 'crowd'])
  expect(otherwise).toEqual([{ when: 'both-ways', use: 'websocket' }, { when: 'at-once', use: 'sse' }])
})

test('where upgrades are stripped EventSource stays, also at a high rate', () => {
  const now = verdict(run({ websocket: dead }), 20, 64, 100)
  expect(now).toMatchObject({ use: 'sse', why: 'no-socket' })
  expect(fates(now.ways).websocket).toBe('failed')
  expect(now.otherwise.map(({ use }) => use)).toEqual(['poll'])
})

test('where responses are buffered and upgrades work it is WebSocket', () => {
  const now = verdict(run(every(streams, held)), 2, 64, 100)
  expect(now).toMatchObject({ use: 'websocket', why: 'no-sse' })
  for (const via of streams) expect(fates(now.ways)[via]).toBe('buffered')
})

test('a response that comes in lumps is buffered too', () => {
  const now = verdict(run(every(streams, { received: 25, p50: 3000, p90: 5000 })), 2, 64, 100)
  for (const via of streams) expect(fates(now.ways)[via]).toBe('buffered')
  expect(fates(now.ways)).toMatchObject({ poll: 'works', longpoll: 'works' })
})

test('a slow network holds nothing back: all are as late', () => {
  const slow = run(every(all, { p50: 2000, p90: 2400, p99: 2600 }))
  expect(new Set(verdict(slow, 2, 64, 100).ways.map((way) => way.fate))).toEqual(new Set(['works']))
})

test('where neither streams nor sockets pass it is long polling, and polling where not even that does', () => {
  const hostile = { ...every(streams, held), websocket: dead }
  expect(verdict(run(hostile), 2, 64, 100)).toMatchObject({ use: 'longpoll', why: 'hostile' })
  expect(verdict(run({ ...hostile, longpoll: dead }), 2, 64, 100)).toMatchObject({ use: 'poll', why: 'poll' })
})

test('where connections are broken off again and again it is what was quickest, and nothing where nothing came', () => {
  const cut = verdict(run({ ...every(all, { reconnects: 3, p90: 900 }), longpoll: { reconnects: 2, p90: 300 } }), 2, 64, 100)
  expect(cut).toMatchObject({ use: 'longpoll', why: 'cut', otherwise: [] })
  expect(fates(cut.ways)).toEqual(every(all, 'cut' as never))
  const some = run({ websocket: { reconnects: 2 }, sse: { reconnects: 1 }, longpoll: { reconnects: 0, p90: 2 } })
  const lucky = verdict(some, 2, 64, 100)
  expect(lucky).toMatchObject({ use: 'longpoll', why: 'cut' })
  expect(fates(lucky.ways)).toMatchObject({ websocket: 'cut', sse: 'cut', stream: 'works' })
  expect(verdict(run(every(all, dead)), 2, 64, 100)).toMatchObject({ use: undefined, why: 'nothing', otherwise: [] })
})

test('one break in a run is no cut', () => {
  const { use, ways } = verdict(run({ sse: { reconnects: 1 } }), 2, 64, 100)
  expect([use, fates(ways).sse]).toEqual(['sse', 'works'])
})

test('a long poll on a slow network is not held back, though it is later than a stream', () => {
  const slow = { p50: 1000, p90: 1050, p99: 1100 }
  const late = { p50: 1900, p90: 2700, p99: 2900 }
  const slowest = { p50: 2700, p90: 3700, p99: 4400 }
  const lanes = { ...every([...streams, 'websocket'], slow), longpoll: late, ...every(['poll', 'jsonp'], slowest) }
  expect(new Set(verdict(run(lanes), 2, 64, 100).ways.map((way) => way.fate))).toEqual(new Set(['works']))
})

test('what it costs the server is for all readers together', () => {
  const { ways } = verdict(run(), 2, 64, 1000)
  const way = (via: Via) => ways.find((way) => way.via === via)!
  expect(way('sse')).toMatchObject({ requestsPerSecond: 0, connections: 1000, bytesPerEntry: 100, bytesPerSecond: 200_000 })
  expect(way('poll')).toMatchObject({ requestsPerSecond: 1000, connections: 0 })
  expect(way('longpoll').requestsPerSecond).toBeCloseTo((1000 * 31) / 15)
})
