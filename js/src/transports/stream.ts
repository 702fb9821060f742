import type { Batch, Target } from '../types.ts'
import { batchOf, sign } from '../wire.ts'
import { follow } from './body.ts'

/** One endless response, a JSON object a line, read by fetch. An empty line is a sign of life. */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let rest = ''
  function* lines(text: string): Generator<Batch> {
    const parts = (rest + text).split('\n')
    rest = parts.pop()!
    for (const line of parts) {
      const batch = line.trim() ? batchOf(JSON.parse(line) as object) : sign()
      if (batch) yield batch
    }
  }
  yield* follow(to, 'stream', 'application/x-ndjson', lines, signal)
}
