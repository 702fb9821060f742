import type { Member } from './presence.ts'
import type { SubscribeOptions } from './subscription.ts'
import type { Entry, Notice, Status } from './types.ts'

// What the hooks of all frameworks have in common: a value that changes while somebody looks at it.

/** What the hooks need of a client. A Pabal has it, and so can a stand-in for tests. */
export interface Client {
  readonly status: Status
  onStatus(listener: (status: Status) => void): () => void
  channel<T>(name: string): Source<T>
}

/** What they need of a channel. */
export interface Source<T> {
  subscribe(listener: (entry: Entry<T>) => void, options: SubscribeOptions): Subscribed
  readonly presence: { watch(listener: (members: Member[]) => void): () => void }
}

interface Subscribed {
  readonly cursor: string | undefined
  stop(): void
}

/** What hears of a channel beside its entries. It may be another function each time. */
export interface Listening {
  /** Hears what the server says of the log: `$gap`, `$reset`, `$skipped`, `$closed`, `$live`. */
  notice?: (notice: Notice) => void
  /** Hears that the channel cannot be read. Without it, that is thrown. */
  error?: (error: unknown) => void
}

/** Where and how to read. Options that say the same are the same, whatever object they are in. */
export type Reading = Pick<SubscribeOptions, 'since' | 'cursor' | 'only' | 'every'>

export interface ChannelOptions extends Reading, Listening {
  /** How many entries to keep at most, of the newest: 100. */
  keep?: number
}

export interface LatestOptions extends Reading, Listening {
  /** The latest entry of each key, instead of the last entry of all. */
  by?: 'key' | undefined
}

/** The latest entry of each key; those without a key count as one, whose key is empty. */
export type Latest<T> = ReadonlyMap<string, Entry<T>>

/** A value that changes while somebody looks at it. */
export interface Store<S> {
  /** The value: the same one until it changes. It throws what has ended the reading. */
  readonly get: () => S
  /** What there is before anything has come. */
  readonly empty: () => S
  /** Calls changed after each change. Returns how to end that. */
  readonly subscribe: (changed: () => void) => () => void
}

/** Begins to read; change is given what comes, fail why nothing will. Returns how to end it. */
type Start<S> = (change: (next: (before: S) => S) => void, fail: (error: unknown) => void) => () => void

/**
 * A store that reads while somebody listens. It begins and ends a moment after it was asked to, and ends later than
 * others begin: who listens, stops and listens again in one turn has one reading, and who goes from one channel to
 * another keeps the connection.
 */
class Feed<S> implements Store<S> {
  private value: S
  private failure: { error: unknown } | undefined
  private readonly listeners = new Set<() => void>()
  private stop: (() => void) | undefined

  constructor(
    private readonly initial: S,
    private readonly start: Start<S>,
  ) {
    this.value = initial
  }

  readonly empty = (): S => this.initial

  readonly get = (): S => {
    if (this.failure) throw this.failure.error
    return this.value
  }

  readonly subscribe = (changed: () => void): (() => void) => {
    const listener = () => changed()
    this.listeners.add(listener)
    queueMicrotask(this.settle)
    return () => {
      this.listeners.delete(listener)
      queueMicrotask(() => queueMicrotask(this.settle))
    }
  }

  private readonly settle = (): void => {
    const wanted = this.listeners.size > 0
    if (wanted === (this.stop !== undefined)) return
    if (!wanted) {
      this.stop?.()
      this.stop = undefined
      return
    }
    if (this.failure) {
      this.failure = undefined
      this.tell()
    }
    this.stop = this.start(this.change, this.fail)
  }

  private readonly change = (next: (before: S) => S): void => {
    const value = next(this.value)
    if (Object.is(value, this.value)) return
    this.value = value
    this.tell()
  }

  private readonly fail = (error: unknown): void => {
    this.failure = { error }
    this.tell()
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener()
  }
}

/** Tells options apart by what they say. */
export const keyOf = ({ since, cursor, only, every, keep, by }: ChannelOptions & LatestOptions): string =>
  JSON.stringify([since, cursor, only, every, keep, by])

/** The last entries of a channel, in order. hears is asked whenever there is something to hear. */
export function channelFeed<T>(
  client: Client | undefined,
  name: string,
  options: ChannelOptions,
  hears: () => Listening,
): Store<readonly Entry<T>[]> {
  const { keep = 100 } = options
  const add = (before: readonly Entry<T>[], fresh: Entry<T>[]) => (keep > 0 ? [...before, ...fresh].slice(-keep) : before)
  return entriesFeed<T, readonly Entry<T>[]>(client, name, options, hears, [], add)
}

/** The last entry of a channel. */
export function lastFeed<T>(
  client: Client | undefined,
  name: string,
  options: LatestOptions,
  hears: () => Listening,
): Store<Entry<T> | undefined> {
  const add = (before: Entry<T> | undefined, fresh: Entry<T>[]) => fresh.at(-1) ?? before
  return entriesFeed<T, Entry<T> | undefined>(client, name, { since: '1', ...options }, hears, undefined, add)
}

/** The latest entry of each key of a channel. */
export function latestFeed<T>(
  client: Client | undefined,
  name: string,
  options: LatestOptions,
  hears: () => Listening,
): Store<Latest<T>> {
  const add = (before: Latest<T>, fresh: Entry<T>[]) => {
    const after = new Map(before)
    for (const entry of fresh) after.set(entry.key ?? '', entry)
    return after
  }
  return entriesFeed<T, Latest<T>>(client, name, { since: 'all', only: 'latest', ...options }, hears, new Map(), add)
}

/** Either of the two, as options say. */
export function lastOrLatestFeed<T>(
  client: Client | undefined,
  name: string,
  options: LatestOptions,
  hears: () => Listening,
): Store<Entry<T> | Latest<T> | undefined> {
  return options.by === 'key' ? latestFeed<T>(client, name, options, hears) : lastFeed<T>(client, name, options, hears)
}

/** Who is present in a channel. */
export function presenceFeed(client: Client | undefined, name: string): Store<readonly Member[]> {
  const none: readonly Member[] = []
  return new Feed(none, (change) => client?.channel(name).presence.watch((members) => change(() => members)) ?? nothing)
}

const idle: Status = { state: 'idle', technique: undefined }
const nothing = () => {}

/** How a client fares. */
export function statusFeed(client: Client | undefined): Store<Status> {
  return {
    get: () => client?.status ?? idle,
    empty: () => idle,
    subscribe: (changed) => client?.onStatus(() => changed()) ?? nothing,
  }
}

/**
 * What entries come to: add makes it of what was before and all that has come in one turn. A reading that was ended goes on
 * where it was.
 */
function entriesFeed<T, S>(
  client: Client | undefined,
  name: string,
  { since = 'now', cursor, only, every }: Reading,
  hears: () => Listening,
  empty: S,
  add: (before: S, fresh: Entry<T>[]) => S,
): Store<S> {
  const options = { since, ...(only && { only }), ...(every && { every }) }
  const past = cursor === undefined && since !== 'now'
  let reached = cursor
  return new Feed<S>(empty, (change, fail) => {
    if (!client) return nothing
    const follower = new Follower<T>(client.channel<T>(name), options, past, {
      fresh: (entries) => change((before) => add(before, entries)),
      reset: () => change(() => empty),
      notice: (notice) => hears().notice?.(notice),
      error: (error) => (hears().error ?? fail)(error),
    })
    follower.begin(reached)
    return () => {
      reached = follower.stop() ?? reached
    }
  })
}

interface Told<T> extends Required<Listening> {
  fresh(entries: Entry<T>[]): void
  /** What was held need not be part of the log any more. */
  reset(): void
}

/**
 * Follows a channel, and tells what comes once a turn. When the history breaks (`$reset`), what was asked for of the past is
 * read anew: by a subscription that begins before the other ends.
 */
class Follower<T> {
  private fresh: Entry<T>[] = []
  private subscription: Subscribed | undefined
  /** The subscription that is listened to. */
  private turn = 0
  private over = false

  constructor(
    private readonly channel: Source<T>,
    private readonly options: SubscribeOptions,
    private readonly past: boolean,
    private readonly told: Told<T>,
  ) {}

  begin(cursor: string | undefined): void {
    const turn = ++this.turn
    const mine = () => turn === this.turn
    const before = this.subscription
    try {
      this.subscription = this.channel.subscribe((entry) => mine() && this.hear(entry), {
        ...this.options,
        cursor,
        notice: (notice) => mine() && this.tell(notice),
        error: (error) => mine() && this.told.error(error),
      })
    } catch (error) {
      this.told.error(error) // the client is closed
    }
    before?.stop()
  }

  /** Ends it. It returns where that is. */
  stop(): string | undefined {
    this.over = true
    this.subscription?.stop()
    return this.subscription?.cursor
  }

  private hear(entry: Entry<T>): void {
    if (this.fresh.push(entry) === 1) queueMicrotask(this.flush)
  }

  private readonly flush = (): void => {
    const taken = this.fresh
    this.fresh = []
    if (taken.length) this.told.fresh(taken)
  }

  private tell(notice: Notice): void {
    if (notice.notice === '$reset') {
      this.fresh = []
      this.told.reset()
      if (this.past) this.beginAnew()
    }
    this.told.notice(notice)
  }

  private beginAnew(): void {
    this.turn++ // what still comes of the old one is what the new one has
    queueMicrotask(() => this.over || this.begin(undefined))
  }
}
