/** Holds a reader to the promise: what was published comes once, in order, with nothing left out. */
export class Checker {
  received = 0
  repeated = 0
  outOfOrder = 0
  private highest: number
  private told = false
  private readonly holes = new Set<number>()
  private readonly seen = new Set<number>()

  /** The first number that is to come follows after; of those that are unknown nobody knows whether they were published. */
  constructor(
    private readonly after = 0,
    private readonly unknown: ReadonlySet<number> = new Set(),
  ) {
    this.highest = after
  }

  /** The server has said that the log has a hole here, or is another: the next entry passes nothing over without a word. */
  notice(name: string): void {
    this.told ||= name === '$gap' || name === '$reset' || name === '$skipped'
  }

  take(seq: number): void {
    if (seq <= this.after) return
    if (this.seen.has(seq)) {
      this.repeated++
      return
    }
    this.seen.add(seq)
    this.received++
    if (seq < this.highest) {
      this.outOfOrder++
      this.holes.delete(seq)
      return
    }
    for (let missed = this.highest + 1; missed < seq && !this.told; missed++) this.holes.add(missed)
    this.told = false
    this.highest = seq
  }

  /** Passed over: a later one has come. */
  get lost(): number {
    return [...this.holes].filter((seq) => !this.unknown.has(seq)).length
  }

  has(seq: number): boolean {
    return this.seen.has(seq)
  }

  get clean(): boolean {
    return this.lost + this.repeated + this.outOfOrder === 0
  }
}
