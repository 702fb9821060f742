import type { Pabal } from './client.ts'
import { openTime } from './reader.ts'
import { ask } from './transports/ask.ts'
import type { Entry, Notice } from './types.ts'

export interface Range {
  /** The newest that lie before this cursor. Without the others. */
  before?: string
  /** What follows this cursor. */
  cursor?: string | undefined
  /** `all` (the default), a number of the last entries, a duration back, a time. */
  since?: string | undefined
  /** Entries at most, 1 to 1,000. */
  limit?: number
  only?: 'latest' | undefined
}

export interface History<T = unknown> {
  entries: Entry<T>[]
  notices: Notice[]
  /** Where to go on reading forward. */
  cursor: string
  /** The cursor before which this begins: older ones lie before it. */
  before?: string | undefined
  /** There is more in the direction in which it was read. */
  more: boolean
}

/** Reads a part of one channel's log, once. */
export async function history<T>(client: Pabal, channel: string, range: Range): Promise<History<T>> {
  const { before, cursor, since, limit, only } = range
  const place = { channel, cursor, since: before === undefined ? (since ?? 'all') : undefined }
  const query = { ...(limit && { limit: String(limit) }), ...(before !== undefined && { before }) }
  const { url, options } = client
  const target = { url, meter: options.meter, token: await client.token(), places: [place], only, patience: openTime }
  const { batches, next, begin, more } = await ask(target, 'poll', query, openTime)
  return {
    entries: batches.flatMap((batch) => batch.entries) as Entry<T>[],
    notices: batches.flatMap((batch) => batch.notices),
    cursor: next.at ?? cursor ?? '',
    before: begin,
    more,
  }
}
