import { sleep } from '../time.ts'
import type { Batch, Target } from '../types.ts'
import { milliseconds } from '../wire.ts'
import { ask } from './ask.ts'

/** What a server may take for an answer, beyond what it was asked to wait. */
const slack = 10_000

/**
 * Asks what is new; the server waits with its answer until there is something to say. The first question does not wait, so that it
 * is known at once whether this road works. Where answers are cut off before their time, the next ones wait less.
 */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let longest = 25
  let wait = 0
  for (let target = to; !signal.aborted; ) {
    const began = Date.now()
    try {
      const answer = await ask(target, 'longpoll', { wait: String(wait) }, 1000 * wait + (wait ? slack : to.patience), signal)
      target = answer.next
      wait = longest
      yield* answer.batches
      if (to.every && !answer.more) await sleep(milliseconds(to.every), signal)
    } catch (error) {
      const waited = (Date.now() - began) / 1000
      // A TypeError is what fetch says of a connection that was cut.
      if (signal.aborted || !(error instanceof TypeError) || wait < 4 || waited < 2) throw error
      wait = longest = Math.max(2, Math.floor(waited / 2))
    }
  }
}
