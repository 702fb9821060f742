import type { Entry } from 'pabal'
import { playOf, type Play, type Score, type Side, type Text } from './play.ts'

/** A play in its place in the log. */
export interface Told {
  id: string
  play: Play
}

/** One match as far as it was read: nothing is thrown away, so that any moment of it can be shown. */
export interface Match {
  id: string
  teams: Record<Side, Text> | undefined
  told: readonly Told[]
}

/** The match after one more entry. Another match takes the place of the one before; what is no play changes nothing. */
export function follow(match: Match | undefined, entry: Entry): Match | undefined {
  const play = playOf(entry.data)
  if (!play) return match
  const told = { id: entry.id ?? entry.cursor, play }
  if (match?.id !== play.match) return { id: play.match, teams: play.teams, told: [told] }
  return { ...match, told: [...match.told, told] }
}

/** A play as one sees it at some moment: by then it may have been corrected. */
export interface Line extends Told {
  correction?: Play
}

export type Phase = 'before' | 'playing' | 'half' | 'over'

/** A match at some moment. */
export interface Moment {
  /** How many plays had been told. */
  upTo: number
  last: Play
  score: Score
  phase: Phase
  /** The newest first. */
  lines: Line[]
}

/** The match when so many plays had been told, one at least. */
export function momentOf({ told }: Match, upTo = told.length): Moment {
  const known = told.slice(0, Math.max(1, upTo))
  const corrections = new Map(known.flatMap(({ play }) => (play.of ? [[play.of, play]] : [])))
  const lines = known
    .filter(({ play }) => !play.of)
    .map((line): Line => {
      const correction = corrections.get(line.id)
      return correction ? { ...line, correction } : line
    })
  const last = known.at(-1)!.play
  return { upTo: known.length, last, score: last.score, phase: phaseOf(known), lines: lines.reverse() }
}

const phases: Record<string, Phase> = {
  restart: 'before',
  welcome: 'before',
  kickoff: 'playing',
  half: 'half',
  second: 'playing',
  full: 'over',
}

function phaseOf(known: Told[]): Phase {
  return known.map(({ play }) => phases[play.kind]).findLast((phase) => phase) ?? 'playing'
}

const keys = new Set(['goal', 'disallowed', 'red', 'penalty', 'half', 'full'])

/** A play that one wants to go back to, and how many had been told with it. */
export interface KeyEvent extends Told {
  upTo: number
}

/** What a match is remembered by. */
export function keyEvents({ told }: Match): KeyEvent[] {
  return told.flatMap((one, i) => (keys.has(one.play.becomes ?? one.play.kind) ? [{ ...one, upTo: i + 1 }] : []))
}
