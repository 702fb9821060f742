import type { Pabal } from './client.ts'
import { PabalError, TokenError } from './error.ts'
import { Ladder } from './ladder.ts'
import { race } from './race.ts'
import { Road, type Outcome } from './road.ts'
import { Spot } from './spot.ts'
import { kit } from './load.ts'
import { read, write } from './storage.ts'
import { backoff, sleep } from './time.ts'
import type { Batch, Command, Entry, Notice, Place, Status, Target } from './types.ts'

/** Who hears what a reader reads. */
export interface Feed {
  entry(entry: Entry): void
  notice(notice: Notice, channel: string | undefined): void
  /** Reading channel begins, at cursor, if that is known. */
  begun(channel: string, cursor: string | undefined): void
  /** The channel cannot be read, ever. */
  refused(channel: string, error: unknown): void
}

export type ReadOptions = Pick<Target, 'only' | 'every'>

/** The techniques whose answers say over several channels only where all of them are read up to. */
const answering = new Set(['poll', 'longpoll', 'jsonp'])
/** How long a road may take to open. */
export const openTime = 10_000

/**
 * Reads channels by the best road there is. It is a loop: open a road at the places that were reached, take what comes, and when the
 * road ends open another. A better road, or one that is asked for, is opened beside the one that reads, which is let go then.
 */
export class Reader {
  readonly spots = new Map<string, Spot>()
  status: Status = { state: 'idle', technique: undefined }
  current: Road | undefined
  /** @internal */
  readonly ladder: Ladder
  /** @internal */
  forced: string | undefined
  /** @internal */
  candidate: Road | undefined
  /** @internal What is to read next, while it is being opened. */
  changing: string | undefined
  private latest: Promise<void> | undefined
  private turn = 0
  /** @internal */
  running = false
  private paused = false
  /** @internal */
  failures = 0
  /** @internal Milliseconds between polls, while nobody looks. */
  interval: number | undefined
  private wake = () => {}
  /** @internal What is being opened and is not the candidate. */
  readonly racing = new Set<Road>()
  private runs = 0
  /** @internal */
  timers: { probe?: Timer; reopen?: Timer; token?: Timer } = {}

  constructor(
    readonly client: Pabal,
    private readonly feed: Feed,
    readonly options: ReadOptions,
  ) {
    this.ladder = new Ladder([...client.techniques.keys()], read<string>('localStorage', client.network))
  }

  /** Where the way up goes that does without requests. */
  get link(): Command | undefined {
    return this.current?.link
  }

  /** Reads a channel too, from a place on. */
  add({ channel, cursor, since }: Place): void {
    const spot = new Spot(channel, cursor, since ?? 'now')
    this.spots.set(channel, spot)
    if (!this.running) void this.run()
    else if (this.current) this.complete(this.current)
  }

  remove(channel: string): void {
    if (!this.spots.delete(channel)) return
    if (!this.wanted()) this.stop()
    else {
      this.current?.forget(channel)
      if (this.link) void kit().then(({ unsubscribe }) => unsubscribe(this, channel))
      else this.reopenSoon()
    }
  }

  /** Reads the same anew beside what reads now: with another token, an inbox, other channels. */
  reopenSoon(): void {
    if (!this.running) return
    this.timers.reopen ??= setTimeout(() => {
      delete this.timers.reopen
      const { current } = this
      if (current) void this.change(this.changing ?? current.technique).catch(() => this.current === current && current.abort())
    }, 20)
  }

  /** Lets go of all roads, until it may go on. */
  pause(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    if (paused) this.letGo()
    this.wake()
  }

  /** Attempts now what it waits for. */
  hurry(): void {
    this.failures = 0
    this.wake()
  }

  stop(): void {
    this.runs++
    this.running = false
    for (const timer of Object.values(this.timers)) clearTimeout(timer)
    this.timers = {}
    this.letGo()
    this.current = undefined
    this.wake()
    this.set({ state: 'idle' })
    this.client.opened() // who waits for a road waits for nothing
  }

  private letGo(): void {
    for (const road of this.racing) road.abort()
    this.candidate?.abort()
    this.current?.abort()
  }

  /** All that there is to read: what is closed has been. */
  private wanted(): boolean {
    return [...this.spots.values()].some((spot) => !spot.closed)
  }

  private async run(): Promise<void> {
    const turn = ++this.runs
    this.running = true
    await Promise.resolve() // what is subscribed to in the same turn goes into the same request
    while (turn === this.runs && this.wanted()) {
      if (this.paused) {
        this.set({ state: 'paused' })
        await this.rest(1e9) // until it is woken
        continue
      }
      if (!this.current) {
        this.set({ state: 'connecting' })
        const road = await this.attempt(() => turn !== this.runs || this.paused)
        if (turn !== this.runs || this.paused || this.current) road?.abort()
        else if (road) this.adopt(road)
      }
      const { current } = this
      if (!current || turn !== this.runs) continue
      const outcome = await current.done
      if (this.current !== current || turn !== this.runs) continue // another has taken over
      this.current = undefined
      clearTimeout(this.timers.probe)
      if (!this.paused && this.wanted()) await this.after(current, outcome)
    }
    if (turn === this.runs) this.stop()
  }

  private order(): string[] {
    if (this.interval !== undefined) return ['poll'] // nobody looks
    return [...new Set([this.forced ?? this.ladder.best, ...this.ladder.techniques])]
  }

  /** Tries techniques in turn until one is open; else it waits a little. */
  private async attempt(over: () => boolean): Promise<Road | undefined> {
    const { road, error } = await race(this, this.order(), over)
    if (road) this.ladder.works(road.technique)
    else if (!over() && !this.current) await this.failed(error)
    return road
  }

  private async failed(error: unknown): Promise<void> {
    if (error instanceof PabalError && (error.final || error.status === 401)) {
      const { refuse } = await kit()
      if (await refuse(this, error)) return
    }
    await this.wait(error)
  }

  /** Waits before the next attempt. */
  private async wait(error: unknown): Promise<void> {
    const asked = error instanceof PabalError && error.retryAfter ? 1000 * error.retryAfter * (1 + Math.random() / 4) : 0
    const ms = Math.max(asked, backoff(this.failures++))
    const offline = globalThis.navigator?.onLine === false
    this.set({ state: offline ? 'offline' : 'waiting', reason: messageOf(error), retryAt: Date.now() + ms })
    await this.rest(ms)
  }

  /** @internal */
  drop(channel: string, error: unknown): void {
    this.spots.delete(channel)
    this.feed.refused(channel, error)
    if (this.running && !this.wanted()) this.stop()
  }

  /** What comes after the road that read has ended. */
  private async after(road: Road, outcome: Outcome): Promise<void> {
    const { error, lived } = outcome
    if (lived > 60_000) this.ladder.forget()
    this.set({ state: 'connecting', reason: messageOf(error) })
    if (this.forced === undefined && error !== undefined) {
      const loaded = await Promise.race([kit(), sleep(500)]) // if nothing comes through now, it is not the technique
      if (loaded?.judge(this, road.technique, outcome)) return
    }
    if (error instanceof TokenError || road.said === 'expired') await this.client.token(true).catch(() => undefined)
    if (lived > 5000) this.failures = 0
    if (lived < 1000) return this.wait(error)
    // A server that stops has many readers: they come again over a second, all others soon.
    await this.rest((road.said ? 1000 : 200) * Math.random())
  }

  /** @internal Opens a road by technique beside the one that reads, which it replaces. What was to replace it before gives way to it. */
  change(technique: string): Promise<void> {
    if (this.paused) return Promise.resolve()
    this.candidate?.abort()
    this.changing = technique
    return (this.latest = this.replace(technique, ++this.turn))
  }

  private async replace(technique: string, turn: number): Promise<void> {
    const road = await this.open(technique)
    if (this.turn === turn) this.candidate = road
    const opened = await road.opening
    if (this.turn !== turn) {
      road.abort()
      return this.latest
    }
    this.changing = this.candidate = undefined
    if (opened) this.adopt(road)
    else throw road.error ?? new Error(`${technique} ended before it was open`)
  }

  /** @internal */
  adopt(road: Road): void {
    if (!this.running || this.paused || road.over) return road.abort()
    const before = this.current
    this.current = road
    this.candidate = undefined
    before?.abort()
    if (this.forced === undefined && this.interval === undefined) {
      write('localStorage', this.client.network, road.technique)
    }
    this.set(road.status ?? { state: 'live', technique: road.technique })
    this.client.opened()
    this.complete(road)
    this.probeSoon(this.ladder.probeAfter())
    this.wake()
  }

  /** @internal */
  probeSoon(ms: number): void {
    clearTimeout(this.timers.probe)
    if (this.forced !== undefined || !this.ladder.better.length) return
    this.timers.probe = setTimeout(() => void kit().then(({ probe }) => probe(this)), ms)
  }

  /** Sees to what was asked for while road was opening. */
  private complete(road: Road): void {
    const missing = [...this.spots.values()].filter((spot) => !spot.closed && !road.channels.has(spot.channel))
    if (road.target.connection !== this.connection || (missing.length && !road.link)) this.reopenSoon()
    else for (const spot of missing) void kit().then(({ subscribe }) => subscribe(this, road, spot))
  }

  /** @internal Opens a road by technique, which the caller has to abort if it does not adopt it. */
  async open(technique: string): Promise<Road> {
    const spots = [...this.spots.values()].filter((spot) => !spot.closed)
    const target = await this.target(spots, technique)
    const told = (status: Status) => {
      road.status = status
      if (road === this.current) this.set(status)
    }
    const refused = (channel: string, error: unknown) => this.drop(channel, error)
    const road: Road = new Road(technique, this.client.techniques.get(technique)!(), { ...target, told, refused }, spots, this.take)
    return road
  }

  /** What to read, from where. */
  private async target(spots: Spot[], technique: string): Promise<Target> {
    const { client, connection, interval } = this
    const token = await client.token()
    const sole = spots.length === 1 && !connection
    const uniform = spots.every((spot) => spot.cursor === undefined && spot.since === spots[0]!.since)
    // What begins elsewhere than the others is asked for first; and what is polled beside others, since an answer has one cursor for all.
    if (!uniform || (!sole && answering.has(technique))) {
      const { start } = await kit()
      await Promise.all(spots.map((spot) => spot.cursor ?? start(this, spot)))
    }
    const places = spots.map(({ channel, cursor, since }) => ({ channel, cursor, since }))
    return { url: client.url, meter: client.options.meter, token, places, connection, patience: openTime, interval, ...this.options }
  }

  /** In whose name it reads. */
  get connection(): string | undefined {
    const { client, options } = this
    return client.named && !options.only && !options.every ? client.connection : undefined
  }

  private readonly take = (road: Road, { entries, notices, cursor }: Batch): void => {
    for (const notice of notices) this.tell(road, notice)
    for (const entry of entries) {
      const spot = this.spotOf(road, entry.channel)
      if (!spot) continue
      if (spot.cursor === undefined) this.feed.begun(entry.channel, undefined)
      if (spot.take(entry)) this.feed.entry(entry)
    }
    const [only] = road.spots.keys()
    if (cursor !== undefined && only !== undefined && this.spotOf(road, only)) {
      this.begin(only, cursor)
      this.spots.get(only)?.reach(cursor)
    }
  }

  /**
   * The place of a channel, if road was opened for it: who subscribes again begins anew, and has nothing of what was read before. The inbox is read
   * beside whatever a road was opened for.
   */
  private spotOf(road: Road, channel: string): Spot | undefined {
    const spot = this.spots.get(channel)
    return spot && (road.spots.get(channel) === spot || channel.startsWith('$conn/')) ? spot : undefined
  }

  private tell(road: Road, notice: Notice): void {
    const { channel, cursor } = notice
    if (notice.notice === '$open') {
      const channels = notice.channels ?? (channel === undefined ? [] : [channel])
      const cursors = notice.cursors ?? [cursor]
      channels.forEach((name, i) => this.spotOf(road, name) && this.begin(name, cursors[i]))
    }
    if (notice.notice === '$expiring') void kit().then(({ renewSoon }) => renewSoon(this, notice))
    if (notice.notice === '$closed' && notice.reason !== 'closed') road.said = notice.reason
    if (channel === undefined || this.spotOf(road, channel)?.tell(notice)) this.feed.notice(notice, channel)
    if (notice.notice === '$closed' && !this.wanted()) this.stop()
  }

  /** @internal */
  begin(channel: string, cursor: string | undefined): void {
    const spot = this.spots.get(channel)
    if (!spot || cursor === undefined || spot.cursor !== undefined) return
    spot.cursor = cursor
    this.feed.begun(channel, cursor)
  }

  private rest(ms: number): Promise<void> {
    const woken = new AbortController()
    this.wake = () => woken.abort()
    return sleep(ms, woken.signal)
  }

  private set(status: Omit<Status, 'technique'> & { technique?: string | undefined }): void {
    this.status = { ...status, technique: status.technique ?? this.status.technique }
    this.client.changed()
  }
}

type Timer = ReturnType<typeof setTimeout>

const messageOf = (error: unknown): string | undefined => (error instanceof Error ? error.message : undefined)
