import { RoadError } from '../../../js/src/error.ts'
import { check, headersOf, Watch } from '../../../js/src/transports/body.ts'
import type { Batch, Entry, Notice, Target } from '../../../js/src/types.ts'
import { batchOf, patienceOf, readURL, sign } from '../../../js/src/wire.ts'
import { boundaryOf, concat, readParts, type Part } from '../wire/multipart.ts'

/** One endless response, a part an entry, each with headers of its own. Silence is a failure. */
export async function* multipart(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  const watch = new Watch(to.patience)
  try {
    to.meter?.asked()
    const response = await fetch(readURL(to, 'multipart'), {
      signal: AbortSignal.any([signal, watch.signal]),
      headers: headersOf(to),
      cache: 'no-store',
    })
    to.meter?.answered()
    await check(response, 'multipart/mixed')
    if (response.status === 204 || !response.body) return
    const boundary = boundaryOf(response.headers.get('Content-Type'))
    if (!boundary) throw new RoadError('the answer is multipart without a boundary')
    yield* parts(response.body, boundary, to, watch)
  } catch (error) {
    if (signal.aborted) return
    throw watch.signal.aborted ? watch.signal.reason : error
  } finally {
    watch.end()
  }
}

async function* parts(body: ReadableStream<Uint8Array>, boundary: string, to: Target, watch: Watch): AsyncGenerator<Batch> {
  const reader = body.getReader()
  const only = to.places.length === 1 ? to.places[0]!.channel : undefined
  let rest: Uint8Array = new Uint8Array()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    watch.feed()
    to.meter?.took(value.length)
    const read = readParts(concat(rest, value), boundary)
    rest = read.rest
    watch.stop() // time that the reader of the batches takes is not the server's
    for (const part of read.parts) {
      const batch = batchOfPart(part, only)
      watch.limit = patienceOf(batch) ?? watch.limit
      yield batch
    }
    if (read.ended) return
    watch.feed()
  }
}

/** The body of a part is the bare data; its place in the log is in its headers. A part without a place is a sign of life. */
export function batchOfPart(part: Part, only: string | undefined): Batch {
  const header = (name: string) => decode(part.headers.get(name))
  const contentType = part.headers.get('content-type') ?? ''
  const whole = contentType.startsWith('application/vnd.pabal.entry+json')
  if (whole) return batchOf(JSON.parse(textOf(part)) as object) ?? sign()
  const [cursor, notice, channel] = [header('pabal-cursor'), header('pabal-notice'), header('pabal-channel') ?? only]
  const place = { ...(channel !== undefined && { channel }), ...(cursor !== undefined && { cursor }) }
  if (notice !== undefined) {
    const said = part.body.length ? (JSON.parse(textOf(part)) as Partial<Notice>) : {}
    return { entries: [], notices: [{ ...place, ...said, notice }] }
  }
  if (cursor === undefined || channel === undefined) return sign()
  const entry: Entry = { channel, cursor, time: header('pabal-time') ?? '', ...dataOf(part, contentType) }
  for (const name of ['type', 'id', 'key'] as const) {
    const value = header(`pabal-${name}`)
    if (value !== undefined) entry[name] = value
  }
  return { entries: [entry], notices: [] }
}

/** The data as the JSON form of an entry has it: JSON as a value, text as a string, all else as base64. */
function dataOf(part: Part, contentType: string): Pick<Entry, 'data' | 'contentType' | 'encoding'> {
  const type = contentType && !/^(application\/json|text\/plain; ?charset=utf-8)$/i.test(contentType) ? { contentType } : {}
  if (/^application\/([\w.-]+\+)?json\b/.test(contentType)) return { data: JSON.parse(textOf(part)) as unknown, ...type }
  try {
    if (/^text\//.test(contentType)) return { data: textOf(part, true), ...type }
  } catch {
    // Not UTF-8, whatever it says.
  }
  return { data: base64(part.body), encoding: 'base64', ...type }
}

const textOf = (part: Part, strict = false) => new TextDecoder('utf-8', { fatal: strict, ignoreBOM: true }).decode(part.body)

function base64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

/** In the header of a part, bytes other than visible ASCII, and `%`, are percent-encoded. */
function decode(value: string | undefined): string | undefined {
  try {
    return value === undefined ? undefined : decodeURIComponent(value)
  } catch {
    return value
  }
}
