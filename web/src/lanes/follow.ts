import { sleep } from '../../../js/src/time.ts'
import type { Batch, Target, Transport } from '../../../js/src/types.ts'

export interface Follower {
  /** What came, and where the channel is read up to with it. */
  batch(batch: Batch & { cursor: string }): void
  /** The lane failed, and is tried again after wait milliseconds. */
  failed(error: Error, wait: number): void
  /** The server ended a response in order; the next one follows. */
  ended?(): void
}

/** What to read: one channel, from a cursor on. */
export type Following = Omit<Target, 'places'> & { channel: string; cursor: string }

/**
 * Reads by one technique until the signal says so. The heart of any client is this loop: whatever ends a response, the next
 * one begins at the cursor. A response that the server ended is followed at once, a failed one after a jittered delay that
 * grows.
 */
export async function follow(lane: Transport, to: Following, signal: AbortSignal, on: Follower): Promise<void> {
  const { channel, cursor: from, ...rest } = to
  let cursor = from
  let failures = 0
  while (!signal.aborted) {
    let heard = false
    try {
      for await (const batch of lane({ ...rest, places: [{ channel, cursor }] }, signal)) {
        if (signal.aborted) return
        heard = true
        failures = 0
        cursor = batch.cursor ?? batch.entries.at(-1)?.cursor ?? batch.notices.findLast((n) => n.cursor)?.cursor ?? cursor
        on.batch({ ...batch, cursor })
      }
      if (signal.aborted) return
      if (!heard) throw new Error('the answer ended before it said anything')
      on.ended?.()
      await sleep(100 * Math.random(), signal)
    } catch (error) {
      if (signal.aborted) return
      const wait = backoff(++failures)
      on.failed(error as Error, wait)
      await sleep(wait, signal)
    }
  }
}

/** Full jitter over a range that doubles from half a second to ten seconds, and never nothing. */
export function backoff(failures: number, random = Math.random): number {
  const range = Math.min(10_000, 250 * 2 ** failures)
  return 100 + random() * range
}
