import { computed, getCurrentInstance, onMounted, onScopeDispose, shallowRef, toRaw, toValue, watch } from 'vue'
import type { ComputedRef, MaybeRefOrGetter } from 'vue'
import type { Member } from './presence.ts'
import * as feeds from './store.ts'
import type { ChannelOptions, Client, Latest, LatestOptions, Listening, Store } from './store.ts'
import type { Entry, Status } from './types.ts'

export type { ChannelOptions, Client, Latest, LatestOptions } from './store.ts'

// Composables for Vue 3.3 and later. What they are given may be refs or getters. In a component each reads while that is
// mounted, so nothing on a server; in a scope of its own, until that is disposed of.

/**
 * The last entries of a channel, in order: another array when there are others. Begins anew when pabal, name or what
 * options say changes. That the channel cannot be read is thrown where the value is read, unless options.error hears it.
 */
export function useChannel<T = unknown>(
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
  options: MaybeRefOrGetter<ChannelOptions> = {},
): ComputedRef<readonly Entry<T>[]> {
  return useEntries(feeds.channelFeed<T>, pabal, name, options)
}

/** The last entry of a channel; by key, the latest of each key. Otherwise as {@link useChannel}. */
export function useLatest<T = unknown>(
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
  options: MaybeRefOrGetter<LatestOptions & { by: 'key' }>,
): ComputedRef<Latest<T>>
export function useLatest<T = unknown>(
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
  options?: MaybeRefOrGetter<LatestOptions & { by?: undefined }>,
): ComputedRef<Entry<T> | undefined>
export function useLatest<T>(
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
  options: MaybeRefOrGetter<LatestOptions> = {},
): ComputedRef<Latest<T> | Entry<T> | undefined> {
  return useEntries(feeds.lastOrLatestFeed<T>, pabal, name, options)
}

/** Who is present in a channel. To be present is `pabal.channel(name).presence.enter()`. */
export function usePresence(
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
): ComputedRef<readonly Member[]> {
  return useStore([() => clientOf(pabal), () => toValue(name)], () => feeds.presenceFeed(clientOf(pabal), toValue(name)))
}

/** How the client fares. */
export function useStatus(pabal: MaybeRefOrGetter<Client | undefined>): ComputedRef<Status> {
  return useStore([() => clientOf(pabal)], () => feeds.statusFeed(clientOf(pabal)))
}

/** The client itself, should it be in a ref that has wrapped it. */
const clientOf = (pabal: MaybeRefOrGetter<Client | undefined>): Client | undefined => toRaw(toValue(pabal))

function useEntries<S, O extends ChannelOptions & LatestOptions>(
  feed: (client: Client | undefined, name: string, options: O, hears: () => Listening) => Store<S>,
  pabal: MaybeRefOrGetter<Client | undefined>,
  name: MaybeRefOrGetter<string>,
  options: MaybeRefOrGetter<O>,
): ComputedRef<S> {
  const hears = () => toValue(options)
  return useStore([() => clientOf(pabal), () => toValue(name), () => feeds.keyOf(toValue(options))], () =>
    feed(clientOf(pabal), toValue(name), toValue(options), hears),
  )
}

/** The value of the store that make makes, and makes anew when one of about changes. */
function useStore<S>(about: (() => unknown)[], make: () => Store<S>): ComputedRef<S> {
  let store = make()
  const shown = shallowRef<() => S>(store.empty)
  const show = () => {
    shown.value = readOf(store)
  }
  let over = false
  let stop = () => {}
  const begin = () => {
    if (over) return
    let first = true
    stop = watch(
      about,
      (_now, _before, onCleanup) => {
        if (!first) store = make()
        first = false
        onCleanup(store.subscribe(show))
        show()
      },
      { immediate: true },
    )
  }
  onScopeDispose(() => {
    over = true
    stop()
  })
  if (getCurrentInstance()) onMounted(begin)
  else begin()
  return computed(() => shown.value())
}

/** How to have the store's value of this moment, or what it throws. */
function readOf<S>({ get }: Store<S>): () => S {
  try {
    const value = get()
    return () => value
  } catch {
    return get
  }
}
