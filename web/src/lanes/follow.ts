import { sleep, type Batch, type Lane, type Target } from './lane.ts'

export interface Follower {
  batch(batch: Batch): void
  /** The lane failed, and is tried again after wait milliseconds. */
  failed(error: Error, wait: number): void
}

/**
 * Reads by one technique until the signal says so. The whole client is this loop: whatever ends a response, the next one
 * begins at the cursor. A response that the server ended is followed at once, a failed one after a jittered delay that grows.
 */
export async function follow(lane: Lane, to: Target, signal: AbortSignal, on: Follower): Promise<void> {
  let { cursor } = to
  let failures = 0
  while (!signal.aborted) {
    let heard = false
    try {
      for await (const batch of lane({ ...to, cursor }, signal)) {
        if (signal.aborted) return
        heard = true
        failures = 0
        cursor = batch.cursor
        on.batch(batch)
      }
      if (!heard && !signal.aborted) throw new Error('the answer ended before it said anything')
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
