import type { Entry } from 'pabal'

/** An entry as some lane saw it. */
export interface Seen {
  seq: number
  text: string
  data: Record<string, unknown>
  time: number | undefined
}

/**
 * What all lanes have seen of the log together, by cursor. It knows the furthest entry any of them has reached, and lends
 * its time to techniques that bring bare data only.
 */
export class Log {
  head: { seq: number; seen: Seen } | undefined
  /** Of the host's clock against this one: what the quickest entry needed to arrive. */
  private skew = Infinity
  private readonly seen = new Map<string, Seen>()

  constructor(private readonly keep = 10_000) {}

  /** Adds what a lane saw; agrees is false where another lane saw something else under the same cursor. */
  add(entry: Entry, now: number): { seen: Seen; agrees: boolean } | undefined {
    const data = entry.data
    if (!data || typeof data !== 'object' || !('seq' in data) || typeof data.seq !== 'number') return undefined
    const time = entry.time ? Date.parse(entry.time) : undefined
    if (time !== undefined) this.skew = Math.min(this.skew, now - time)
    const text = JSON.stringify(data)
    const known = this.seen.get(entry.cursor)
    if (known) {
      known.time ??= time
      return { seen: known, agrees: known.text === text }
    }
    const seen = { seq: data.seq, text, data: data as Record<string, unknown>, time }
    this.seen.set(entry.cursor, seen)
    if (this.seen.size > this.keep) this.seen.delete(this.seen.keys().next().value!)
    const newRun = data.seq === 1
    if (!this.head || seen.seq > this.head.seq || newRun) this.head = { seq: seen.seq, seen }
    return { seen, agrees: true }
  }

  /** How old an entry is, on the host's clock as far as it is known here. */
  age(seen: Seen, arrived: number, now: number): number {
    if (seen.time === undefined) return now - arrived
    const clocksDiffer = this.skew < 0 || this.skew > 1000
    return now - seen.time - (clocksDiffer ? this.skew : 0)
  }
}
