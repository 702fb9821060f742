import type { Via } from './lanes/index.ts'

/** How the lanes are named and what they hold of the browser's six connections to a host. */
export interface Technique {
  via: Via
  name: string
  how: string
  holds: 'stream' | 'wait' | 'short' | 'none'
}

export const techniques: Technique[] = [
  { via: 'sse', name: 'EventSource', how: 'native events', holds: 'stream' },
  { via: 'stream', name: 'Fetch stream', how: 'NDJSON by fetch', holds: 'stream' },
  { via: 'multipart', name: 'Multipart', how: 'parts by fetch', holds: 'stream' },
  { via: 'iframe', name: 'Hidden iframe', how: 'endless scripts', holds: 'stream' },
  { via: 'websocket', name: 'WebSocket', how: 'pabal.v1', holds: 'none' },
  { via: 'longpoll', name: 'Long poll', how: 'the answer waits', holds: 'wait' },
  { via: 'poll', name: 'Interval poll', how: 'once a second', holds: 'short' },
  { via: 'jsonp', name: 'JSONP', how: 'a script a second', holds: 'short' },
]
