import { PabalError, type Problem } from './error.ts'
import type { Batch, Entry, Notice, Target } from './types.ts'

/** The answer of poll, longpoll and jsonp. */
export interface Answer<T = unknown> {
  entries: Entry<T>[]
  notices: Notice[]
  cursor: string
  before?: string
  more?: boolean
}

/** The path of a channel; slashes, $ and colons are part of its name and stay as they are. */
export const pathOf = (channel: string): string =>
  channel.split('/').map((part) => encodeURIComponent(part).replaceAll('%24', '$').replaceAll('%3A', ':')).join('/')

/** The URL that reads the target's places. */
export function readURL(to: Target, via: string, more: Record<string, string> = {}): string {
  const { places } = to
  const query = new URLSearchParams({ via })
  const [only] = places
  if (places.length > 1) for (const { channel } of places) query.append('channel', channel)
  const known = places.every((place) => place.cursor !== undefined)
  if (to.at) query.set('cursor', to.at)
  else if (known) for (const { cursor } of places) query.append('cursor', cursor!)
  else if (only?.since !== undefined) query.set('since', only.since)
  if (to.connection) query.set('connection', to.connection)
  if (to.only) query.set('only', to.only)
  // Who asks again and again does that as seldom as it likes.
  if (to.every && via !== 'poll' && via !== 'longpoll' && via !== 'jsonp') query.set('every', to.every)
  for (const [name, value] of Object.entries(more)) query.set(name, value)
  return `${to.url}/channels${places.length === 1 ? `/${pathOf(only!.channel)}` : ''}?${query}`
}

export const isNotice = (said: object): said is Notice => 'notice' in said

/** The batch of one message, be it an entry or a notice; undefined for what is neither, like a reply. A problem is thrown. */
export function batchOf(said: object): Batch | undefined {
  if (isNotice(said)) return { entries: [], notices: [said] }
  if ('cursor' in said && 'channel' in said && !('ok' in said)) return { entries: [said as Entry], notices: [] }
  if ('title' in said && 'status' in said) throw new PabalError(said as Problem)
  return undefined
}

/** The batches of an answer, which has entries and notices apart: each notice in its place between the entries. */
export function batchesOf({ entries, notices }: Answer): Batch[] {
  const cursors = new Set(entries.map((entry) => entry.channel + ' ' + entry.cursor))
  const placeOf = (n: Notice) => `${n.channel} ${n.from ?? n.cursor}`
  const last = notices.filter((n) => n.notice === '$closed')
  const between = notices.filter((n) => n.notice !== '$closed' && cursors.has(placeOf(n)))
  const first = notices.filter((n) => !last.includes(n) && !between.includes(n))
  const batches: Batch[] = [{ notices: first, entries: [] }]
  for (const entry of entries) {
    batches.at(-1)!.entries.push(entry)
    const told = between.filter((n) => placeOf(n) === entry.channel + ' ' + entry.cursor)
    if (told.length) batches.push({ notices: told, entries: [] })
  }
  if (last.length) batches.push({ notices: last, entries: [] })
  return batches
}

/** The milliseconds of a duration, as `500ms` or `1m30s`. */
export function milliseconds(duration = ''): number {
  const units: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }
  return [...duration.matchAll(/([\d.]+)(ms|s|m|h)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit!]!, 0)
}

/** What a transport yields when it has something to say only about itself. */
export const sign = (): Batch => ({ entries: [], notices: [] })

export const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** The milliseconds of silence that $open allows: two heartbeats. Undefined if the batch has no $open. */
export function patienceOf(batch: Batch): number | undefined {
  const beat = batch.notices.find((notice) => notice.heartbeat)?.heartbeat
  return beat === undefined ? undefined : 2000 * beat
}
