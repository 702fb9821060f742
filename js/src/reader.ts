import { PabalError, RoadError, SilentError, TokenError } from './error.ts'
import { Ladder, type Fault } from './ladder.ts'
import { Road, type Outcome } from './road.ts'
import { Spot } from './spot.ts'
import { backoff, deferred, sleep } from './time.ts'
import type { Batch, Command, Entry, Meter, Notice, Place, Status, Target, Transport } from './types.ts'

/** What a reader needs of the client that it is a part of. */
export interface Home {
  url: string
  techniques: Map<string, () => Promise<Transport>>
  meter: Meter | undefined
  token(fresh?: boolean): Promise<string | undefined>
  /** The connection's id, once something is asked in its name. */
  connection(): string | undefined
  /** Where this network let the client stand the last time, and a word for the next. */
  remembered(): string | undefined
  remember(technique: string): void
  entry(entry: Entry): void
  notice(notice: Notice, channel: string | undefined): void
  /** Reading channel begins at cursor. */
  begun(channel: string, cursor: string): void
  /** The channel cannot be read, ever. */
  refused(channel: string, error: unknown): void
  /** Another road reads. */
  opened(): void
  changed(status: Status): void
}

/** How long the next technique waits before it is tried beside one that has not opened yet. */
const headStart = 400
/** Milliseconds between polls while nobody looks. */
const rareInterval = 15_000
/** How long a road may take to open. */
const openTime = 10_000

/**
 * Reads channels by the best road there is. It is a loop: open a road at the places that were reached, take what comes, and when the
 * road ends open another. A better road, or one that is asked for, is opened beside the one that reads, which is let go then.
 */
export class Reader {
  readonly spots = new Map<string, Spot>()
  status: Status = { state: 'idle', technique: undefined }
  current: Road | undefined
  private readonly ladder: Ladder
  private forced: string | undefined
  private candidate: Road | undefined
  /** What is to read next, while it is being opened. */
  private changing: string | undefined
  private latest: Promise<void> | undefined
  private turn = 0
  private running = false
  private paused = false
  private failures = 0
  private interval: number | undefined
  private before: string | undefined
  private wake = () => {}
  private timers: { probe?: Timer; reopen?: Timer; token?: Timer } = {}

  constructor(
    private readonly home: Home,
    private readonly options: { only?: 'latest' | undefined; every?: string | undefined } = {},
  ) {
    this.ladder = new Ladder([...home.techniques.keys()], home.remembered())
  }

  /** Where the way up goes that does without requests. */
  get link(): Command | undefined {
    return this.current?.link
  }

  /** Whether what is asked in the connection's name has to wait for a road that reads in it. */
  get unnamed(): boolean {
    return this.running && this.current?.target.connection !== this.home.connection()
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
      this.link({ command: 'unsubscribe', channel }).catch(() => this.reopenSoon())
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

  /** Reads by technique from now on; undefined: by the best there is. */
  async hop(technique: string | undefined): Promise<void> {
    if (technique !== undefined && !this.home.techniques.has(technique)) {
      throw new Error(`${technique} is none of ${[...this.home.techniques.keys()].join(', ')}`)
    }
    this.forced = technique
    if (!this.running) return
    if (technique !== undefined) return this.change(technique)
    const road = await this.race([...this.ladder.techniques])
    if (!road) throw new Error('no technique works now')
    this.adopt(road)
  }

  /** Lets go of all roads, until resume. */
  pause(paused: boolean): void {
    if (this.paused === paused) return
    this.paused = paused
    if (paused) {
      this.candidate?.abort()
      this.current?.abort()
    }
    this.wake()
  }

  /** The network may be another, or this page has slept: what was open may be dead without a word. */
  suspect(): void {
    this.ladder.forget()
    this.failures = 0
    const { current } = this
    if (current) {
      this.change(current.technique).then(
        () => this.probeSoon(1000),
        () => this.current === current && current.abort(),
      )
    }
    this.wake()
  }

  /** Polls now and then, as nobody looks, or goes on as before. */
  rare(rare: boolean): void {
    if (rare === (this.interval !== undefined)) return
    this.interval = rare ? rareInterval : undefined
    if (!this.home.techniques.has('poll')) return this.pause(rare)
    if (rare) this.before = this.current?.technique
    const { forced } = this
    const technique = rare ? 'poll' : (forced ?? this.before ?? this.ladder.best)
    if (this.running) void this.change(technique).catch(() => this.current?.abort())
  }

  /** Attempts now what it waits for. */
  hurry(): void {
    this.failures = 0
    this.wake()
  }

  stop(): void {
    this.running = false
    for (const timer of Object.values(this.timers)) clearTimeout(timer)
    this.timers = {}
    this.candidate?.abort()
    this.current?.abort()
    this.wake()
  }

  /** All that there is to read: what is closed has been. */
  private wanted(): boolean {
    return [...this.spots.values()].some((spot) => !spot.closed)
  }

  private async run(): Promise<void> {
    this.running = true
    await Promise.resolve() // what is subscribed to in the same turn goes into the same request
    while (this.running && this.wanted()) {
      if (this.paused) {
        this.set({ state: 'paused', reason: 'the page is hidden' })
        await this.rest(2 ** 31 - 1)
        continue
      }
      if (!this.current) {
        this.set({ state: 'connecting' })
        const road = await this.race(this.order())
        if (!this.running || this.paused) road?.abort()
        else if (road && this.current) road.abort()
        else if (road) this.adopt(road)
      }
      const { current } = this
      if (!current) continue
      const outcome = await current.done
      if (this.current !== current) continue // another has taken over
      this.current = undefined
      clearTimeout(this.timers.probe)
      if (this.running && !this.paused && this.wanted()) await this.after(current, outcome)
    }
    this.current?.abort()
    this.current = undefined
    this.running = false
    this.set({ state: 'idle' })
  }

  private order(): string[] {
    const order = this.ladder.order()
    if (this.interval !== undefined) return ['poll']
    return this.forced === undefined ? order : [this.forced, ...order.filter((technique) => technique !== this.forced)]
  }

  /** Tries techniques in turn, each with a short start before the next. The first that opens wins. */
  private async race(order: string[]): Promise<Road | undefined> {
    const winner = deferred<Road | undefined>()
    const roads: Road[] = []
    let won: Road | undefined
    void winner.promise.then((road) => (won = road))
    for (const technique of order) {
      const road = await this.open(technique)
      if (!road) return undefined
      roads.push(road)
      void road.opening.then((open) => open && winner.resolve(road))
      const wait = headStart * 2 ** Math.min(this.failures, 3)
      await Promise.race([winner.promise, road.opening, sleep(wait)])
      if (won || !this.running || this.paused) break
    }
    void Promise.all(roads.map((road) => road.opening)).then(() => winner.resolve(undefined))
    const road = await winner.promise
    for (const other of roads) if (other !== road) other.abort()
    if (road) this.ladder.works(road.technique)
    else if (this.running && !this.paused) await this.fail(roads)
    return road
  }

  /** No technique has opened. */
  private async fail(roads: Road[]): Promise<void> {
    const errors = roads.map((road) => road.error).filter((error) => error !== undefined)
    await this.failed(errors.find((error) => error instanceof PabalError && !error.foreign) ?? errors.at(-1))
  }

  private async failed(error: unknown): Promise<void> {
    if (error instanceof PabalError && (error.final || error.status === 401)) {
      if (await this.refuse(error)) return
    }
    await this.wait(error)
  }

  /** Waits before the next attempt. */
  private async wait(error: unknown): Promise<void> {
    const asked = error instanceof PabalError && error.retryAfter ? 1000 * error.retryAfter * (1 + Math.random() / 4) : 0
    const ms = Math.max(asked, backoff(this.failures++))
    const offline = typeof navigator !== 'undefined' && navigator.onLine === false
    const reason = error instanceof Error ? error.message : undefined
    this.set({ state: offline ? 'offline' : 'waiting', reason, retryAt: Date.now() + ms })
    await this.rest(ms)
  }

  /** The server takes none of this. It reports whether there is something else to try at once. */
  private async refuse(error: PabalError): Promise<boolean> {
    if (error.status === 401) {
      const before = await this.home.token().catch(() => undefined)
      const now = await this.home.token(true).catch(() => undefined)
      return now !== undefined && now !== before && this.failures++ < 2
    }
    // Of several channels the server does not say which it is: each is asked for alone.
    const spots = [...this.spots.values()].filter((spot) => !spot.closed)
    if (spots.length < 2) {
      for (const { channel } of spots) this.drop(channel, error)
      return true
    }
    let dropped = false
    for (const spot of spots) {
      const why = await this.start(spot).catch((why: unknown) => why)
      if (!(why instanceof PabalError && why.final)) continue
      this.drop(spot.channel, why)
      dropped = true
    }
    return dropped
  }

  private drop(channel: string, error: unknown): void {
    this.spots.delete(channel)
    this.home.refused(channel, error)
  }

  /** What comes after the road that read has ended. */
  private async after(road: Road, { error, lived, signs }: Outcome): Promise<void> {
    if (lived > 60_000) this.ladder.proved(road.technique)
    const fault = faultOf(error, lived, signs)
    if (this.forced === undefined && this.ladder.techniques.length > 1) {
      if (fault && this.ladder.ended(road.technique, fault, lived)) return // the next one at once
    }
    if (error instanceof TokenError || road.said === 'expired') await this.home.token(true).catch(() => undefined)
    if (lived > 5000) this.failures = 0
    if (error !== undefined && lived < 1000) return this.wait(error)
    // A server that stops has many readers: they come again over a second, all others soon.
    const ms = (road.said ? 1000 : 200) * Math.random()
    this.set({ state: 'connecting', reason: error instanceof Error ? error.message : undefined })
    await this.rest(ms)
  }

  /** Opens a road by technique beside the one that reads, which it replaces. What was to replace it before gives way to it. */
  private change(technique: string): Promise<void> {
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

  private adopt(road: Road): void {
    if (!this.running || this.paused || road.over) return road.abort()
    const before = this.current
    this.current = road
    this.candidate = undefined
    before?.abort()
    this.failures = 0
    this.home.remember(road.technique)
    this.set(road.status ?? { state: 'live', technique: road.technique })
    this.home.opened()
    this.complete(road)
    this.probeSoon(this.ladder.probeAfter())
    this.wake()
  }

  private probeSoon(ms: number): void {
    clearTimeout(this.timers.probe)
    if (this.forced !== undefined || !this.ladder.better().length) return
    this.timers.probe = setTimeout(() => void this.probe(), ms)
  }

  /** Sees to what was asked for while road was opening. */
  private complete(road: Road): void {
    const missing = [...this.spots.values()].filter((spot) => !spot.closed && !road.channels.has(spot.channel))
    if (road.target.connection !== this.connection() || (missing.length && !road.link)) this.reopenSoon()
    else if (road.link) for (const spot of missing) void this.subscribe(road, road.link, spot)
  }

  /** Tries what would be better, beside what reads. It has to show a sign of life after it is open: something may hold it back. */
  private async probe(): Promise<void> {
    for (const technique of this.ladder.better()) {
      const road = await this.open(technique)
      if (!road || !this.current || this.changing) return road?.abort()
      this.candidate = road
      if ((await road.opening) && (await this.showsLife(road))) {
        this.ladder.works(technique)
        return this.adopt(road)
      }
      const replaced = this.candidate !== road
      road.abort()
      if (replaced || !this.running) return
      this.candidate = undefined
    }
    this.ladder.probed()
    this.probeSoon(this.ladder.probeAfter())
  }

  private async showsLife(road: Road): Promise<boolean> {
    for (let i = 0; i < 120 && !road.over; i++) {
      if (road.signs > 1) return true
      const ended = await Promise.race([road.done.then(() => true), sleep(500).then(() => false)])
      if (ended) return false
    }
    return false
  }

  private async open(technique: string): Promise<Road | undefined> {
    try {
      const target = await this.target()
      const load = this.home.techniques.get(technique)
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
    const token = await this.home.token()
    const spots = [...this.spots.values()].filter((spot) => !spot.closed)
    const uniform = spots.every((spot) => spot.cursor === undefined && spot.since === spots[0]!.since)
    if (!uniform) for (const spot of spots) if (spot.cursor === undefined) await this.start(spot)
    const places = spots.map(({ channel, cursor, since }) => ({ channel, cursor, since }))
    const { url, meter } = this.home
    return { url, meter, token, places, connection: this.connection(), patience: openTime, interval: this.interval, ...this.options }
  }

  /** In whose name it reads. */
  private connection(): string | undefined {
    return this.options.only || this.options.every ? undefined : this.home.connection()
  }

  /** Finds the cursor at which reading by since begins. */
  private async start(spot: Spot): Promise<void> {
    const { ask } = await import('./transports/ask.ts')
    const token = await this.home.token()
    const target = { url: this.home.url, places: [{ ...spot, cursor: spot.cursor }], token, patience: openTime, meter: this.home.meter, only: this.options.only, connection: spot.channel.startsWith('$conn/') ? this.connection() : undefined }
    const { begin } = await ask(target, 'poll', { limit: '1' }, openTime)
    this.begin(spot.channel, begin)
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
      if (spot?.take(entry)) this.home.entry(entry)
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
    if (notice.notice === '$expiring') this.renewSoon(notice)
    if (notice.notice === '$closed' && notice.reason !== 'closed') road.said = notice.reason
    const spot = channel === undefined ? undefined : this.spots.get(channel)
    if (spot?.tell(notice) ?? true) this.home.notice(notice, channel)
    if (notice.notice === '$closed' && !this.wanted()) this.stop()
  }

  private begin(channel: string, cursor: string | undefined): void {
    const spot = this.spots.get(channel)
    if (!spot || cursor === undefined || spot.cursor !== undefined) return
    spot.cursor = cursor
    this.home.begun(channel, cursor)
  }

  /** The token ends soon: another is had in time, not by all at once. */
  private renewSoon({ expires }: Notice): void {
    const left = Math.max(0, Date.parse(expires ?? '') - Date.now()) || 60_000
    clearTimeout(this.timers.token)
    this.timers.token = setTimeout(() => void this.renew(), left / 4 + (Math.random() * left) / 4)
  }

  private async renew(): Promise<void> {
    try {
      const token = await this.home.token(true)
      if (token === undefined) return
      if (this.link) await this.link({ command: 'refresh', token })
      else this.reopenSoon()
    } catch {
      // A token that cannot be had, or is refused, is told when the old one ends: reading goes on until then.
      this.timers.token = setTimeout(() => void this.renew(), 5000)
    }
  }

  private rest(ms: number): Promise<void> {
    const woken = deferred<void>()
    this.wake = woken.resolve
    const timer = setTimeout(woken.resolve, ms)
    return woken.promise.finally(() => clearTimeout(timer))
  }

  private set(status: Omit<Status, 'technique'> & { technique?: string | undefined }): void {
    this.status = { ...status, technique: status.technique ?? this.status.technique }
    this.home.changed(this.status)
  }
}

type Timer = ReturnType<typeof setTimeout>

/** What the end of a road says against its technique; undefined: nothing. */
function faultOf(error: unknown, lived: number, signs: number): Fault | undefined {
  if (error === undefined) return undefined
  if (error instanceof RoadError) return 'refused'
  if (error instanceof SilentError) return lived && signs < 2 ? 'silent' : 'broken'
  if (error instanceof PabalError) return error.foreign && !error.temporary ? 'refused' : 'broken'
  return lived ? 'short' : 'broken'
}
