import type { Batch, Target } from '../types.ts'
import { batchesOf, byteLength, readURL, type Answer } from '../wire.ts'
import { check, headersOf, Watch } from './body.ts'

export interface Asked {
  batches: Batch[]
  /** The target of the next question. */
  next: Target
  /** The cursor at which what was asked for begins, where it was not asked for by one. */
  begin: string | undefined
  more: boolean
  /** Milliseconds after which the server wants to be asked again. */
  retryAfter: number
}

/** Asks once what follows the target's places. Nothing for patience milliseconds is a failure. */
export async function ask(
  to: Target,
  via: string,
  query: Record<string, string>,
  patience: number,
  signal?: AbortSignal,
): Promise<Asked> {
  const watch = new Watch(patience, signal)
  try {
    to.meter?.asked()
    const response = await fetch(readURL(to, via, query), {
      signal: watch.signal,
      headers: headersOf(to),
      cache: 'no-store',
    })
    to.meter?.answered()
    await check(response, 'application/json')
    const retryAfter = 1000 * (Number(response.headers.get('Retry-After')) || 0)
    const text = await response.text()
    to.meter?.took(byteLength(text))
    const answer = text ? (JSON.parse(text) as Answer) : undefined
    const at = answer?.cursor ?? response.headers.get('Pabal-Cursor') ?? to.at
    const batches = answer ? batchesOf(answer) : [{ entries: [], notices: [] }]
    // Over one channel the answer's cursor is the channel's own, which may have moved past entries that were left out.
    if (to.places.length === 1 && !to.connection) batches.at(-1)!.cursor = at
    return { batches, next: { ...to, at }, begin: answer?.before ?? at, more: answer?.more ?? false, retryAfter }
  } catch (error) {
    throw watch.signal.aborted && !signal?.aborted ? watch.signal.reason : error
  } finally {
    watch.end()
  }
}
