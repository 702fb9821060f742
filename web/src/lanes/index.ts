import { read as sse } from '../../../js/src/transports/eventsource.ts'
import { read as longpoll } from '../../../js/src/transports/longpoll.ts'
import { read as poll } from '../../../js/src/transports/poll.ts'
import { read as stream } from '../../../js/src/transports/stream.ts'
import { read as websocket } from '../../../js/src/transports/websocket.ts'
import type { Transport } from '../../../js/src/types.ts'
import { iframe } from './iframe.ts'
import { jsonp } from './jsonp.ts'
import { multipart } from './multipart.ts'

/**
 * Every technique that a page can use by script, under the name it has in `?via=`. Five are the client's own; the other
 * three are of use where a page wants to show them, and can be given to the client as techniques of one's own.
 */
export const lanes = { websocket, sse, stream, multipart, iframe, longpoll, poll, jsonp } satisfies Record<string, Transport>

export type Via = keyof typeof lanes
