import type { Batch, Target } from '../types.ts'
import { batchOf, sign } from '../wire.ts'
import { follow } from './body.ts'

/**
 * Server-sent events, read by fetch: with a token in a header, a status that can be seen, and the comments that are signs of life,
 * none of which EventSource has. Every event is in the JSON form (WHATWG HTML, section 9.2).
 */
export async function* read(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let rest = ''
  let data: string[] = []
  let refused = false
  function* events(text: string): Generator<Batch> {
    // A CR at the end may be half of a CRLF.
    const parts = (rest + text).split(/\r\n|\n|\r(?!$)/)
    rest = parts.pop()!
    for (const line of parts) {
      if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5))
      else if (line.startsWith(':')) yield sign()
      else if (line.startsWith('retry:')) refused = true // alone it stands for what may be tried again: a limit, a server that stops
      if (line) continue
      const batch = data.length ? batchOf(JSON.parse(data.join('\n')) as object) : undefined
      data = []
      if (!batch) continue
      refused = false
      yield batch
    }
  }
  yield* follow(to, 'sse', 'text/event-stream', events, signal)
  if (refused && !signal.aborted) throw new Error('the server takes no reader now')
}
