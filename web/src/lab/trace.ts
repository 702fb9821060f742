import type { Via } from '../lanes/index.ts'
import { holds } from './shifts.ts'

// What one lane has done of late, as it is drawn: two lines, the server's and the browser's, and what went between them.
// All times are milliseconds of performance.now, as this page saw them. What it cannot see is when the server's side of it
// was: that is taken to be as long before an answer as the quickest answer shows one way to be.

/** By what way something went: how long one way is taken to be there. */
interface Road {
  way: number
}

interface Exchange {
  road: Road
  asked: number
  answered?: number
  /** When it was over: for a response that goes on, its end. */
  ended?: number
  failed?: boolean
}

interface Arrival {
  road: Road
  served: number
  at: number
}

/** An entry that this page has published. The server had it half-way between question and answer. */
export interface Post {
  seq: number
  sent: number
  served?: number
  answered?: number
}

/**
 * Between the lines: a response that goes on, a socket, a request that waits at the server, or one of which nothing is
 * known yet.
 */
export interface Band {
  from: number
  to: number
  kind: 'response' | 'socket' | 'request' | 'asked'
}

export interface Arrow {
  from: number
  to: number
  up: boolean
}

/** Entries on their way to the browser, together. */
export interface Fall {
  from: number
  to: number
  count: number
}

/** An entry that has left the server and is not here yet: `to` is when it is due. */
export interface Flight {
  from: number
  to: number
}

/** An entry that the server has and this reader has not got: until `to`, or still. */
export interface Wait {
  from: number
  to: number
  still: boolean
}

export interface Marks {
  bands: Band[]
  arrows: Arrow[]
  falls: Fall[]
  flights: Flight[]
  waits: Wait[]
  breaks: number[]
}

const kept = 40_000

/** Milliseconds by which a road may be slower than at its best without that being called waiting. */
const unrest = 40

export class Trace {
  private exchanges: Exchange[] = []
  private arrivals: Arrival[] = []
  private road: Road = { way: Infinity }

  constructor(private readonly via: Via) {}

  /** From here on it goes by another road. */
  moved(at: number): void {
    this.ended(at, false)
    this.road = { way: Infinity }
  }

  asked(at: number): void {
    this.exchanges.push({ road: this.road, asked: at })
    this.exchanges = this.exchanges.filter((exchange) => (exchange.ended ?? at) > at - kept)
    this.arrivals = this.arrivals.filter((arrival) => arrival.at > at - kept)
  }

  answered(at: number): void {
    const exchange = this.exchanges.at(-1)
    if (!exchange || exchange.answered !== undefined) return
    exchange.answered = at
    this.quick((at - exchange.asked) / 2)
    if (holds[this.via] === 'request' || holds[this.via] === 'short') exchange.ended = at
  }

  ended(at: number, failed: boolean): void {
    const exchange = this.exchanges.at(-1)
    if (!exchange || exchange.ended !== undefined) return
    exchange.ended = at
    exchange.failed = failed
  }

  arrived(served: number, at: number): void {
    this.quick(Math.max(0, at - served))
    this.arrivals.push({ road: this.road, served: Math.min(served, at), at })
    if (this.arrivals.length > 2000) this.arrivals.splice(0, 1000)
  }

  private quick(way: number): void {
    this.road.way = Math.min(this.road.way, way)
  }

  /** What is to be seen between two moments. The posts are those that this lane shall get and has not. */
  marks(from: number, to: number, missing: Post[] = []): Marks {
    const marks: Marks = { bands: [], arrows: [], falls: [], flights: [], waits: [], breaks: [] }
    const seen = this.exchanges.filter(({ asked, ended }) => (ended ?? to) >= from && asked <= to)
    for (const exchange of seen) this.draw(exchange, to, marks)
    for (const arrival of this.arrivals) if (arrival.at >= from && arrival.at <= to) this.fall(arrival, marks)
    for (const { served } of missing) if (served !== undefined && served < to) this.pend(served, to, marks)
    return marks
  }

  /** Down an open road an entry is on its way at once; if it is not here when it should be, something holds it back. */
  private pend(served: number, now: number, { flights, waits }: Marks): void {
    const last = this.exchanges.at(-1)
    const lasting = holds[this.via] === 'response' || holds[this.via] === 'socket'
    const open = lasting && last?.answered !== undefined && last.ended === undefined
    const due = served + this.road.way + unrest
    if (open && due > now) flights.push({ from: served, to: due })
    else waits.push({ from: served, to: now, still: true })
  }

  private draw(exchange: Exchange, now: number, { bands, arrows, breaks }: Marks): void {
    const { road, asked, answered, ended, failed } = exchange
    const kind = holds[this.via]
    const way = Math.min(road.way, answered === undefined ? Infinity : (answered - asked) / 2)
    const known = Number.isFinite(way)
    if (known) arrows.push({ from: asked, to: asked + way, up: true })
    if (answered !== undefined) arrows.push({ from: answered - way, to: answered, up: false })
    const left = answered === undefined ? (ended ?? now) : answered - way
    if (kind === 'request' && known) bands.push({ from: asked + way, to: left, kind })
    else if (answered === undefined) bands.push({ from: asked, to: ended ?? now, kind: 'asked' })
    else if (kind === 'response' || kind === 'socket') bands.push({ from: answered, to: ended ?? now, kind })
    if (failed) breaks.push(ended!)
  }

  private fall({ road, served, at }: Arrival, { falls, waits }: Marks): void {
    const left = Math.max(served, at - road.way)
    const waited = left - served > unrest
    const from = waited ? left : served
    if (waited) waits.push({ from: served, to: left, still: false })
    const last = falls.at(-1)
    if (last && at - last.to < 2) {
      last.count++
      last.from = Math.min(last.from, from)
    } else falls.push({ from, to: at, count: 1 })
  }
}
