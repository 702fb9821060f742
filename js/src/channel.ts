import type { Pabal } from './client.ts'
import type { History, Range } from './history.ts'
import type { Member } from './presence.ts'
import { kit } from './load.ts'
import type { Subscription, SubscribeOptions } from './subscription.ts'
import type { Entry } from './types.ts'

export interface PublishOptions {
  /** Names the message: a repeat with the same is kept once. Without it the client gives it one. */
  id?: string
  type?: string
  /** What the data is the latest value of. */
  key?: string
  /** Publish only if the channel still ends at this cursor; else the error has status 412 and the cursor at which it ends. */
  ifMatch?: string
  contentType?: string
  signal?: AbortSignal
}

export interface Published {
  /** The place just after the message: the very text that readers have on it. */
  cursor: string
  /** It had been published before. */
  duplicate: boolean
}

export interface CallOptions {
  /** Seconds after which an answer is of no use. The server may allow less. */
  timeout?: number
  /** Hears the parts of an answer that comes in parts. */
  part?: (data: unknown) => void
  /** Cancels the call. */
  signal?: AbortSignal
}

export interface Presence {
  /** Is present with data from now on, whatever happens to the connection, until leave. Once more: with other data. */
  enter(data?: unknown): Promise<void>
  leave(): Promise<void>
  /** Who is here now. */
  get(): Promise<Member[]>
  /** Calls listener with who is here, at once and at each change. Returns how to end that. */
  watch(listener: (members: Member[]) => void): () => void
}

/** A channel of a client. It costs nothing and holds nothing: subscriptions do. */
export class Channel<T = unknown> {
  constructor(
    private readonly client: Pabal,
    readonly name: string,
  ) {}

  /** Calls listener for each entry, in order, each once, until the subscription is stopped. */
  subscribe(listener: (entry: Entry<T>) => void, options: SubscribeOptions = {}): Subscription {
    return this.client.subscribe(this.name, listener as (entry: Entry) => void, options)
  }

  [Symbol.asyncIterator](): AsyncIterator<Entry<T>, undefined> {
    return this.entries()
  }

  /** Yields each entry, in order, each once. Who is slow is further behind, and no queue grows. */
  entries(options: SubscribeOptions = {}): AsyncIterableIterator<Entry<T>, undefined> {
    const entries = kit().then(({ Entries }) => new Entries<T>(this, options))
    const iterator: AsyncIterableIterator<Entry<T>, undefined> = {
      [Symbol.asyncIterator]: () => iterator,
      next: async () => (await entries).next(),
      return: async () => (await entries).return(),
    }
    return iterator
  }

  /**
   * Publishes data: a string as text, bytes as they are, else JSON. It resolves when the server has kept it. Until that is known it
   * is repeated, under one ID, through whatever happens to the network; what the server refuses is a PabalError.
   */
  async publish(data: T | string | ArrayBuffer | ArrayBufferView, options: PublishOptions = {}): Promise<Published> {
    return (await kit()).publish(this.client, this.name, data, options)
  }

  /** Reads a part of the log once: what follows a cursor or a time, or the newest before one. */
  async history(range: Range = {}): Promise<History<T>> {
    return (await kit()).history<T>(this.client, this.name, range)
  }

  /** Being here, and who else is. */
  get presence(): Presence {
    const presence = this.client.inquiries().then((inquiries) => inquiries.presence(this.name))
    return {
      enter: async (data) => (await presence).enter(data),
      leave: async () => (await presence).leave(),
      get: async () => (await presence).get(),
      watch: (listener) => {
        const stop = presence.then((presence) => presence.watch(listener))
        return () => void stop.then((stop) => stop())
      },
    }
  }

  /** Asks the application, whoever it has named for this channel, and resolves with its answer. */
  async call<A = unknown>(data: unknown, options: CallOptions = {}): Promise<A> {
    return (await kit()).call(this.client, this.name, data, options) as Promise<A>
  }
}
