import type { Pabal } from './client.ts'
import { PabalError } from './error.ts'
import { history } from './history.ts'
import type { Subscription } from './subscription.ts'
import { backoff, sleep } from './time.ts'

/** Fetches what lies between the place of a subscription and that of the others of its channel, and has it go on with them then. */
export async function catchUp(client: Pabal, subscription: Subscription): Promise<void> {
  for (let more = true, failures = 0; more && !subscription.over; ) {
    try {
      const page = await history(client, subscription.channel, subscription.place)
      subscription.take(page)
      more = page.more
      failures = 0
    } catch (error) {
      if (error instanceof PabalError && error.final) return subscription.refused(error)
      await sleep(backoff(failures++))
    }
  }
  subscription.joined()
}
