import type { Notice } from 'pabal'

/**
 * Holds a lane to the promise: entries of a $host channel carry a seq that grows by one, so each hole is an entry lost,
 * unless a notice said so before; each cursor seen again is a repeat; whatever comes too late is out of order.
 */
export class Checker {
  lost = 0
  repeated = 0
  outOfOrder = 0
  /** Missed, but the server said so: never silence. */
  told = 0
  /** The seq of every entry by its cursor, in the order in which they came. */
  readonly seen = new Map<string, number>()
  private last: number | undefined
  private excuse: string | undefined
  private holes = new Set<number>()

  constructor(private readonly keep = 10_000) {}

  notice({ notice }: Notice): void {
    if (notice === '$gap' || notice === '$reset' || notice === '$skipped') this.excuse = notice
  }

  entry(cursor: string, seq: number): void {
    if (this.seen.has(cursor)) {
      this.repeated++
      return
    }
    this.seen.set(cursor, seq)
    if (this.seen.size > this.keep) this.seen.delete(this.seen.keys().next().value!)
    const next = (this.last ?? seq - 1) + 1
    const newRun = seq === 1 || (this.excuse === '$reset' && seq < next) // the server began to count anew
    if (newRun) this.holes.clear()
    else if (seq > next) this.missed(next, seq)
    else if (seq < next) this.late(seq)
    this.excuse = undefined
    if (newRun || seq >= next) this.last = seq
  }

  private missed(from: number, to: number): void {
    if (this.excuse) {
      this.told += to - from
      return
    }
    this.lost += to - from
    for (let seq = from; seq < to && this.holes.size < this.keep; seq++) this.holes.add(seq)
  }

  private late(seq: number): void {
    this.outOfOrder++
    if (this.holes.delete(seq)) this.lost--
  }

  get clean(): boolean {
    return this.lost + this.repeated + this.outOfOrder === 0
  }
}
