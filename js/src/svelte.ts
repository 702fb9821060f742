import type { Member } from './presence.ts'
import * as feeds from './store.ts'
import type { ChannelOptions, Client, Latest, LatestOptions, Listening, Store } from './store.ts'
import type { Entry, Status } from './types.ts'

export type { ChannelOptions, Client, Latest, LatestOptions } from './store.ts'

// Stores for Svelte, 3 and later: `$entries` of one reads while the component is there. They keep to the contract of stores,
// and need nothing of Svelte. A store that several components look at reads once.

export interface Readable<S> {
  /** Calls run with the value, at once and at each change. Returns how to end that. */
  subscribe(run: (value: S) => void): () => void
}

/**
 * The last entries of a channel, in order: another array when there are others. That the channel cannot be read is told to
 * options.error; without it, that is thrown where nobody catches it.
 */
export function channelStore<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options: ChannelOptions = {},
): Readable<readonly Entry<T>[]> {
  return readable(feeds.channelFeed<T>(pabal, name, options, hearing(options)))
}

/** The last entry of a channel; by key, the latest of each key. Otherwise as {@link channelStore}. */
export function latestStore<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options: LatestOptions & { by: 'key' },
): Readable<Latest<T>>
export function latestStore<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options?: LatestOptions & { by?: undefined },
): Readable<Entry<T> | undefined>
export function latestStore<T>(
  pabal: Client | undefined,
  name: string,
  options: LatestOptions = {},
): Readable<Latest<T> | Entry<T> | undefined> {
  return readable(feeds.lastOrLatestFeed<T>(pabal, name, options, hearing(options)))
}

/** Who is present in a channel. To be present is `pabal.channel(name).presence.enter()`. */
export function presenceStore(pabal: Client | undefined, name: string): Readable<readonly Member[]> {
  return readable(feeds.presenceFeed(pabal, name))
}

/** How the client fares. */
export function statusStore(pabal: Client | undefined): Readable<Status> {
  return readable(feeds.statusFeed(pabal))
}

function readable<S>({ get, subscribe }: Store<S>): Readable<S> {
  return {
    subscribe: (run) => {
      let told: { value: S } | undefined
      const tell = () => {
        const value = get()
        if (told && Object.is(told.value, value)) return
        told = { value }
        run(value)
      }
      const stop = subscribe(tell)
      tell()
      return stop
    },
  }
}

/** A store has no way to say that something failed: what nobody hears is thrown where it is seen. */
function hearing({ notice, error }: Listening): () => Listening {
  const hears: Listening = {
    ...(notice && { notice }),
    error:
      error ??
      ((failure) =>
        queueMicrotask(() => {
          throw failure
        })),
  }
  return () => hears
}
