import type { Channel } from './channel.ts'
import type { Subscription, SubscribeOptions } from './subscription.ts'
import type { Entry } from './types.ts'

const most = 1000

/**
 * The entries of a channel, as they are asked for. When so many wait, reading ends and goes on at the last of them once they are
 * taken: the log is the queue.
 */
export async function* entries<T>(channel: Channel<T>, options: SubscribeOptions): AsyncGenerator<Entry<T>> {
  let queue: Entry<T>[] = []
  let wake = () => {}
  let failure: unknown
  let over = false
  let subscription: Subscription | undefined
  const subscribe = (cursor: string | undefined) => {
    const mine = channel.subscribe(
      (entry) => {
        queue.push(entry)
        wake()
        if (queue.length >= most) {
          subscription = undefined
          mine.stop()
        }
      },
      { ...options, ...(cursor !== undefined && { cursor }), error: (error) => (failure = error) },
    )
    subscription = mine
    void mine.ended.then(() => {
      if (subscription === mine) over = true
      wake()
    })
  }
  subscribe(options.cursor)
  try {
    for (;;) {
      const taken = queue
      queue = []
      yield* taken
      if (queue.length) continue
      if (over) break
      if (!subscription) subscribe(taken.at(-1)?.cursor)
      await new Promise<void>((resolve) => (wake = resolve))
    }
    if (failure !== undefined) throw failure
  } finally {
    const last = subscription
    subscription = undefined
    last?.stop()
  }
}
