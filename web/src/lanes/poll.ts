import { channelURL, problemOf, type Answer } from '../wire/wire.ts'
import { sleep, type Batch, type Target } from './lane.ts'

/** Asks for what is new, again and again: the oldest technique, and the one that always works. */
export async function* poll(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let { cursor } = to
  let etag: string | null = null
  for (;;) {
    const answer = await ask(to, { via: 'poll', cursor }, etag, signal)
    etag = answer.etag
    cursor = answer.batch.cursor
    yield answer.batch
    if (!answer.more) await sleep(Math.max(1000, answer.retryAfter), signal)
    if (signal.aborted) return
  }
}

/** The same question, but the server waits with its answer until there is something to say. */
export async function* longpoll(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let { cursor } = to
  for (;;) {
    const { batch } = await ask(to, { via: 'longpoll', cursor, wait: '25' }, null, signal)
    cursor = batch.cursor
    yield batch
    if (signal.aborted) return
  }
}

interface Asked {
  batch: Batch
  more: boolean
  etag: string | null
  retryAfter: number
}

async function ask(
  to: Target,
  query: Record<string, string>,
  etag: string | null,
  signal: AbortSignal,
): Promise<Asked> {
  to.meter.asked()
  const response = await fetch(channelURL(to.channel, query), {
    signal,
    headers: etag ? { 'If-None-Match': etag } : {},
    cache: 'no-store',
  })
  to.meter.answered()
  const retryAfter = 1000 * (Number(response.headers.get('Retry-After')) || 0)
  if (response.status === 204 || response.status === 304) {
    const cursor = response.headers.get('Pabal-Cursor') ?? query.cursor ?? to.cursor
    const empty = { entries: [], notices: [], cursor }
    // The ETag belongs to the URL that was asked; one with another cursor has another.
    const same = cursor === query.cursor ? response.headers.get('ETag') : null
    return { batch: empty, more: false, etag: same, retryAfter }
  }
  if (!response.ok) throw await problemOf(response)
  const bytes = new Uint8Array(await response.arrayBuffer())
  to.meter.took(bytes.length)
  const answer = JSON.parse(new TextDecoder().decode(bytes)) as Answer
  return { batch: batchOfAnswer(answer), more: answer.more ?? false, etag: null, retryAfter }
}

export function batchOfAnswer(answer: Answer): Batch {
  return { entries: answer.entries ?? [], notices: answer.notices ?? [], cursor: answer.cursor }
}
