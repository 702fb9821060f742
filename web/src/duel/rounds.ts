/** How long moves took from here to the log and back, by technique. */
export class Rounds {
  /** Of the last move that was measured. */
  last: { technique: string; ms: number } | undefined
  private readonly times = new Map<string, number[]>()
  private under: { id: string; technique: string; at: number } | undefined

  begin(id: string, technique: string | undefined, now = performance.now()): void {
    this.under = technique === undefined ? undefined : { id, technique, at: now }
  }

  /** An entry came. It ends the measurement if it is what was published. */
  heard(id: string | undefined, now = performance.now()): void {
    const { under } = this
    if (!under || id !== under.id) return
    this.under = undefined
    const { technique, at } = under
    this.last = { technique, ms: now - at }
    this.times.set(technique, [...(this.times.get(technique) ?? []), now - at])
  }

  /** What reads now is this; undefined: nothing. A move that two techniques had a part in measures neither. */
  by(technique: string | undefined): void {
    if (technique !== this.under?.technique) this.under = undefined
  }

  /** Of each technique the number of moves and their median, in milliseconds. */
  table(): { technique: string; moves: number; median: number }[] {
    return [...this.times].map(([technique, times]) => ({ technique, moves: times.length, median: median(times) }))
  }
}

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const half = sorted.length >> 1
  return sorted.length % 2 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}
