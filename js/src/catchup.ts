import type { Pabal } from './client.ts'
import { PabalError } from './error.ts'
import { history, type History } from './history.ts'
import type { Subscription } from './subscription.ts'
import { backoff, sleep } from './time.ts'

/** Fetches what lies between the place of a subscription and that of the others of its channel, and has it go on with them then. */
export async function catchUp(client: Pabal, subscription: Subscription): Promise<void> {
  for (let more = true, failures = 0; more && !subscription.over; ) {
    try {
      const page = await history(client, subscription.channel, subscription.place)
      take(subscription, page)
      more = page.more
      failures = 0
    } catch (error) {
      if (error instanceof PabalError && error.final) return subscription.refused(error)
      await sleep(backoff(failures++))
    }
  }
  const waiting = subscription.waiting ?? []
  subscription.waiting = undefined
  for (const what of waiting) {
    if ('notice' in what) subscription.told(what)
    else subscription.hear(what)
  }
}

/** Has the subscription hear what was fetched before what waits. */
function take(subscription: Subscription, { entries, notices, cursor }: History): void {
  const { waiting } = subscription
  subscription.waiting = undefined
  const closed = notices.filter(({ notice }) => notice === '$closed')
  for (const notice of notices) if (!closed.includes(notice)) subscription.told(notice)
  for (const entry of entries) subscription.hear(entry)
  subscription.spot.reach(cursor)
  for (const notice of closed) subscription.told(notice)
  subscription.waiting = waiting
}
