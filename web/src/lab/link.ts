import { all, type Road } from './shifts.ts'
import type { Measurement, Run } from './verdict.ts'

// A run in the fragment of an address: `run=1.<when>.<road>.<rate>.<payload>.<readers>_<lane>_…`, numbers in base 36. A
// lane is the place of its technique in the list and its numbers. Nothing of it is text, so that a link can say nothing but
// numbers.

const version = '1'
const roads: Road[] = ['h1', 'h2']

export interface Shared {
  run: Run
  readers: number
}

export function encode({ run, readers }: Shared): string {
  const head = [Math.round(run.at / 1000), roads.indexOf(run.road), Math.round(10 * run.rate), run.payload, readers]
  return `run=${[[version, ...head.map(text)].join('.'), ...run.ways.map(encodeWay)].join('_')}`
}

/** Undefined for whatever was not made by {@link encode}. */
export function decode(fragment: string): Shared | undefined {
  const said = /^#?run=([\d.a-z_-]{1,2000})$/.exec(fragment)?.[1]
  const [head, ...lanes] = said?.split('_') ?? []
  const [v, ...parts] = head?.split('.') ?? []
  const [at, road, rate, payload, readers] = numbers(parts, 5) ?? []
  const ways = lanes.map(decodeWay)
  if (v !== version || readers === undefined || !roads[road!] || ways.length === 0) return undefined
  if (!ways.every((way) => way !== undefined) || new Set(ways.map((way) => way.via)).size < ways.length) return undefined
  return { run: { at: 1000 * at!, road: roads[road!]!, rate: rate! / 10, payload: payload!, ways }, readers }
}

function encodeWay(way: Measurement): string {
  const tenths = (ms: number | undefined) => (ms === undefined ? '-' : text(Math.round(10 * ms)))
  const { published, received, lost, repeated, outOfOrder } = way
  const counts = [all.indexOf(way.via), Math.round(10 * way.seconds), published, received, lost, repeated, outOfOrder]
  const cost = [way.bytes, way.requests, way.reconnects, way.silent ? 1 : 0]
  return [...counts.map(text), tenths(way.p50), tenths(way.p90), tenths(way.p99), ...cost.map(text)].join('.')
}

function decodeWay(said: string): Measurement | undefined {
  const parts = said.split('.')
  const latencies = parts.splice(7, 3).map((part) => (part === '-' ? undefined : numbers([part], 1)?.[0]))
  const counts = numbers(parts, 11)
  const via = all[counts?.[0] ?? -1]
  if (!counts || !via || latencies.length < 3) return undefined
  const [, seconds, published, received, lost, repeated, outOfOrder, ...cost] = counts
  const [bytes, requests, reconnects, silent] = cost
  const [p50, p90, p99] = latencies.map((tenths) => (tenths === undefined ? undefined : tenths / 10))
  return {
    ...{ via, seconds: seconds! / 10, published: published!, received: received! },
    ...{ lost: lost!, repeated: repeated!, outOfOrder: outOfOrder!, p50, p90, p99 },
    ...{ bytes: bytes!, requests: requests!, reconnects: reconnects!, silent: silent === 1 },
  }
}

const text = (value: number): string => Math.round(value).toString(36)

function numbers(parts: string[], count: number): number[] | undefined {
  if (parts.length !== count || !parts.every((part) => /^[0-9a-z]{1,9}$/.test(part))) return undefined
  return parts.map((part) => parseInt(part, 36))
}
