const firstProbe = 30_000
const lastProbe = 600_000

/**
 * Which technique to try first. The order of preference is the caller's; the ladder knows where on it this network has let us stand, and
 * wants to try again what is better, ever more rarely while that fails.
 */
export class Ladder {
  private at: number
  private falls = 0
  private soon = false

  constructor(
    readonly techniques: readonly string[],
    start?: string,
  ) {
    this.at = Math.max(0, techniques.indexOf(start ?? ''))
  }

  get best(): string {
    return this.techniques[this.at]!
  }

  /** What to try while the best works: all that would be better. */
  get better(): readonly string[] {
    return this.techniques.slice(0, this.at)
  }

  /** technique was the first to open, or has passed its trial. */
  works(technique: string): void {
    const at = this.techniques.indexOf(technique)
    if (at > this.at) this.falls++
    this.at = Math.max(0, at)
  }

  /** Something speaks against the best. It reports whether there is another. */
  down(): boolean {
    if (this.at === this.techniques.length - 1) return false
    this.at++
    this.falls++
    return true
  }

  /** A better technique was tried and did not do. */
  probed(): void {
    this.falls++
  }

  /** What was held against the others is long ago. */
  forget(): void {
    this.falls = 0
  }

  /** The network may be another: what is better is to be tried at the next opportunity. */
  renew(): void {
    this.falls = 0
    this.soon = true
  }

  /** Milliseconds until what is better is tried again. */
  probeAfter(random = Math.random): number {
    if (this.soon) {
      this.soon = false
      return 1000
    }
    return Math.min(lastProbe, firstProbe * 2 ** Math.max(0, this.falls - 1)) * (0.5 + random() / 2)
  }
}
