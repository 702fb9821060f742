import { boundaryOf, concat, readParts, type Part } from '../wire/multipart.ts'
import { defaultBeat, openBody } from './body.ts'
import type { Batch, Target } from './lane.ts'

/** One endless response, a part an entry, each with headers of its own. */
export async function* multipart(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  const { response, chunks } = await openBody(to, 'multipart', signal)
  const boundary = boundaryOf(response.headers.get('Content-Type'))
  if (!boundary) throw new Error('the answer is not multipart')
  let beat = defaultBeat
  let cursor = to.cursor
  let rest: Uint8Array = new Uint8Array()
  for await (const bytes of chunks(() => beat)) {
    const read = readParts(concat(rest, bytes), boundary)
    rest = read.rest
    for (const part of read.parts) {
      const batch = batchOfPart(part, to.channel, cursor)
      beat = batch.notices[0]?.heartbeat ?? beat
      cursor = batch.cursor
      yield batch
    }
    if (read.ended) return
  }
}

/** The body of a part is the bare data; its place in the log is in its headers. */
export function batchOfPart(part: Part, channel: string, before: string): Batch {
  const cursor = part.headers.get('pabal-cursor') ?? before
  const text = new TextDecoder().decode(part.body)
  const contentType = part.headers.get('content-type') ?? ''
  const data: unknown = /^application\/([\w.-]+\+)?json\b/.test(contentType) ? JSON.parse(text) : text
  const notice = part.headers.get('pabal-notice')
  if (notice !== undefined) {
    const said = data && typeof data === 'object' ? data : {}
    return { entries: [], notices: [{ ...said, notice, cursor }], cursor }
  }
  if (!part.headers.has('pabal-cursor')) return { entries: [], notices: [], cursor } // a heartbeat
  const time = part.headers.get('pabal-time')
  return { entries: [{ channel, cursor, data, ...(time !== undefined && { time }) }], notices: [], cursor }
}
