import { Channel } from './channel.ts'
import { Group, type GroupHome } from './group.ts'
import type { History, Range } from './history.ts'
import { watchLife } from './life.ts'
import { Memory } from './memory.ts'
import type { Presences } from './presence.ts'
import { deferred } from './time.ts'
import { Subscription, type SubscribeOptions } from './subscription.ts'
import type { Entry, Meter, Reply, Status, Technique, Transport } from './types.ts'
import { Upstream } from './upstream.ts'

export interface Options {
  /** Says who asks. A function is asked again before a token ends, and when the server does not take one. */
  token?: string | (() => string | Promise<string>)
  /** In order of preference: what to read by. A technique of your own is given by name and transport. */
  techniques?: readonly (Technique | readonly [name: string, transport: Transport])[]
  /** One connection for all tabs of this browser that share: by a SharedWorker, if its script is named, else by one of the tabs. */
  share?: boolean | { worker: string | URL }
  /** Keeps how far each channel was read across reloads, under this name, for this tab. */
  remember?: string
  /** What to do while nobody sees the page: go on (the default), poll now and then, or let go and catch up later. */
  hidden?: 'keep' | 'poll' | 'pause'
  meter?: Meter
}

const loaders: Record<string, () => Promise<Transport>> = {
  websocket: () => import('./transports/websocket.ts').then((m) => m.read),
  sse: () => import('./transports/sse.ts').then((m) => m.read),
  eventsource: () => import('./transports/eventsource.ts').then((m) => m.read),
  stream: () => import('./transports/stream.ts').then((m) => m.read),
  longpoll: () => import('./transports/longpoll.ts').then((m) => m.read),
  poll: () => import('./transports/poll.ts').then((m) => m.read),
}

const byPreference: Technique[] = ['websocket', 'sse', 'stream', 'longpoll', 'poll']
/** From the best to the worst that a client of several readers can say of itself. */
const states = ['idle', 'live', 'paused', 'connecting', 'waiting', 'offline']

/**
 * A client of the server at url, by default that of this page. It opens nothing before there is something to read, and finds by
 * itself what works here.
 */
export function connect(url?: string, options: Options = {}): Pabal {
  const page = typeof location === 'undefined' ? undefined : location.href
  if (url === undefined && page === undefined) throw new Error("connect: there is no page here: give the server's URL")
  return new Pabal(new URL(url ?? '/', page).href.replace(/\/+$/, ''), options)
}

export class Pabal {
  status: Status = { state: 'idle', technique: undefined }
  /** By what the server knows this client. Who knows it can read what comes to it. */
  readonly connection = randomID()
  private readonly groups = new Map<string, Group>()
  private readonly listeners = new Set<(status: Status) => void>()
  private readonly home: GroupHome
  private readonly up: Upstream
  private readonly memory: Memory
  private readonly presences = new Map<string, Promise<Presences>>()
  private readonly calls = new Map<string, (entry: Entry) => void>()
  private readonly roads = new Set<() => void>()
  private answers: Subscription | undefined
  private answered: string | undefined
  private readonly forgetLife: () => void
  private token: Promise<string> | undefined
  private named = false
  private closed = false

  /** @internal Use {@link connect}. */
  constructor(
    readonly url: string,
    readonly options: Options,
  ) {
    this.memory = new Memory(url, options.remember)
    const token = this.tokenOf
    this.home = {
      url,
      techniques: techniquesOf(url, options),
      meter: options.meter,
      token,
      connection: () => (this.named ? this.connection : undefined),
      remembered: () => (options.techniques?.length === 1 ? undefined : this.memory.technique()),
      remember: (technique) => this.memory.works(technique),
      fetch: async ({ channel, cursor, since }) => this.history(channel, { cursor, since }),
      moved: (channel, cursor) => this.memory.reached(channel, cursor),
      opened: () => this.roads.forEach((tell) => tell()),
      changed: () => {
        if (this.main.status.state === 'idle') this.roads.forEach((tell) => tell())
        this.changed()
      },
    }
    this.up = new Upstream({ url, connection: this.connection, link: () => this.main.reader.link, token })
    this.forgetLife = watchLife({
      each: (act) => this.groups.forEach((group) => act(group.reader)),
      hidden: options.hidden ?? 'keep',
      changed: () => this.changed(),
      hurry: () => this.up.hurry(),
      save: () => this.memory.save(),
    })
  }

  channel<T = unknown>(name: string): Channel<T> {
    return new Channel<T>(this, name)
  }

  /** Calls listener with the status, at once and whenever it changes. Returns how to end that. */
  onStatus(listener: (status: Status) => void): () => void {
    this.listeners.add(listener)
    listener(this.status)
    return () => this.listeners.delete(listener)
  }

  /**
   * Reads by technique from now on, or, without one, by the best there is. The new road reads from where the old one is before that is let go.
   * Resolves once it reads; if it cannot, it rejects and all goes on as it was.
   */
  async hop(technique?: string): Promise<void> {
    const { link } = this.main.reader
    if (this.options.share && link) await link({ command: 'hop', technique })
    else await Promise.all([...this.groups.values()].map((group) => group.reader.hop(technique)))
  }

  /** Ends all. What was not acknowledged is rejected. */
  close(): void {
    this.closed = true
    this.forgetLife()
    this.memory.save()
    this.up.close()
    for (const group of this.groups.values()) group.reader.stop()
    this.groups.clear()
    this.set({ state: 'closed', technique: this.status.technique })
  }

  /** @internal */
  subscribe(channel: string, listener: (entry: Entry) => void, options: SubscribeOptions): Subscription {
    if (this.closed) throw new Error('subscribe: the client is closed')
    const group = this.group(options)
    const cursor = options.cursor ?? this.memory.cursor(channel)
    const subscription = new Subscription(channel, listener, { ...options, cursor }, (left) => group.leave(left))
    group.join(subscription)
    return subscription
  }

  /** @internal Gives the server a command, until it is known what came of it. */
  send(command: Record<string, unknown>, signal?: AbortSignal): Promise<Reply> {
    if (this.closed) return Promise.reject(new Error(`${String(command.command)}: the client is closed`))
    return this.up.send(command, signal)
  }

  /** @internal */
  async history<T>(channel: string, range: Range): Promise<History<T>> {
    const { history } = await import('./history.ts')
    return history<T>({ url: this.url, token: await this.tokenOf(), patience: 10_000, meter: this.options.meter }, channel, range)
  }

  /** @internal */
  presence(channel: string): Promise<Presences> {
    let presence = this.presences.get(channel)
    if (!presence) {
      presence = import('./presence.ts').then(({ Presences }) => new Presences(this, channel))
      this.presences.set(channel, presence)
    }
    return presence
  }

  /** @internal Has what comes to the inbox under key taken, until the function that it returns is called. */
  inbox(key: string, take: (entry: Entry) => void): () => void {
    void this.name()
    this.calls.set(key, take)
    this.answers ??= this.subscribe(`$conn/${this.connection}`, (entry) => this.calls.get(entry.key ?? '')?.(entry), { since: 'all', cursor: this.answered })
    return () => {
      this.calls.delete(key)
      if (this.calls.size || !this.answers) return
      this.answered = this.answers.cursor
      this.answers.stop()
      this.answers = undefined
    }
  }

  /** @internal Calls tell whenever another road reads. Returns how to end that. */
  onRoad(tell: () => void): () => void {
    this.roads.add(tell)
    return () => this.roads.delete(tell)
  }

  /** @internal Whether what reads also sends. */
  get twoWay(): boolean {
    return this.main.reader.link !== undefined
  }

  /** @internal From now on the client reads in the name of its connection. Resolves once it does, or if there is nothing that it reads. */
  async name(): Promise<void> {
    const { reader } = this.main
    if (!this.named) reader.reopenSoon()
    this.named = true
    while (reader.unnamed) {
      const next = deferred<void>()
      const forget = this.onRoad(next.resolve)
      await next.promise
      forget()
    }
  }

  /** @internal */
  newID(): string {
    return randomID()
  }

  private get main(): Group {
    return this.group({})
  }

  private group({ only, every }: SubscribeOptions): Group {
    const key = `${only ?? ''} ${every ?? ''}`
    let group = this.groups.get(key)
    if (!group) this.groups.set(key, (group = new Group(this.home, { only, every })))
    return group
  }

  private readonly tokenOf = async (fresh = false): Promise<string | undefined> => {
    const { token } = this.options
    if (typeof token !== 'function') return token
    if (fresh) this.token = undefined
    this.token ??= (async () => token())()
    return this.token.catch((error: unknown) => {
      this.token = undefined
      throw error
    })
  }

  private changed(): void {
    let worst = this.main.status
    for (const { status } of this.groups.values()) if (states.indexOf(status.state) > states.indexOf(worst.state)) worst = status
    this.set(worst)
  }

  private set(status: Status): void {
    this.status = status
    for (const listener of [...this.listeners]) listener(status)
  }
}

function techniquesOf(url: string, options: Options): Map<string, () => Promise<Transport>> {
  const { techniques, share } = options
  if (share && typeof document !== 'undefined') {
    return new Map([['shared', () => import('./tabs.ts').then((m) => m.join(url, options))]])
  }
  const all = new Map<string, () => Promise<Transport>>()
  for (const technique of techniques ?? byPreference) {
    if (typeof technique !== 'string') all.set(technique[0], () => Promise.resolve(technique[1]))
    else if (loaders[technique]) all.set(technique, loaders[technique])
    else throw new Error(`connect: ${technique} is none of ${Object.keys(loaders).join(', ')}`)
  }
  if (!all.size) throw new Error('connect: no technique is left to read by')
  return all
}

/** 128 random bits, as 32 hexadecimal digits. */
function randomID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
