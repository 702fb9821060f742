import type { Entry, Member, Pabal, Status } from 'pabal'
import { useChannel, useLatest, usePresence, useStatus, type Client } from 'pabal/react'

// What the types of the hooks for React allow, and what they do not.

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function same<A, B>(yes: Same<A, B>): void

declare const pabal: Pabal

export function uses(): void {
  const client: Client = pabal
  const error = (error: unknown) => void error
  const entries = useChannel<{ text: string }>(client, 'chat', { since: '50', keep: 50, error })
  same<typeof entries, readonly Entry<{ text: string }>[]>(true)
  const last = useLatest<number>(pabal, 'score')
  same<typeof last, Entry<number> | undefined>(true)
  const each = useLatest<number>(pabal, 'score', { by: 'key', every: '500ms' })
  same<typeof each, ReadonlyMap<string, Entry<number>>>(true)
  same<ReturnType<typeof usePresence>, readonly Member[]>(true)
  same<ReturnType<typeof useStatus>, Status>(true)
  usePresence(undefined, 'chat')
  useStatus(undefined)
}

export function misuses(): void {
  const entries = useChannel<{ text: string }>(pabal, 'chat')
  // @ts-expect-error what is shown is not to be changed
  entries.push()
  // @ts-expect-error there is no such member
  entries[0]?.data.txt
  // @ts-expect-error unknown has no members
  useChannel(pabal, 'chat')[0]?.data.text
  // @ts-expect-error a channel has a name
  useChannel(pabal)
  // @ts-expect-error a name is no client
  useChannel('chat', 'chat')
  // @ts-expect-error a hook ends with its component, not by a signal
  useChannel(pabal, 'chat', { signal: new AbortController().signal })
  // @ts-expect-error there are only keys to go by
  useLatest(pabal, 'score', { by: 'type' })
  // @ts-expect-error it is the last entry, and no map
  useLatest(pabal, 'score').get('lg')
}
