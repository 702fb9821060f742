import { Channel } from './channel.ts'
import { Group } from './group.ts'
import { kit, load, tell } from './load.ts'
import type { Memory } from './memory.ts'
import type { Reader } from './reader.ts'
import type { Inquiries } from './inquiries.ts'
import { Subscription, type SubscribeOptions } from './subscription.ts'
import type { Entry, Meter, Reply, Status, Technique, Transport } from './types.ts'
import type { Upstream } from './upstream.ts'

export interface Options {
  /** Says who asks. A function is asked again before a token ends, and when the server does not take one. */
  token?: string | (() => string | Promise<string>)
  /** In order of preference: what to read by. A technique of your own is given by name and transport. */
  techniques?: readonly (Technique | readonly [name: string, transport: Transport])[]
  /** One connection for all tabs of this browser that share: by a SharedWorker, if its script is named, else by one of the tabs. */
  share?: boolean | { worker: string | URL }
  /** Keeps how far each channel was read across reloads, under this name, for this tab: what is subscribed to without since begins there. */
  remember?: string
  /** What to do while nobody sees the page: go on (the default), poll now and then, or let go and catch up later. */
  hidden?: 'keep' | 'poll' | 'pause'
  meter?: Meter
}

/** A part that has a transport. */
export interface Carrier {
  read: Transport
}

const loaders: Record<string, () => Promise<Carrier>> = {
  websocket: () => import('./transports/websocket.ts'),
  sse: () => import('./transports/sse.ts'),
  eventsource: () => import('./transports/eventsource.ts'),
  stream: () => import('./transports/stream.ts'),
  longpoll: () => import('./transports/longpoll.ts'),
  poll: () => import('./transports/poll.ts'),
}

/** How long a token may take to be had. */
const tokenTime = 15_000

const byPreference: Technique[] = ['websocket', 'sse', 'stream', 'longpoll', 'poll']
/** From the best to the worst that a client of several readers can say of itself. */
const states = 'idle live paused connecting waiting offline'

/**
 * A client of the server at url, by default that of this page. It opens nothing before there is something to read, and finds by
 * itself what works here.
 */
export function connect(url?: string, options: Options = {}): Pabal {
  const base = globalThis.location?.href ?? 'none:/'
  const { href } = new URL(url ?? '/', base)
  if (!href.startsWith('http')) throw new Error(`connect: give the server's URL: not ${href}`)
  return new Pabal(href.replace(/\/+$/, ''), options)
}

export class Pabal {
  status: Status = { state: 'idle', technique: undefined }
  /** By what the server knows this client. Who knows it can read what comes to it. */
  readonly connection = newID()
  /** @internal */
  readonly techniques: Map<string, () => Promise<Carrier>>
  /** @internal Whether the client reads in the name of its connection. */
  named = false
  /** @internal One for each way of reading. */
  readonly groups = new Map<string, Group>()
  /** @internal */
  memory: Memory | undefined
  /** @internal Commands go here, once there is one. */
  up: Promise<Upstream> | undefined
  /** @internal */
  closed = false
  private readonly listeners = new Set<(status: Status) => void>()
  private readonly roads = new Set<() => void>()
  private readonly remembers: Promise<unknown> | undefined
  private readonly life: Promise<() => void> | undefined
  private asked: Promise<Inquiries> | undefined
  private known: Promise<string> | undefined

  /** @internal Use {@link connect}. */
  constructor(
    readonly url: string,
    readonly options: Options,
  ) {
    this.techniques = techniquesOf(this)
    const { remember } = options
    if (remember !== undefined) this.remembers = load(() => import('./memory.ts')).then((m) => (this.memory = new m.Memory(url, remember)))
    if (globalThis.document) this.life = load(() => import('./life.ts')).then((m) => m.watchLife(this))
  }

  channel<T = unknown>(name: string): Channel<T> {
    return new Channel<T>(this, name)
  }

  /** Calls listener with the status, at once and whenever it changes. Returns how to end that. */
  onStatus(listener: (status: Status) => void): () => void {
    this.listeners.add(listener)
    tell(listener, this.status)
    return () => this.listeners.delete(listener)
  }

  /**
   * Reads by technique from now on, or, without one, by the best there is. The new road reads from where the old one is before that is let go.
   * Resolves once it reads; if it cannot, it rejects and all goes on as it was.
   */
  async hop(technique?: string): Promise<void> {
    if (!this.reader.running) this.reader.forced = technique // what opens first is that
    return (await kit()).hop(this, technique)
  }

  /** Ends all. What was not acknowledged is rejected. */
  close(): void {
    this.closed = true
    void this.life?.then((forget) => forget())
    this.memory?.save()
    void this.up?.then((up) => up.close())
    for (const group of this.groups.values()) group.close()
    this.set({ ...this.status, state: 'closed' })
  }

  /** @internal */
  subscribe(channel: string, listener: (entry: Entry) => void, options: SubscribeOptions): Subscription {
    if (this.closed) throw new Error('the client is closed')
    const group = this.group(options)
    const subscription = new Subscription(channel, listener, options, (left) => group.leave(left))
    const join = () => {
      if (options.since === undefined && !options.only && !options.every) subscription.begin(this.memory?.cursor(channel))
      if (this.closed) subscription.stop()
      else if (!subscription.over) group.join(subscription)
    }
    if (this.remembers) void this.remembers.then(join)
    else join()
    return subscription
  }

  /** @internal Gives the server a command, until it is known what came of it. */
  async send(command: Record<string, unknown>, signal?: AbortSignal): Promise<Reply> {
    const up = await (this.up ??= kit().then((m) => new m.Upstream(this)))
    return up.send(command, signal)
  }

  /** @internal What is asked in the name of the connection. */
  inquiries(): Promise<Inquiries> {
    return (this.asked ??= kit().then((m) => new m.Inquiries(this)))
  }

  /** @internal Calls tell whenever another road reads. Returns how to end that. */
  onRoad(tell: () => void): () => void {
    this.roads.add(tell)
    return () => this.roads.delete(tell)
  }

  /** @internal */
  opened(): void {
    if (!this.closed) void kit()
    for (const tell of [...this.roads]) tell()
  }

  /** @internal The reader that is of no options. */
  get reader(): Reader {
    return this.group({}).reader
  }

  /** @internal Where it is kept what works on this network. A page cannot tell networks apart but by their kind. */
  get network(): string {
    const here = globalThis.navigator as { connection?: { type?: string } } | undefined
    return `pabal.road.${here?.connection?.type} ${this.url}`
  }

  /** @internal The token, as it is known or afresh. */
  async token(fresh = false): Promise<string | undefined> {
    const { token } = this.options
    if (typeof token !== 'function') return token
    if (fresh) this.known = undefined
    try {
      return await (this.known ??= Promise.race([
        token(),
        new Promise<never>((_, reject) => setTimeout(reject, tokenTime, new Error('the token did not come'))),
      ]))
    } catch (error) {
      this.known = undefined
      throw error
    }
  }

  /** @internal The client fares as the worst of its readers does. */
  changed(): void {
    if (this.closed) return
    const rank = (status: Status) => states.indexOf(status.state)
    this.set([...this.groups.values()].map((group) => group.reader.status).reduce((worst, other) => (rank(other) > rank(worst) ? other : worst)))
  }

  private group({ only, every }: SubscribeOptions): Group {
    const key = `${only} ${every}`
    let group = this.groups.get(key)
    if (!group) this.groups.set(key, (group = new Group(this, { only, every })))
    return group
  }

  private set(status: Status): void {
    this.status = status
    for (const listener of [...this.listeners]) tell(listener, status)
  }
}

function techniquesOf(client: Pabal): Map<string, () => Promise<Carrier>> {
  const { techniques, share } = client.options
  // Without locks nobody knows which tab is to have the connection: each has its own.
  if (share && globalThis.document && navigator.locks) return new Map([['shared', () => import('./tabs.ts').then((m) => m.join(client))]])
  const all = new Map<string, () => Promise<Carrier>>()
  for (const technique of techniques ?? byPreference) {
    if (typeof technique !== 'string') all.set(technique[0], () => Promise.resolve({ read: technique[1] }))
    else if (loaders[technique]) all.set(technique, loaders[technique])
    else throw new Error(`connect: ${technique} is none of ${Object.keys(loaders).join(', ')}`)
  }
  if (!all.size) throw new Error('connect: no technique is left to read by')
  return all
}

/** 128 random bits, as 32 hexadecimal digits. */
export function newID(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (256 + byte).toString(16).slice(1)).join('')
}
