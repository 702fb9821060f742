import type { Via } from '../lanes/index.ts'

/**
 * What a technique holds of the browser's connections to a host. Over HTTP/1.1 there are six, and a WebSocket is beside
 * them.
 */
export const holds: Record<Via, 'socket' | 'response' | 'request' | 'short'> = {
  websocket: 'socket',
  sse: 'response',
  stream: 'response',
  multipart: 'response',
  iframe: 'response',
  longpoll: 'request',
  poll: 'short',
  jsonp: 'short',
}

export const all: Via[] = ['websocket', 'sse', 'stream', 'longpoll', 'poll', 'multipart', 'iframe', 'jsonp']

/**
 * Those of today, and those of before. At most three of each hold a connection: the rest of six are for publishing and
 * polls.
 */
export const shifts: [today: Via[], before: Via[]] = [all.slice(0, 5), all.slice(5)]

/** HTTP/2 and later carry all lanes on one connection. */
export type Road = 'h1' | 'h2'

/** What reads at a time, one group after the other. */
export const groups = (road: Road): Via[][] => (road === 'h2' ? [all] : shifts)

/** The protocol that brought this page. */
export function road(): Road {
  const [page] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[]
  return page?.nextHopProtocol === 'h2' || page?.nextHopProtocol === 'h3' ? 'h2' : 'h1'
}
