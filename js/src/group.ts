import type { Pabal } from './client.ts'
import { kit } from './load.ts'
import { Reader, type Feed, type ReadOptions } from './reader.ts'
import type { Subscription } from './subscription.ts'
import type { Entry, Notice } from './types.ts'

/** The subscriptions that one reader serves: all with the same options of reading. */
export class Group implements Feed {
  readonly reader: Reader
  private readonly feeds = new Map<string, Set<Subscription>>()
  private readonly behind = new Set<Subscription>()

  constructor(
    private readonly client: Pabal,
    options: ReadOptions,
  ) {
    this.reader = new Reader(client, this, options)
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
    const spot = this.reader.spots.get(channel)
    const reached = spot?.cursor
    if (cursor !== undefined ? cursor === reached : since === (reached === undefined ? spot?.since : 'now')) return subscription.begin(reached)
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

  /** Ends all subscriptions. */
  close(): void {
    for (const feed of [...this.feeds.values()]) for (const subscription of [...feed]) subscription.stop()
    this.reader.stop()
  }

  private reached(channel: string | undefined, cursor: string | undefined): void {
    this.client.memory?.reached(this.reader.options, channel, cursor)
  }

  private catchUp(subscription: Subscription): void {
    this.behind.delete(subscription)
    subscription.waiting = []
    void kit().then(({ catchUp }) => catchUp(this.client, subscription))
  }

  entry(entry: Entry): void {
    this.reached(entry.channel, entry.cursor)
    for (const subscription of this.feeds.get(entry.channel) ?? []) subscription.hear(entry)
  }

  notice(notice: Notice, channel: string | undefined): void {
    this.reached(channel, notice.cursor)
    const feeds = channel === undefined ? [...this.feeds.values()] : [this.feeds.get(channel) ?? []]
    for (const feed of feeds) for (const subscription of [...feed]) subscription.told(notice)
  }

  begun(channel: string, cursor: string | undefined): void {
    this.reached(channel, cursor)
    for (const subscription of this.feeds.get(channel) ?? []) {
      if (this.behind.has(subscription)) this.catchUp(subscription)
      else subscription.begin(cursor)
    }
  }

  refused(channel: string, error: unknown): void {
    const feed = this.feeds.get(channel) ?? []
    this.feeds.delete(channel)
    for (const subscription of [...feed]) subscription.refused(error)
  }
}
