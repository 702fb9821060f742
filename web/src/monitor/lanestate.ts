import { follow } from '../lanes/follow.ts'
import { lanes } from '../lanes/index.ts'
import type { Batch, Meter } from '../lanes/lane.ts'
import type { Technique } from '../techniques.ts'
import { Checker } from './checker.ts'
import type { Log, Seen } from './log.ts'

export interface Point {
  seq: number
  data: Record<string, unknown>
  /** It came only after a cut, by catching up. */
  late: boolean
}

/** How many entries a sparkline shows: at two a second, half a minute. */
export const span = 60

const patience = 2000

/** One lane: a technique, its cursor, and what it cost and brought so far. */
export class LaneState implements Meter {
  messages = 0
  requests = 0
  bytes = 0
  disagreed = 0
  caughtUp = 0
  error: string | undefined
  cutAt: number | undefined
  last: { seen: Seen; arrived: number } | undefined
  readonly checker = new Checker()
  readonly points: Point[] = []
  private running: AbortController | undefined
  private unanswered: number | undefined
  /** While catching up: entries up to here were published during the cut. */
  private behindUntil = 0

  constructor(
    readonly technique: Technique,
    readonly channel: string,
    private readonly log: Log,
    public cursor: string,
  ) {}

  start(): void {
    if (this.running) return
    this.cutAt = undefined
    this.error = undefined
    this.behindUntil = this.last ? (this.log.head?.seq ?? 0) : 0
    this.caughtUp = 0
    this.running = new AbortController()
    const to = { channel: this.channel, cursor: this.cursor, meter: this.meterOf(this.running.signal) }
    void follow(lanes[this.technique.via], to, this.running.signal, {
      batch: (batch) => this.take(batch),
      failed: (error) => {
        this.error = error.message
        this.unanswered = undefined
      },
    })
  }

  cut(): void {
    this.stop()
    this.cutAt = Date.now()
  }

  /** Ends the lane without calling it cut: it is started again where it was. */
  stop(): void {
    this.running?.abort()
    this.running = undefined
    this.unanswered = undefined
  }

  asked(): void {
    this.requests++
    this.unanswered = Date.now()
  }
  answered(): void {
    this.unanswered = undefined
  }
  took(bytes: number): void {
    this.bytes += bytes
  }

  /** A response that outlives its cut must not count for the lane's next life. */
  private meterOf(signal: AbortSignal): Meter {
    const unless = <A extends unknown[]>(call: (...args: A) => void) => {
      return (...args: A) => signal.aborted || call.apply(this, args)
    }
    return { asked: unless(this.asked), answered: unless(this.answered), took: unless(this.took) }
  }

  private take({ entries, notices, cursor }: Batch): void {
    const now = Date.now()
    this.error = undefined
    this.cursor = cursor
    for (const notice of notices) this.checker.notice(notice)
    for (const entry of entries) {
      this.messages++
      const added = this.log.add(entry, now)
      if (!added) continue
      const { seen, agrees } = added
      if (!agrees) this.disagreed++
      this.checker.entry(entry.cursor, seen.seq)
      const late = seen.seq <= this.behindUntil
      if (late) this.caughtUp++
      this.last = { seen, arrived: now }
      this.points.push({ seq: seen.seq, data: seen.data, late })
      if (this.points.length > span) this.points.shift()
    }
  }

  get isCut(): boolean {
    return this.cutAt !== undefined
  }

  /** For how long a request has waited without an answer that should be there: the browser has queued it. */
  starved(now: number): number {
    if (this.unanswered === undefined || now - this.unanswered < patience) return 0
    const overdue = (this.log.head?.seq ?? 0) > (this.last?.seen.seq ?? 0)
    // A long poll may wait, but not while the log already has what it waits for.
    return this.technique.holds !== 'wait' || overdue ? now - this.unanswered : 0
  }

  get clean(): boolean {
    return this.checker.clean && this.disagreed === 0
  }
}
