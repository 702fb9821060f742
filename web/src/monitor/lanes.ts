import type { Options } from 'pabal'
import { iframe } from '../lanes/iframe.ts'
import { jsonp } from '../lanes/jsonp.ts'
import { multipart } from '../lanes/multipart.ts'

/** A way of reading the channel: the client with one technique only, and what is asked of the server beside that. */
export interface Lane {
  name: LaneName
  technique: NonNullable<Options['techniques']>[number]
  /** What it holds of the browser's six connections to a host. */
  holds: 'stream' | 'wait' | 'short' | 'none'
  /** Of each key only the newest that waits. */
  only?: 'latest'
  /** At least this long between what comes. */
  every?: string
}

export type LaneName =
  | 'sse' | 'stream' | 'multipart' | 'iframe' | 'websocket' | 'longpoll' | 'poll' | 'jsonp'
  | 'latest' | 'throttled'

/** Five techniques are the client's own; three are given to it as transports, as any technique of one's own would be. */
export const lanes: Lane[] = [
  { name: 'sse', technique: 'eventsource', holds: 'stream' },
  { name: 'stream', technique: 'stream', holds: 'stream' },
  { name: 'multipart', technique: ['multipart', multipart], holds: 'stream' },
  { name: 'iframe', technique: ['iframe', iframe], holds: 'stream' },
  { name: 'websocket', technique: 'websocket', holds: 'none' },
  { name: 'longpoll', technique: 'longpoll', holds: 'wait' },
  { name: 'poll', technique: 'poll', holds: 'short' },
  { name: 'jsonp', technique: ['jsonp', jsonp], holds: 'short' },
  { name: 'latest', technique: 'websocket', holds: 'none', only: 'latest' },
  { name: 'throttled', technique: 'websocket', holds: 'none', every: '2s' },
]
