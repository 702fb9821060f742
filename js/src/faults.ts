import { PabalError, RoadError, SilentError } from './error.ts'
import type { Reader } from './reader.ts'
import type { Outcome } from './road.ts'

/** What the end of a road says against its technique, here and now. */
export type Fault = 'refused' | 'held back' | 'cut short'

const shortLife = 10_000
const most = 3

/** What the end of a road says against its technique; undefined: nothing, it may be anything else. */
export function faultOf({ error, lived, signs }: Outcome): Fault | undefined {
  if (error instanceof RoadError) return 'refused' // it will be the next time, too
  if (error instanceof PabalError) return error.foreign && !error.temporary ? 'refused' : undefined
  if (error instanceof SilentError) return lived && signs < 2 ? 'held back' : undefined
  return error !== undefined && lived && lived < shortLife ? 'cut short' : undefined
}

/** Judges techniques by how their roads end. */
export class Faults {
  private readonly short = new Map<string, number>()

  /** Whether outcome is reason to go on by another technique: what is cut soon has to be so several times in a row, since a server that starts anew does that once. */
  against(technique: string, outcome: Outcome): boolean {
    const fault = faultOf(outcome)
    if (fault !== 'cut short') {
      if (outcome.lived >= shortLife) this.short.delete(technique)
      return fault !== undefined
    }
    const times = (this.short.get(technique) ?? 0) + 1
    this.short.set(technique, times % most)
    return times === most
  }
}

const known = new WeakMap<Reader, Faults>()

/** Whether the end of a road speaks against its technique, and reader has gone down to another. */
export function judge(reader: Reader, technique: string, outcome: Outcome): boolean {
  const faults = known.get(reader) ?? new Faults()
  known.set(reader, faults)
  return faults.against(technique, outcome) && technique === reader.ladder.best && reader.ladder.down()
}
