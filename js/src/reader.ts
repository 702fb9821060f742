import type { Pabal } from './client.ts'
import { PabalError, TokenError } from './error.ts'
import type { Faults } from './faults.ts'
import { Ladder } from './ladder.ts'
import { Road, type Outcome } from './road.ts'
import { Spot } from './spot.ts'
import { kit } from './load.ts'
import { read, write } from './storage.ts'
import { backoff, deferred, sleep } from './time.ts'
import type { Batch, Command, Entry, Notice, Place, Status, Target } from './types.ts'

/** Who hears what a reader reads. */
export interface Feed {
  entry(entry: Entry): void
  notice(notice: Notice, channel: string | undefined): void
  /** Reading channel begins at cursor. */
  begun(channel: string, cursor: string): void
  /** The channel cannot be read, ever. */
  refused(channel: string, error: unknown): void
}

export type ReadOptions = Pick<Target, 'only' | 'every'>

/** What worked on a network is tried first there for so long. */
const day = 86_400_000
/** How long the next technique waits before it is tried beside one that has not opened yet. */
const headStart = 400
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
  /** What is to read next, while it is being opened. */
  /** @internal */
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
  private faults: Faults | undefined
  private wake = () => {}
  private racing: Road[] = []
  private runs = 0
  /** @internal */
  timers: { probe?: Timer; reopen?: Timer; token?: Timer } = {}

  constructor(
    readonly client: Pabal,
    private readonly feed: Feed,
    readonly options: ReadOptions,
  ) {
    const known = read<{ technique: string; at: number }>('localStorage', client.network)
    this.ladder = new Ladder([...client.techniques.keys()], known && Date.now() - known.at < day ? known.technique : undefined)
  }

  /** Where the way up goes that does without requests. */
  get link(): Command | undefined {
    return this.current?.link
  }

  /** Whether what is asked in the connection's name has to wait for a road that reads in it. */
  get unnamed(): boolean {
    return this.running && this.current?.target.connection !== this.connection
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
    else if (this.current && this.link) {
      this.current.channels.delete(channel)
      // Who unsubscribes leaves, says the protocol; to be present is to be so until leave, says the client, and says it again.
      this.link({ command: 'unsubscribe', channel }).then(
        () => this.client.opened(),
        () => this.reopenSoon(),
      )
    } else this.reopenSoon()
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
        this.set({ state: 'paused', reason: 'the page is hidden' })
        await this.rest(2 ** 31 - 1)
        continue
      }
      if (!this.current) {
        this.set({ state: 'connecting' })
        const road = await this.race(this.order())
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
    if (this.interval !== undefined) return ['poll']
    return [...new Set([this.forced ?? this.ladder.best, ...this.ladder.techniques])]
  }

  /** @internal Tries techniques in turn, each with a short start before the next. The first that opens wins. */
  async race(order: string[]): Promise<Road | undefined> {
    const winner = deferred<Road | undefined>()
    const roads: Road[] = []
    const { runs } = this
    const over = () => runs !== this.runs || this.paused
    this.racing = roads
    let won: Road | undefined
    void winner.promise.then((road) => (won = road))
    for (const technique of order) {
      const road = await this.open(technique)
      if (!road) return undefined
      roads.push(road)
      void road.opening.then((open) => open && winner.resolve(road))
      const wait = headStart * 2 ** Math.min(this.failures, 3)
      await Promise.race([winner.promise, road.opening, sleep(wait)])
      if (won || over()) break
    }
    void Promise.all(roads.map((road) => road.opening)).then(() => winner.resolve(undefined))
    const road = await winner.promise
    for (const other of roads) if (other !== road) other.abort()
    if (road) this.ladder.works(road.technique)
    else if (!over()) await this.fail(roads)
    return road
  }

  /** No technique has opened. */
  private async fail(roads: Road[]): Promise<void> {
    const errors = roads.map((road) => road.error).filter((error) => error !== undefined)
    await this.failed(errors.find((error) => error instanceof PabalError && !error.foreign) ?? errors.at(-1))
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
  }

  /** What comes after the road that read has ended. */
  private async after(road: Road, outcome: Outcome): Promise<void> {
    const { error, lived } = outcome
    if (lived > 60_000) this.ladder.forget()
    if (this.forced === undefined && error !== undefined && (await this.judge(road.technique, outcome))) return
    if (error instanceof TokenError || road.said === 'expired') await this.client.token(true).catch(() => undefined)
    if (lived > 5000) this.failures = 0
    if (error !== undefined && lived < 1000) return this.wait(error)
    // A server that stops has many readers: they come again over a second, all others soon.
    this.set({ state: 'connecting', reason: messageOf(error) })
    await this.rest((road.said ? 1000 : 200) * Math.random())
  }

  /** Whether the end of a road speaks against its technique, and there is another. */
  private async judge(technique: string, outcome: Outcome): Promise<boolean> {
    const loaded = await Promise.race([kit(), sleep(500)])
    if (!loaded) return false // nothing comes through now, whatever the technique
    this.faults ??= new loaded.Faults()
    return this.faults.against(technique, outcome) && technique === this.ladder.best && this.ladder.down()
  }

  /** Opens a road by technique beside the one that reads, which it replaces. What was to replace it before gives way to it. */
  /** @internal */
  change(technique: string): Promise<void> {
    if (this.paused) return Promise.resolve()
    this.candidate?.abort()
    this.changing = technique
    return (this.latest = this.replace(technique, ++this.turn))
  }

  private async replace(technique: string, turn: number): Promise<void> {
    const road = await this.open(technique)
    if (this.turn === turn) this.candidate = road
    const opened = await road?.opening
    if (this.turn !== turn) {
      road?.abort()
      return this.latest
    }
    this.changing = this.candidate = undefined
    if (road && opened) this.adopt(road)
    else throw road?.error ?? new Error(`${technique} ended before it was open`)
  }

  /** @internal */
  adopt(road: Road): void {
    if (!this.running || this.paused || road.over) return road.abort()
    const before = this.current
    this.current = road
    this.candidate = undefined
    before?.abort()
    this.failures = 0
    write('localStorage', this.client.network, { technique: road.technique, at: Date.now() })
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
    else if (road.link) for (const spot of missing) void this.subscribe(road, road.link, spot)
  }

  /** @internal */
  async open(technique: string): Promise<Road | undefined> {
    try {
      const target = await this.target()
      const load = this.client.techniques.get(technique)
      if (!load || !this.running) return undefined
      const told = (status: Status) => {
        road.status = status
        if (road === this.current) this.set(status)
      }
      const refused = (channel: string, error: unknown) => this.drop(channel, error)
      const road: Road = new Road(technique, load(), { ...target, told, refused }, this.take)
      return road
    } catch (error) {
      if (!this.current) await this.failed(error)
      return undefined
    }
  }

  /** What to read, from where: every channel that is not closed. */
  private async target(): Promise<Target> {
    const token = await this.client.token()
    const spots = [...this.spots.values()].filter((spot) => !spot.closed)
    const uniform = spots.every((spot) => spot.cursor === undefined && spot.since === spots[0]!.since)
    if (!uniform) {
      const { start } = await kit()
      for (const spot of spots) if (spot.cursor === undefined) await start(this, spot)
    }
    const places = spots.map(({ channel, cursor, since }) => ({ channel, cursor, since }))
    const {
      url,
      options: { meter },
    } = this.client
    return { url, meter, token, places, connection: this.connection, patience: openTime, interval: this.interval, ...this.options }
  }

  /** In whose name it reads. */
  get connection(): string | undefined {
    const { client, options } = this
    return client.named && !options.only && !options.every ? client.connection : undefined
  }

  private async subscribe(road: Road, link: Command, spot: Spot): Promise<void> {
    const { channel, cursor, since } = spot
    road.channels.add(channel)
    try {
      const reply = await link({ command: 'subscribe', channel, ...(cursor === undefined ? { since } : { cursor }) })
      if (reply.cursor !== undefined) this.begin(channel, reply.cursor)
    } catch (error) {
      if (error instanceof PabalError && error.final) this.drop(channel, error)
      else this.reopenSoon()
    }
  }

  private readonly take = (road: Road, { entries, notices, cursor }: Batch): void => {
    for (const notice of notices) this.tell(road, notice)
    for (const entry of entries) {
      const spot = this.spots.get(entry.channel)
      if (spot?.take(entry)) this.feed.entry(entry)
    }
    if (cursor !== undefined && this.spots.size === 1) this.spots.values().next().value!.reach(cursor)
  }

  private tell(road: Road, notice: Notice): void {
    const { channel, cursor } = notice
    if (notice.notice === '$open') {
      const channels = notice.channels ?? (channel === undefined ? [] : [channel])
      const cursors = notice.cursors ?? [cursor]
      channels.forEach((name, i) => this.begin(name, cursors[i]))
    }
    if (notice.notice === '$expiring') void kit().then(({ renewSoon }) => renewSoon(this, notice))
    if (notice.notice === '$closed' && notice.reason !== 'closed') road.said = notice.reason
    const spot = channel === undefined ? undefined : this.spots.get(channel)
    if (spot?.tell(notice) ?? true) this.feed.notice(notice, channel)
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
    const woken = deferred<void>()
    this.wake = woken.resolve
    const timer = setTimeout(woken.resolve, ms)
    return woken.promise.finally(() => clearTimeout(timer))
  }

  private set(status: Omit<Status, 'technique'> & { technique?: string | undefined }): void {
    this.status = { ...status, technique: status.technique ?? this.status.technique }
    this.client.changed()
  }
}

type Timer = ReturnType<typeof setTimeout>

const messageOf = (error: unknown): string | undefined => (error instanceof Error ? error.message : undefined)
