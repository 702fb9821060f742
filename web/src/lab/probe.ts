import { SilentError } from '../../../js/src/error.ts'
import type { Batch, Meter } from '../../../js/src/types.ts'
import { follow } from '../lanes/follow.ts'
import { lanes, type Via } from '../lanes/index.ts'
import { Checker } from './checker.ts'
import { Histogram } from './histogram.ts'
import { clock, read } from './stamp.ts'
import { Trace } from './trace.ts'
import type { Measurement } from './verdict.ts'

/** Nothing for so long, before a server has said how often it gives a sign of life, is a failure. */
const patience = 8000

export interface Start {
  url: string
  channel: string
  cursor: string
  /** The number of the last entry that lies before the cursor. */
  after: number
}

/** One technique at work: it reads from where it was started, and counts what that costs and brings. */
export class Probe {
  readonly trace: Trace
  readonly latencies = new Histogram()
  readonly checker: Checker
  requests = 0
  bytes = 0
  reconnects = 0
  /** Why it does not read at the moment. */
  error: Error | undefined
  /** It has been answered. */
  opened = false
  private cursor: string
  private running: AbortController | undefined
  private silent = false
  private unanswered: number | undefined
  private begun = performance.now()
  private over: number | undefined

  constructor(
    readonly via: Via,
    private readonly from: Start,
    /** When the server had an entry, as far as this page can tell. */
    private readonly servedAt: (seq: number) => number | undefined,
  ) {
    this.trace = new Trace(via)
    this.checker = new Checker(from.after)
    this.cursor = from.cursor
  }

  /** Begins to read, or goes on where it was by another address. */
  start(url = this.from.url): void {
    this.running?.abort()
    this.running = new AbortController()
    this.trace.moved(performance.now())
    this.over = undefined
    const { signal } = this.running
    const to = { url, channel: this.from.channel, cursor: this.cursor, patience, meter: this.meterOf(signal) }
    void follow(lanes[this.via], to, signal, {
      batch: (batch) => this.take(batch),
      failed: (error) => this.broke(error),
      ended: () => this.broke(undefined),
    })
  }

  stop(): void {
    this.running?.abort()
    this.running = undefined
    this.unanswered = undefined
    this.over = performance.now()
    this.trace.ended(this.over, false)
  }

  get reads(): boolean {
    return this.running !== undefined
  }

  /** What it does is drawn up to here. */
  get now(): number {
    return this.over ?? performance.now()
  }

  /** For how long a request has not been answered, in milliseconds. */
  get waits(): number {
    return this.unanswered === undefined ? 0 : performance.now() - this.unanswered
  }

  begin(): void {
    this.begun = performance.now()
  }

  measurement(published: number): Measurement {
    const { received, lost, repeated, outOfOrder } = this.checker
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((p) => this.latencies.percentile(p))
    const seconds = (this.now - this.begun) / 1000
    const { via, bytes, requests, reconnects, silent } = this
    const came = { published, received, lost, repeated, outOfOrder, p50, p90, p99 }
    return { via, seconds, ...came, bytes, requests, reconnects, silent }
  }

  /** A response that outlives its lane's cut must not count for the lane's next life. */
  private meterOf(signal: AbortSignal): Meter {
    return {
      asked: () => {
        if (signal.aborted) return
        this.requests++
        this.unanswered = performance.now()
        this.trace.asked(this.unanswered)
      },
      answered: () => {
        if (signal.aborted) return
        this.opened = true
        this.unanswered = undefined
        this.trace.answered(performance.now())
      },
      took: (bytes) => {
        if (!signal.aborted) this.bytes += bytes
      },
    }
  }

  private take({ entries, notices, cursor }: Batch & { cursor: string }): void {
    const [now, at] = [clock(), performance.now()]
    this.cursor = cursor
    this.error = undefined
    this.silent = false
    for (const { notice } of notices) this.checker.notice(notice)
    for (const { data } of entries) {
      const stamp = read(data)
      if (!stamp || stamp.seq <= this.from.after) continue
      if (!this.checker.has(stamp.seq)) {
        this.latencies.add(now - stamp.sent)
        this.trace.arrived(this.servedAt(stamp.seq) ?? at, at)
      }
      this.checker.take(stamp.seq)
    }
  }

  private broke(error: Error | undefined): void {
    this.reconnects++
    this.error = error
    this.unanswered = undefined
    this.silent = error instanceof SilentError
    this.trace.ended(performance.now(), error !== undefined)
  }
}
