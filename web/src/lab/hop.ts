import { connect, type Pabal, type Status, type Subscription } from 'pabal'
import { pathOf } from '../../../js/src/wire.ts'
import { lanes, type Via } from '../lanes/index.ts'
import { Checker } from './checker.ts'
import { Publisher } from './publisher.ts'
import { all } from './shifts.ts'
import { read } from './stamp.ts'

export interface Step {
  at: number
  via: Via | undefined
}

export interface Arrived {
  at: number
  via: Via
}

const kept = 30_000

/** One reader that goes from technique to technique, by the client as any page would use it, and holds it to the promise. */
export class Hop {
  readonly publisher: Publisher
  readonly checker: Checker
  /** By what it has read of late, and what came. */
  steps: Step[] = []
  arrived: Arrived[] = []
  hops = 0
  /** Where it is going. */
  going: Via | undefined
  failed: { via: Via; why: string } | undefined
  everySecond = false
  over = performance.now()
  private pabal: Pabal | undefined
  private reading: Subscription | undefined
  private cursor: string | undefined
  private timer: ReturnType<typeof setInterval> | undefined

  constructor(
    readonly channel: string,
    private readonly changed: () => void,
  ) {
    this.publisher = new Publisher(channel, { rate: 5, payload: 64 })
    this.checker = new Checker(0, this.publisher.unknown)
  }

  get runs(): boolean {
    return this.pabal !== undefined
  }

  get via(): Via | undefined {
    return this.steps.at(-1)?.via
  }

  get now(): number {
    return this.runs ? performance.now() : this.over
  }

  /** Begins to read at url, where it left off. */
  start(url: string): void {
    this.stopReading()
    this.pabal = connect(url, { techniques: all.map((via) => [via, lanes[via]] as const) })
    this.pabal.onStatus((status) => this.heard(status))
    this.reading = this.pabal.channel(this.channel).subscribe(
      ({ data, cursor }) => {
        this.cursor = cursor
        this.take(data)
      },
      {
        ...(this.cursor ? { cursor: this.cursor } : { since: 'all' }),
        notice: ({ notice }) => this.checker.notice(notice),
      },
    )
    this.publisher.start()
    this.changed()
  }

  stop(): void {
    this.everyOneSecond(false)
    this.stopReading()
    void this.publisher.stop()
    this.changed()
  }

  /** Goes on by this technique. */
  async to(via: Via): Promise<void> {
    const { pabal } = this
    if (!pabal || this.going) return
    this.going = via
    this.failed = undefined
    this.changed()
    try {
      await pabal.hop(via)
      this.hops++
    } catch (error) {
      if (this.pabal === pabal) this.failed = { via, why: (error as Error).message }
    } finally {
      this.going = undefined
      this.changed()
    }
  }

  /** Hops by itself, to whichever comes next. */
  everyOneSecond(on: boolean): void {
    this.everySecond = on
    clearInterval(this.timer)
    let next = this.via ? all.indexOf(this.via) : -1
    if (on) this.timer = setInterval(() => this.going || void this.to(all[(next = (next + 1) % all.length)]!), 1000)
    this.changed()
  }

  leave(): void {
    const used = this.publisher.seq > 0
    this.stop()
    if (used) void fetch(`/channels/${pathOf(this.channel)}`, { method: 'DELETE', keepalive: true })
  }

  private stopReading(): void {
    if (!this.pabal) return
    this.reading?.stop()
    this.pabal.close()
    this.pabal = undefined
    this.over = performance.now()
    this.step(undefined)
  }

  private heard({ state, technique }: Status): void {
    if (state !== 'closed') this.step(state === 'live' ? (technique as Via) : undefined)
    this.changed()
  }

  private step(via: Via | undefined): void {
    if (this.via === via) return
    const at = performance.now()
    this.steps.push({ at, via })
    const first = this.steps.findLastIndex((step) => step.at < at - kept)
    if (first > 0) this.steps = this.steps.slice(first)
  }

  private take(data: unknown): void {
    const stamp = read(data)
    if (!stamp) return
    const at = performance.now()
    if (this.via && !this.checker.has(stamp.seq)) this.arrived.push({ at, via: this.via })
    this.checker.take(stamp.seq)
    if (this.arrived.length > 400) this.arrived = this.arrived.filter((entry) => entry.at > at - kept)
  }
}
