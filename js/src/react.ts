import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { Member } from './presence.ts'
import * as feeds from './store.ts'
import type { ChannelOptions, Client, Latest, LatestOptions, Listening, Store } from './store.ts'
import type { Entry, Status } from './types.ts'

export type { ChannelOptions, Client, Latest, LatestOptions } from './store.ts'

// Hooks for React 18 and later. Each reads while its component is mounted; on a server, and without a client, there is
// nothing yet.

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

function useStore<S>({ subscribe, get, empty }: Store<S>): S {
  return useSyncExternalStore(subscribe, get, empty)
}

function useEntries<S, O extends ChannelOptions & LatestOptions>(
  feed: (client: Client | undefined, name: string, options: O, hears: () => Listening) => Store<S>,
  pabal: Client | undefined,
  name: string,
  options: O,
): S {
  const latest = useRef<Listening>(options)
  useEffect(() => {
    latest.current = options
  })
  // Options are often written where the hook is called: only what they say counts.
  const store = useMemo(() => feed(pabal, name, options, () => latest.current), [pabal, name, feeds.keyOf(options)])
  return useStore(store)
}
