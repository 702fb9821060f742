import { sleep } from '../time.ts'
import type { Batch, Target } from '../types.ts'
import { ask } from './ask.ts'

/** Asks what is new, again and again: the oldest technique, and the one that always works. The server says how often is enough. */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  for (let target = to; !signal.aborted; ) {
    const answer = await ask(target, 'poll', {}, to.patience, signal)
    target = answer.next
    yield* answer.batches
    if (!answer.more) await sleep(to.interval ?? Math.min(2000, Math.max(1000, answer.retryAfter)), signal)
  }
}
