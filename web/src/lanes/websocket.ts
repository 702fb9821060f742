import { channelURL } from '../wire/wire.ts'
import { batchOf, byteLength, listen, type Batch, type Target } from './lane.ts'

/** A WebSocket whose URL names channel and cursor is subscribed as soon as it is open: no command is needed. */
export async function* websocket(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  yield* listen(signal, ({ put, fail, end }) => {
    let { cursor } = to
    let opened = false
    const url = new URL(channelURL(to.channel, { via: 'websocket', cursor }), location.href)
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:'
    to.meter.asked()
    const socket = new WebSocket(url, ['pabal.v1'])
    socket.onopen = () => {
      opened = true
      to.meter.answered()
    }
    socket.onmessage = ({ data }: MessageEvent<string>) => {
      to.meter.took(byteLength(data))
      try {
        const batch = batchOf(JSON.parse(data) as object, cursor)
        cursor = batch?.cursor ?? cursor
        put(batch)
      } catch (error) {
        fail(error as Error)
      }
    }
    // 1001 is a server that goes away and comes back; without an open there was no WebSocket at all.
    socket.onclose = ({ code, reason }) => {
      if (opened && (code === 1000 || code === 1001)) end()
      else fail(new Error(reason || (opened ? `closed with ${code}` : 'no WebSocket was opened')))
    }
    return () => socket.close()
  })
}
