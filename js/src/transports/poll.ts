import { sleep } from '../time.ts'
import type { Batch, Target } from '../types.ts'
import { milliseconds } from '../wire.ts'
import { ask } from './ask.ts'

/** What a reader waits for at most, though the server would have it ask less often. */
const longest = 2000

/** Asks what is new, again and again, once a second and less often while there is nothing: the oldest technique, and the one that always works. */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  for (let target = to; !signal.aborted; ) {
    const answer = await ask(target, 'poll', {}, to.patience, signal)
    target = answer.next
    yield* answer.batches
    const rest = to.interval ?? Math.min(longest, Math.max(1000, answer.retryAfter))
    if (!answer.more) await sleep(Math.max(rest, milliseconds(to.every)), signal)
  }
}
