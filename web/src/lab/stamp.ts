/** What an entry of the Lab says: its number, and when it was sent, in milliseconds of this page's own clock. */
export interface Stamp {
  seq: number
  sent: number
}

export const smallest = 16

/** Text of exactly so many bytes, of which sixteen are enough: number, time to a tenth of a millisecond, and filling. */
export function write({ seq, sent }: Stamp, bytes: number): string {
  return `${seq.toString(36)}.${Math.round(10 * sent).toString(36)}.`.padEnd(bytes, '~')
}

/** Undefined for what is no stamp: anybody may publish to the channel. */
export function read(data: unknown): Stamp | undefined {
  const found = typeof data === 'string' ? /^([0-9a-z]{1,8})\.([0-9a-z]{1,10})\.~*$/.exec(data) : null
  return found ? { seq: parseInt(found[1]!, 36), sent: parseInt(found[2]!, 36) / 10 } : undefined
}

/** This page's clock, of which latencies are differences: the same for what sends and what reads. */
export const clock = (): number => performance.timeOrigin + performance.now()
