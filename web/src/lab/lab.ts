import { problemOf } from '../../../js/src/problem.ts'
import { sleep } from '../../../js/src/time.ts'
import { pathOf } from '../../../js/src/wire.ts'
import type { Via } from '../lanes/index.ts'
import { Probe } from './probe.ts'
import { Publisher, type Pace } from './publisher.ts'
import { Queue } from './queue.ts'
import { groups, road } from './shifts.ts'
import { Trouble, type Faults } from './trouble.ts'
import type { Post } from './trace.ts'
import { inOrder, type Measurement, type Run } from './verdict.ts'

/**
 * `still`: nothing runs; `live`: one group of lanes reads on and on; `measuring`: each group in its turn; `done`: measured;
 * `hidden`: it stopped because nobody sees the page.
 */
export type Phase = 'still' | 'live' | 'measuring' | 'done' | 'hidden'

export interface Progress {
  group: number
  of: number
  /** Publishing is over, and what is on its way still may arrive. */
  draining: boolean
  begun: number
  ms: number
}

const settle = 1500
const drain = 3000

/** What the page does: it publishes to a channel of its own, and reads that by every technique. */
export class Lab {
  readonly id = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(36).padStart(2, '0')).join('')
  readonly channel = `lab/${this.id}`
  readonly road = road()
  readonly pace: Pace = { rate: 2, payload: 64 }
  readonly trouble = new Trouble(this.id)
  readonly publisher = new Publisher(this.channel, this.pace)
  readonly probes = new Map<Via, Probe>()
  phase: Phase = 'still'
  group = 0
  active: Via[] = []
  progress: Progress | undefined
  run: Run | undefined
  /** Why it does not run. */
  error: string | undefined
  changed = () => {}
  private readonly queue = new Queue(`/channels/${pathOf(this.channel)}`)
  private job: AbortController | undefined
  private over: Promise<void> = Promise.resolve()
  /** Of the publisher, when the active lanes began. */
  private before = { seq: 0, kept: 0 }
  private used = false

  get groups(): Via[][] {
    return groups(this.road)
  }

  /** One group reads until something else is asked for. */
  live(group = this.group): Promise<void> {
    this.group = group
    return this.begin('live', async (signal) => {
      await this.open(this.groups[group]!, signal)
      await sleep(2 ** 31 - 1, signal)
    })
  }

  /** Every group reads for its part of so many seconds; then there is a run. */
  measure(seconds: number): Promise<void> {
    return this.begin('measuring', async (signal) => {
      const ways: Measurement[] = []
      const ms = (1000 * seconds) / this.groups.length
      for (const [group, vias] of this.groups.entries()) {
        this.group = group
        this.progress = { group, of: this.groups.length, draining: false, begun: performance.now(), ms }
        ways.push(...(await this.turn(vias, ms, signal)))
        if (signal.aborted) return
      }
      const { rate, payload } = this.pace
      this.group = 0
      this.run = { at: Date.now(), road: this.road, rate, payload, ways: inOrder(ways) }
      this.enter('done')
    })
  }

  stop(phase: 'still' | 'hidden' = 'still'): Promise<void> {
    return this.begin(phase, async () => {})
  }

  /** Lanes go on by another road, at their cursors. */
  async makeTrouble(faults: Faults): Promise<void> {
    const reading = this.active.map((via) => this.probes.get(via)!).filter((probe) => probe.reads)
    for (const probe of reading) probe.stop()
    try {
      await this.trouble.set(faults)
    } finally {
      if (this.phase === 'live') for (const probe of reading) probe.start(this.trouble.url)
      this.changed()
    }
  }

  /** The page is left: nothing of it stays at the server. */
  leave(): void {
    void this.stop()
    this.queue.end()
    this.trouble.end()
    if (this.used) void fetch(`/channels/${pathOf(this.channel)}`, { method: 'DELETE', keepalive: true })
  }

  /** Entries that a lane is to get and has not. */
  missing(via: Via): Post[] {
    const probe = this.probes.get(via)
    if (!probe?.reads) return []
    return this.publisher.posts.filter(({ seq }) => seq > this.before.seq && !probe.checker.has(seq))
  }

  /** Of the entries since the active lanes began, how many are known to be kept. */
  get published(): number {
    return this.publisher.kept - this.before.kept
  }

  /**
   * How long publishing waits, in milliseconds, where it seems to be for a free connection: what has gone out tells how
   * long it was in the browser; what has no answer at all for seconds has probably not gone out.
   */
  get queued(): number {
    if (this.road === 'h2' || this.publisher.error) return 0
    const oldest = this.publisher.posts.find(({ answered }) => answered === undefined)
    const waits = oldest ? performance.now() - oldest.sent : 0
    return waits > 2000 ? waits : this.queue.waited
  }

  private async begin(phase: Phase, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.job?.abort()
    const job = (this.job = new AbortController())
    const before = this.over
    this.over = (async () => {
      await before
      if (job.signal.aborted) return
      this.enter(phase)
      try {
        await work(job.signal)
      } catch (error) {
        if (!job.signal.aborted) this.fail(error as Error)
      }
      await this.close()
    })()
    await this.over
  }

  private enter(phase: Phase): void {
    this.phase = phase
    this.error = undefined
    if (phase !== 'measuring') this.progress = undefined
    this.changed()
  }

  private fail(error: Error): void {
    this.enter('still')
    this.error = error.message
    this.changed()
  }

  /** Lanes first, then what they read: how long it takes to connect is no latency of an entry. */
  private async open(vias: Via[], signal: AbortSignal): Promise<void> {
    const cursor = await this.end(signal)
    this.before = { seq: this.publisher.seq, kept: this.publisher.kept }
    const from = { url: this.trouble.url, channel: this.channel, cursor, after: this.before.seq }
    const servedAt = (seq: number) => this.publisher.posts.find((post) => post.seq === seq)?.served
    this.active = vias
    for (const via of vias) this.probes.set(via, new Probe(via, from, servedAt))
    const probes = vias.map((via) => this.probes.get(via)!)
    for (const probe of probes) probe.start()
    this.changed()
    await until(() => probes.every((probe) => probe.opened), settle, signal)
    if (signal.aborted) return
    for (const probe of probes) probe.begin()
    this.used = true
    this.publisher.start()
  }

  private async turn(vias: Via[], ms: number, signal: AbortSignal): Promise<Measurement[]> {
    await this.open(vias, signal)
    this.progress = { ...this.progress!, begun: performance.now() }
    await until(() => this.publisher.refused !== undefined, ms, signal)
    if (this.publisher.refused) throw this.publisher.refused
    await this.publisher.stop()
    this.progress = { ...this.progress!, draining: true }
    this.changed()
    const probes = vias.map((via) => this.probes.get(via)!)
    const patience = drain + 2 * this.trouble.faults.delayMs
    await until(() => probes.every((probe) => probe.checker.received >= this.published), patience, signal)
    const measured = probes.map((probe) => probe.measurement(this.published))
    await this.close()
    return measured
  }

  private async close(): Promise<void> {
    for (const via of this.active) this.probes.get(via)?.stop()
    await this.publisher.stop()
    this.changed()
  }

  /** Where the channel ends. A question with an answer that says why, if it cannot be read. */
  private async end(signal: AbortSignal): Promise<string> {
    const response = await fetch(`/channels/${pathOf(this.channel)}?via=poll&since=now`, { signal, cache: 'no-store' })
    if (!response.ok) throw await problemOf(response)
    return response.headers.get('Pabal-Cursor') ?? ''
  }
}

/** Waits until it holds, for so long at most. */
async function until(holds: () => boolean, ms: number, signal: AbortSignal): Promise<void> {
  for (const end = performance.now() + ms; !holds() && performance.now() < end && !signal.aborted; ) {
    await sleep(Math.min(50, end - performance.now()), signal)
  }
}
