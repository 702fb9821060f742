import type { Via } from '../lanes/index.ts'
import { all, holds, shifts, type Road } from './shifts.ts'

/** What one technique did in a run. Latencies are milliseconds from being sent to being here, bytes those of bodies. */
export interface Measurement {
  via: Via
  seconds: number
  /** Entries that were kept while it read, and those of them that it got before the run was over. */
  published: number
  received: number
  lost: number
  repeated: number
  outOfOrder: number
  p50: number | undefined
  p90: number | undefined
  p99: number | undefined
  bytes: number
  requests: number
  /** How often a response, a connection or a request broke off, or was ended and begun anew. */
  reconnects: number
  /** The last that was seen of it is that nothing came. */
  silent: boolean
}

/** A run, as it is kept in a link. */
export interface Run {
  at: number
  road: Road
  rate: number
  payload: number
  ways: Measurement[]
}

/**
 * `works`; `cut`: it works, but is broken off again and again; `buffered`: something on the way holds it back, or has cut
 * it off without a word; `failed`: nothing came by it.
 */
export type Fate = 'works' | 'cut' | 'buffered' | 'failed'

export interface Way extends Measurement {
  fate: Fate
  bytesPerEntry: number | undefined
  /** Of all readers together, at the server. */
  requestsPerSecond: number
  connections: number
  bytesPerSecond: number | undefined
}

export type Why = 'low' | 'high' | 'crowd' | 'no-sse' | 'no-socket' | 'no-event' | 'hostile' | 'poll' | 'cut' | 'nothing'

export type When = 'both-ways' | 'crowd' | 'at-once'

export interface Verdict {
  use: Via | undefined
  why: Why
  otherwise: { when: When; use: Via }[]
  ways: Way[]
}

/** More than this a second, or as many bytes of data, is a high rate: framing and requests begin to count. */
export const highRate = 5
const highBytes = 50_000
/** So many readers of what comes so seldom are a crowd, which a cache serves better than connections. */
const crowdReaders = 10_000
const crowdRate = 0.5

/** What to use on the network that the measurements are of, for so many readers of so much. */
export function verdict(measurements: Measurement[], rate: number, payload: number, readers: number): Verdict {
  const torn = isTorn(measurements)
  const ways = measurements.map((way) => wayOf(way, fateOf(way, measurements, torn), rate, readers))
  const works = (via: Via) => ways.some((way) => way.via === via && way.fate === 'works')
  const crowd = readers >= crowdReaders && rate <= crowdRate && works('poll')
  const high = rate > highRate || rate * payload > highBytes
  const [use, why] = crowd ? (['poll', 'crowd'] as const) : torn ? quickest(ways) : choose(ways, works, high)
  const otherwise: Verdict['otherwise'] = []
  const live = (['sse', 'websocket', 'stream', 'longpoll'] as const).find(works)
  if (use !== 'websocket' && works('websocket')) otherwise.push({ when: 'both-ways', use: 'websocket' })
  if (why === 'crowd' && live) otherwise.push({ when: 'at-once', use: live })
  if (use !== 'poll' && use !== undefined && works('poll')) otherwise.push({ when: 'crowd', use: 'poll' })
  return { use, why, otherwise, ways }
}

function choose(ways: Way[], works: (via: Via) => boolean, high: boolean): [Via | undefined, Why] {
  if (high && works('websocket')) return ['websocket', 'high']
  if (works('sse')) return ['sse', high ? 'no-socket' : 'low']
  if (works('websocket')) return ['websocket', 'no-sse']
  if (works('stream')) return ['stream', 'no-event']
  if (works('longpoll')) return ['longpoll', 'hostile']
  if (works('poll')) return ['poll', 'poll']
  if (works('jsonp')) return ['jsonp', 'poll']
  return quickest(ways)
}

/** Where nothing is left alone for long: by what nine of ten entries were here soonest. */
function quickest(ways: Way[]): [Via | undefined, Why] {
  const here = ways.filter(({ via, fate }) => today.includes(via) && (fate === 'cut' || fate === 'works'))
  const [best] = here.sort((a, b) => (a.p90 ?? Infinity) - (b.p90 ?? Infinity))
  return best ? [best.via, 'cut'] : [undefined, 'nothing']
}

const [today] = shifts

/** It is the network that breaks connections off, and not one technique's lot. */
function isTorn(measurements: Measurement[]): boolean {
  const cut = measurements.filter((way) => today.includes(way.via) && way.received > 0 && way.reconnects > 0 && !way.silent)
  return cut.length >= 2 && cut.reduce((sum, way) => sum + way.reconnects, 0) >= 3
}

function fateOf(way: Measurement, among: Measurement[], torn: boolean): Fate {
  if (way.received === 0) return way.silent ? 'buffered' : 'failed'
  if (holds[way.via] !== 'short' && heldBack(way, among)) return 'buffered'
  if (way.reconnects > (torn ? 0 : Math.max(1, way.seconds / 15))) return 'cut'
  return way.received < way.published ? 'buffered' : 'works'
}

/** It got less than there was, or got it later than by asking now and then, and was not broken off. */
function heldBack(way: Measurement, among: Measurement[]): boolean {
  if (way.silent || way.received < 0.7 * way.published) return way.reconnects < way.seconds / 5
  const polls = among.filter((other) => holds[other.via] === 'short' && other.received >= 0.7 * other.published)
  const best = Math.min(...polls.map((other) => other.p90 ?? Infinity))
  return (way.p90 ?? 0) > 1500 && (way.p90 ?? 0) > 1.5 * best
}

function wayOf(way: Measurement, fate: Fate, rate: number, readers: number): Way {
  const kind = holds[way.via]
  const lasting = kind === 'socket' || kind === 'response'
  // The request that opened a response is not one a second; those that replaced it are.
  const requests = way.requests - (lasting ? 1 : 0)
  const bytesPerEntry = way.received ? way.bytes / way.received : undefined
  return {
    ...way,
    fate,
    bytesPerEntry,
    requestsPerSecond: way.seconds ? (readers * Math.max(0, requests)) / way.seconds : 0,
    connections: kind === 'short' ? 0 : readers,
    bytesPerSecond: bytesPerEntry === undefined ? undefined : bytesPerEntry * rate * readers,
  }
}

/** In the order in which they are always shown. */
export const inOrder = (ways: Measurement[]): Measurement[] =>
  [...ways].sort((a, b) => all.indexOf(a.via) - all.indexOf(b.via))
