// Latencies in buckets of a 24th of a power of ten: a percentile is right to within a twentieth.

const perDecade = 24
const lowest = 0.1
const decades = 6 // to 100 s

/** Milliseconds, counted. It takes the same memory for ten and for a million. */
export class Histogram {
  readonly counts = new Uint32Array(perDecade * decades)
  count = 0
  sum = 0
  max = 0

  add(ms: number): void {
    this.counts[bucketOf(ms)]!++
    this.count++
    this.sum += ms
    this.max = Math.max(this.max, ms)
  }

  /** The latency that a share p of all did not go over, 0 < p ≤ 1. Undefined if there is none yet. */
  percentile(p: number): number | undefined {
    let left = Math.ceil(p * this.count)
    if (left <= 0) return undefined
    for (let i = 0; i < this.counts.length; i++) {
      left -= this.counts[i]!
      if (left <= 0) return Math.min(this.max, middleOf(i))
    }
    return this.max
  }

  /** How many there are in each of n steps of the logarithm from low to high; what lies outside is in the outermost. */
  steps(n: number, low: number, high: number): number[] {
    const steps = Array<number>(n).fill(0)
    this.counts.forEach((count, i) => {
      if (count) steps[Math.max(0, Math.min(n - 1, Math.floor(n * share(middleOf(i), low, high))))]! += count
    })
    return steps
  }
}

/** Where ms lies between low and high on a logarithmic axis: 0 at low, 1 at high. */
export const share = (ms: number, low: number, high: number): number =>
  Math.log(Math.max(ms, low) / low) / Math.log(high / low)

const bucketOf = (ms: number): number =>
  Math.max(0, Math.min(perDecade * decades - 1, Math.floor(perDecade * Math.log10(Math.max(ms, lowest) / lowest))))

const middleOf = (bucket: number): number => lowest * 10 ** ((bucket + 0.5) / perDecade)
