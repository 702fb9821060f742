import type { Entry, Member, Pabal, Status } from 'pabal'
import { useChannel, useLatest, usePresence, useStatus } from 'pabal/vue'
import { ref, shallowRef, type ComputedRef } from 'vue'

// What the types of the composables for Vue allow, and what they do not.

type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false
declare function same<A, B>(yes: Same<A, B>): void

declare const pabal: Pabal

export function uses(): void {
  const entries = useChannel<{ text: string }>(pabal, 'chat', { since: '50', keep: 50 })
  same<typeof entries, ComputedRef<readonly Entry<{ text: string }>[]>>(true)
  useChannel(() => pabal, ref('chat'), () => ({ since: '50' }))
  useChannel(shallowRef<Pabal>(), () => 'chat', ref({ keep: 3 }))
  const last = useLatest<number>(pabal, 'score')
  same<typeof last.value, Entry<number> | undefined>(true)
  const each = useLatest<number>(pabal, 'score', { by: 'key' })
  same<typeof each.value, ReadonlyMap<string, Entry<number>>>(true)
  same<ReturnType<typeof usePresence>, ComputedRef<readonly Member[]>>(true)
  same<ReturnType<typeof useStatus>, ComputedRef<Status>>(true)
}

export function misuses(): void {
  const entries = useChannel<{ text: string }>(pabal, 'chat')
  // @ts-expect-error it is not to be set
  entries.value = []
  // @ts-expect-error there is no such member
  entries.value[0]?.data.txt
  // @ts-expect-error a number is no name
  useChannel(pabal, ref(17))
  // @ts-expect-error there are only keys to go by
  useLatest(pabal, 'score', { by: 'type' })
}
