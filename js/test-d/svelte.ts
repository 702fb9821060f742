import type { Entry, Member, Pabal, Status } from 'pabal'
import { channelStore, latestStore, presenceStore, statusStore, type Readable } from 'pabal/svelte'

// What the types of the stores for Svelte allow, and what they do not.

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function same<A, B>(yes: Same<A, B>): void

declare const pabal: Pabal

export function uses(): void {
  const entries = channelStore<{ text: string }>(pabal, 'chat', { since: '50', keep: 50 })
  same<typeof entries, Readable<readonly Entry<{ text: string }>[]>>(true)
  const stop: () => void = entries.subscribe((now) => same<typeof now, readonly Entry<{ text: string }>[]>(true))
  stop()
  const last = latestStore<number>(pabal, 'score')
  same<typeof last, Readable<Entry<number> | undefined>>(true)
  const each = latestStore<number>(pabal, 'score', { by: 'key' })
  same<typeof each, Readable<ReadonlyMap<string, Entry<number>>>>(true)
  same<ReturnType<typeof presenceStore>, Readable<readonly Member[]>>(true)
  same<ReturnType<typeof statusStore>, Readable<Status>>(true)
}

export function misuses(): void {
  // @ts-expect-error it is not to be set
  channelStore(pabal, 'chat').set([])
  // @ts-expect-error there are only keys to go by
  latestStore(pabal, 'score', { by: 'type' })
}
