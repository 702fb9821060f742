import { useEffect, useMemo, useReducer, useRef } from 'preact/hooks'
import type { Member } from './presence.ts'
import * as feeds from './store.ts'
import type { ChannelOptions, Client, Latest, LatestOptions, Listening, Store } from './store.ts'
import type { Entry, Status } from './types.ts'

export type { ChannelOptions, Client, Latest, LatestOptions } from './store.ts'

// Hooks for Preact 10 and later, without its compat. Each reads while its component is mounted; on a server, and without a
// client, there is nothing yet.

/**
 * The last entries of a channel, in order: another array when there are others. Begins anew when pabal, name or what
 * options say changes. That the channel cannot be read is thrown while rendering, to the nearest error boundary, unless
 * options.error hears it.
 */
export function useChannel<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options: ChannelOptions = {},
): readonly Entry<T>[] {
  return useEntries(feeds.channelFeed<T>, pabal, name, options)
}

/** The last entry of a channel; by key, the latest of each key. Otherwise as {@link useChannel}. */
export function useLatest<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options: LatestOptions & { by: 'key' },
): Latest<T>
export function useLatest<T = unknown>(
  pabal: Client | undefined,
  name: string,
  options?: LatestOptions & { by?: undefined },
): Entry<T> | undefined
export function useLatest<T>(
  pabal: Client | undefined,
  name: string,
  options: LatestOptions = {},
): Latest<T> | Entry<T> | undefined {
  return useEntries(feeds.lastOrLatestFeed<T>, pabal, name, options)
}

/** Who is present in a channel. To be present is `pabal.channel(name).presence.enter()`. */
export function usePresence(pabal: Client | undefined, name: string): readonly Member[] {
  return useStore(useMemo(() => feeds.presenceFeed(pabal, name), [pabal, name]))
}

/** How the client fares. */
export function useStatus(pabal: Client | undefined): Status {
  return useStore(useMemo(() => feeds.statusFeed(pabal), [pabal]))
}

/** Preact renders a tree in one go, so that what is read while rendering is the same everywhere. */
function useStore<S>(store: Store<S>): S {
  const [, render] = useReducer<number, void>((n) => n + 1, 0)
  const value = store.get()
  const shown = useRef(value)
  shown.current = value
  useEffect(() => {
    return store.subscribe(() => isShown(store, shown.current) || render())
  }, [store])
  return value
}

function isShown<S>(store: Store<S>, value: S): boolean {
  try {
    return Object.is(store.get(), value)
  } catch {
    return false // rendering throws it
  }
}

function useEntries<S, O extends ChannelOptions & LatestOptions>(
  feed: (client: Client | undefined, name: string, options: O, hears: () => Listening) => Store<S>,
  pabal: Client | undefined,
  name: string,
  options: O,
): S {
  const latest = useRef<Listening>(options)
  latest.current = options
  // Options are often written where the hook is called: only what they say counts.
  const store = useMemo(() => feed(pabal, name, options, () => latest.current), [pabal, name, feeds.keyOf(options)])
  return useStore(store)
}
