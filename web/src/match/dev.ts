import type { Score } from './play.ts'

/** How late viewers get to know, in milliseconds: a half of them, nine tenths, 99 in a hundred, all. */
export interface Lag {
  p50: number
  p90: number
  p99: number
  max: number
}

/** What GET /dev/match says: how the engine stands, and how the crowd fares. */
export interface Dev {
  match: {
    id?: string
    phase: 'waiting' | 'playing' | 'paused' | 'over'
    seq: number
    minute: number
    score: Score
    speed: number
    /** Why the match stands still. */
    error?: string
  }
  wanted: number
  viewers: number
  most: number
  via: Via
  read: number
  lost: number
  repeated: number
  /** Of the last seconds; null if nobody read anything in them. */
  lag: Lag | null
  trouble?: string
}

export const vias = ['sse', 'stream', 'websocket', 'longpoll'] as const
export type Via = (typeof vias)[number]

/** Nobody plays here for this page: the server is not in development mode (404), or not on this page's machine (403). */
export type Without = 'off' | 'elsewhere'

/** Asks the engine how it stands. */
export const ask = (signal: AbortSignal): Promise<Dev | Without> => send('/dev/match', { signal })

/** Has so many viewers read by a technique: 0 has all leave. */
export const setCrowd = (viewers: number, via: Via): Promise<Dev | Without> => post('/dev/match/crowd', { viewers, via })

export const setSpeed = (speed: number): Promise<Dev | Without> => post('/dev/match', { speed })

const post = (path: string, body: object) =>
  send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })

async function send(path: string, init: RequestInit): Promise<Dev | Without> {
  const response = await fetch(path, init)
  if (response.status === 404) return 'off'
  if (response.status === 403) return 'elsewhere'
  const said = (await response.json()) as Dev & { detail?: string }
  if (!response.ok) throw new Error(said.detail ?? `status ${response.status}`)
  return said
}

/** The slider's steps are finer where there are few viewers: each is about 4 % more. */
export const sliderSteps = 200
const least = 2

export const viewersAt = (step: number, most: number): number => Math.round(least * (most / least) ** (step / sliderSteps))

export const stepOf = (viewers: number, most: number): number =>
  viewers <= least ? 0 : Math.round((sliderSteps * Math.log(viewers / least)) / Math.log(most / least))
