import { connect, type Entry, type Meter, type Notice, type Pabal, type Status, type Subscription } from 'pabal'
import { Checker } from './checker.ts'
import type { Lane } from './lanes.ts'
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

/** One lane: a client of its own, how far it has read, and what that cost and brought so far. */
export class LaneState {
  messages = 0
  requests = 0
  bytes = 0
  disagreed = 0
  caughtUp = 0
  /** Left out because a newer one followed, as the server has said. */
  skipped = 0
  error: string | undefined
  cutAt: number | undefined
  last: { seen: Seen; arrived: number } | undefined
  readonly checker = new Checker()
  readonly points: Point[] = []
  private life: { client: Pabal; subscription: Subscription } | undefined
  private unanswered: number | undefined
  /** While catching up: entries up to here were published during the cut. */
  private behindUntil = 0

  constructor(
    readonly lane: Lane,
    readonly channel: string,
    private readonly log: Log,
    private from: string,
  ) {}

  /** Where it has read to: it goes on there after a cut. */
  get cursor(): string {
    return this.life?.subscription.cursor ?? this.from
  }

  start(): void {
    if (this.life) return
    const { technique, only, every } = this.lane
    this.cutAt = this.error = undefined
    this.behindUntil = this.last ? (this.log.head?.seq ?? 0) : 0
    this.caughtUp = 0
    // All tabs share six connections: a page that nobody sees lets go of its own.
    const meter = this.meterOf(() => this.life?.client === client)
    const client: Pabal = connect(undefined, { techniques: [technique], hidden: 'pause', meter })
    const subscription = client.channel(this.channel).subscribe((entry) => this.take(entry), {
      cursor: this.from,
      ...(only && { only }),
      ...(every && { every }),
      notice: (notice) => this.told(notice),
      error: (error) => (this.error = (error as Error).message),
    })
    this.life = { client, subscription }
    client.onStatus((status) => this.fares(status))
  }

  cut(): void {
    this.stop()
    this.cutAt = Date.now()
  }

  /** Ends the lane without calling it cut. */
  stop(): void {
    if (!this.life) return
    const { client, subscription } = this.life
    this.from = subscription.cursor ?? this.from
    this.life = this.unanswered = undefined
    client.close()
  }

  /** What comes of a response that outlives its cut must not count for the lane's next life. */
  private meterOf(lives: () => boolean): Meter {
    return {
      asked: () => {
        this.requests++
        this.unanswered = Date.now()
      },
      answered: () => lives() && (this.unanswered = undefined),
      took: (bytes) => lives() && (this.bytes += bytes),
    }
  }

  private fares({ state, reason }: Status): void {
    if (state === 'live') this.error = undefined
    else if (state !== 'connecting') this.unanswered = undefined
    if (state === 'waiting' || state === 'offline') this.error = reason ?? ''
  }

  private told(notice: Notice): void {
    if (notice.notice === '$skipped') this.skipped += notice.count ?? 0
    this.checker.notice(notice)
  }

  private take(entry: Entry): void {
    const now = Date.now()
    this.error = undefined
    this.messages++
    const added = this.log.add(entry, now)
    if (!added) return
    const { seen, agrees } = added
    if (!agrees) this.disagreed++
    this.checker.entry(entry.cursor, seen.seq)
    const late = seen.seq <= this.behindUntil
    if (late) this.caughtUp++
    this.last = { seen, arrived: now }
    this.points.push({ seq: seen.seq, data: seen.data, late })
    if (this.points.length > span) this.points.shift()
  }

  get isCut(): boolean {
    return this.cutAt !== undefined
  }

  /** For how long a request has waited without an answer that should be there: the browser has queued it. */
  starved(now: number): number {
    if (this.unanswered === undefined || now - this.unanswered < patience) return 0
    const overdue = (this.log.head?.seq ?? 0) > (this.last?.seen.seq ?? 0)
    // A long poll may wait, but not while the log already has what it waits for.
    return this.lane.holds !== 'wait' || overdue ? now - this.unanswered : 0
  }

  get clean(): boolean {
    return this.checker.clean && this.disagreed === 0
  }
}
