import { PabalError } from './error.ts'
import { Reader, type Home } from './reader.ts'
import type { Fetch, Subscription } from './subscription.ts'
import { backoff, sleep } from './time.ts'
import type { Entry, Notice, Status } from './types.ts'

/** What the channels of a group share with the client. */
export type GroupHome = Omit<Home, 'entry' | 'notice' | 'begun' | 'refused' | 'changed'> & {
  fetch: Fetch
  moved(channel: string, cursor: string): void
  changed(): void
}

/** The subscriptions that one reader serves: all with the same options of reading. */
export class Group {
  readonly reader: Reader
  private readonly feeds = new Map<string, Set<Subscription>>()
  private readonly behind = new Set<Subscription>()

  constructor(
    private readonly home: GroupHome,
    options: { only?: 'latest' | undefined; every?: string | undefined },
  ) {
    this.reader = new Reader({ ...home, entry: this.entry, notice: this.notice, begun: this.begun, refused: this.refused }, options)
  }

  get status(): Status {
    return this.reader.status
  }

  join(subscription: Subscription): void {
    const { channel } = subscription
    const feed = this.feeds.get(channel)
    if (!feed) {
      this.feeds.set(channel, new Set([subscription]))
      this.reader.add(subscription.place)
      return
    }
    feed.add(subscription)
    const { cursor, since } = subscription.place
    const reached = this.reader.spots.get(channel)?.cursor
    if (cursor === undefined && since === 'now') return subscription.begin(reached)
    if (cursor !== undefined && cursor === reached) return
    this.behind.add(subscription)
    if (reached !== undefined) this.catchUp(subscription)
  }

  leave(subscription: Subscription): void {
    const feed = this.feeds.get(subscription.channel)
    this.behind.delete(subscription)
    if (!feed?.delete(subscription) || feed.size) return
    this.feeds.delete(subscription.channel)
    this.reader.remove(subscription.channel)
  }

  private catchUp(subscription: Subscription): void {
    this.behind.delete(subscription)
    let failures = 0
    void subscription.catchUp(this.home.fetch, async (error) => {
      if (error instanceof PabalError && error.final) return false
      await sleep(backoff(failures++))
      return true
    })
  }

  private readonly entry = (entry: Entry): void => {
    this.home.moved(entry.channel, entry.cursor)
    for (const subscription of this.feeds.get(entry.channel) ?? []) subscription.hear(entry)
  }

  private readonly notice = (notice: Notice, channel: string | undefined): void => {
    const feeds = channel === undefined ? [...this.feeds.values()] : [this.feeds.get(channel) ?? []]
    for (const feed of feeds) for (const subscription of [...feed]) subscription.told(notice)
  }

  private readonly begun = (channel: string, cursor: string): void => {
    for (const subscription of this.feeds.get(channel) ?? []) {
      if (this.behind.has(subscription)) this.catchUp(subscription)
      else subscription.begin(cursor)
    }
  }

  private readonly refused = (channel: string, error: unknown): void => {
    const feed = this.feeds.get(channel) ?? []
    this.feeds.delete(channel)
    for (const subscription of [...feed]) subscription.refused(error)
  }
}
