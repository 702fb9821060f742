/** What speaks against a technique, here and now. */
export type Fault = 'refused' | 'late' | 'silent' | 'short' | 'broken'

interface Record {
  strikes: number
  shortLives: number
}

const shortLife = 10_000
const firstProbe = 30_000
const lastProbe = 600_000

/**
 * Which technique to try first. The order of preference is the caller's; the ladder knows where on it this network has let us stand, goes
 * down when something speaks against the technique and not only against the server, and wants to try again what is better, ever
 * more rarely while that fails.
 */
export class Ladder {
  private readonly records = new Map<string, Record>()
  private at = 0
  private falls = 0

  constructor(
    readonly techniques: readonly string[],
    start?: string,
  ) {
    this.at = Math.max(0, techniques.indexOf(start ?? ''))
  }

  get best(): string {
    return this.techniques[this.at]!
  }

  /** Whom to give how long a start: the one that works first, then the others by preference. */
  order(): string[] {
    return [this.best, ...this.techniques.filter((technique) => technique !== this.best)]
  }

  /** What to try while the best works: all that would be better. */
  better(): readonly string[] {
    return this.techniques.slice(0, this.at)
  }

  /** Milliseconds until what is better is tried again. */
  probeAfter(random = Math.random): number {
    return Math.min(lastProbe, firstProbe * 2 ** Math.max(0, this.falls - 1)) * (0.5 + random() / 2)
  }

  /** technique was the first to open, or has passed its trial. */
  works(technique: string): void {
    const at = this.techniques.indexOf(technique)
    if (at < 0 || at === this.at) return
    if (at > this.at) this.falls++
    this.at = at
  }

  /** A better technique was tried and did not do. */
  probed(): void {
    this.falls++
  }

  /** A connection of technique was open for so long, and ended by a fault. It reports whether that is reason to go down one. */
  ended(technique: string, fault: Fault, lived: number): boolean {
    const record = this.record(technique)
    if (lived >= shortLife) record.shortLives = 0
    switch (fault) {
      case 'refused': // it will be the next time, too
      case 'late':
        record.strikes += 2
        break
      case 'silent': // open, and then not one sign of life: it is held back. Later it may be anything.
        record.strikes += 2
        break
      case 'short':
        if (lived < shortLife && ++record.shortLives >= 3) record.strikes += 2
        break
      case 'broken': // the server is not there, or nobody is
        break
    }
    if (record.strikes < 2 || technique !== this.best || this.at === this.techniques.length - 1) return false
    record.strikes = record.shortLives = 0
    this.at++
    this.falls++
    return true
  }

  /** technique has worked for so long that what was held against it is over. */
  proved(technique: string): void {
    this.records.delete(technique)
    if (this.techniques.indexOf(technique) === 0) this.falls = 0
  }

  /** The network is another: what was known of the last says nothing. */
  forget(): void {
    this.records.clear()
    this.falls = 0
  }

  private record(technique: string): Record {
    let record = this.records.get(technique)
    if (!record) this.records.set(technique, (record = { strikes: 0, shortLives: 0 }))
    return record
  }
}
