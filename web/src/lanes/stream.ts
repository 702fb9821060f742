import { parseLines, splitLines } from '../wire/lines.ts'
import { defaultBeat, openBody } from './body.ts'
import { batchOf, type Batch, type Target } from './lane.ts'

/** One endless response, a JSON object a line, read by fetch. */
export async function* stream(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  const { chunks } = await openBody(to, 'stream', signal)
  const decoder = new TextDecoder()
  let beat = defaultBeat
  let cursor = to.cursor
  let rest = ''
  for await (const bytes of chunks(() => beat)) {
    const split = splitLines(rest, decoder.decode(bytes, { stream: true }))
    rest = split.rest
    for (const message of parseLines<object>(split.lines)) {
      const batch = batchOf(message, cursor)
      if (!batch) continue
      beat = batch.notices[0]?.heartbeat ?? beat
      cursor = batch.cursor
      yield batch
    }
  }
}
