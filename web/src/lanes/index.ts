import { iframe } from './iframe.ts'
import { jsonp } from './jsonp.ts'
import type { Lane } from './lane.ts'
import { multipart } from './multipart.ts'
import { longpoll, poll } from './poll.ts'
import { sse } from './sse.ts'
import { stream } from './stream.ts'
import { websocket } from './websocket.ts'

/** Every technique that a page can use by script, under the name it has in `?via=`. */
export const lanes = { sse, stream, multipart, iframe, websocket, longpoll, poll, jsonp } satisfies Record<string, Lane>

export type Via = keyof typeof lanes
