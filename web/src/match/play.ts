import type { Language } from '../shell/language.ts'

export type Side = 'home' | 'away'
export type Text = Record<Language, string>
export type Score = Record<Side, number>

/** The data of an entry of demo/match, as the server's engine publishes it. */
export interface Play {
  match: string
  /** Counts all plays since the server was started. */
  seq: number
  /** 0 before the match begins. */
  minute: number
  /** Minutes after the 45th or the 90th. */
  extra?: number
  kind: string
  team?: Side
  text: Text
  /** After this play. */
  score: Score
  /** Of a correction: the ID of the entry that it corrects. */
  of?: string
  /** Of a correction: what kind of play that is after all. */
  becomes?: string
  /** Of the first play of a match: what the teams are called. */
  teams?: Record<Side, Text>
}

/** What is no play is undefined: anyone may publish anything to the channel. */
export function playOf(data: unknown): Play | undefined {
  const play = data as Partial<Play> | null | undefined
  if (!play || typeof play !== 'object') return undefined
  const { match, seq, minute, kind, text, score, teams } = play
  const named = typeof match === 'string' && typeof kind === 'string'
  const whole = named && Number.isInteger(seq) && Number.isInteger(minute) && isText(text) && isScore(score)
  return whole && (teams === undefined || (isText(teams.home) && isText(teams.away))) ? (play as Play) : undefined
}

const isText = (text: Partial<Text> | undefined) => typeof text?.en === 'string' && typeof text.ko === 'string'
const isScore = (score: Partial<Score> | undefined) => Number.isInteger(score?.home) && Number.isInteger(score?.away)

/** 23′, and 45+2′ when a half goes on. */
export function minuteOf({ minute, extra }: Pick<Play, 'minute' | 'extra'>): string {
  return extra ? `${minute}+${extra}′` : `${minute}′`
}
