import { channelURL, type Notice } from '../wire/wire.ts'
import { byteLength, listen, type Batch, type Target } from './lane.ts'

const notices = ['$open', '$live', '$gap', '$reset', '$skipped', '$closed']

/** The browser's own EventSource. It reconnects and resumes by itself, with Last-Event-ID. */
export async function* sse(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  yield* listen(signal, ({ put, fail }) => {
    const { meter } = to
    meter.asked()
    const source = new EventSource(channelURL(to.channel, { via: 'sse', cursor: to.cursor }))
    source.onopen = () => meter.answered()
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) fail(new Error('EventSource gave up'))
      else meter.asked()
    }
    source.onmessage = (event: MessageEvent<string>) => {
      meter.took(byteLength(`id: ${event.lastEventId}\ndata: ${event.data}\n\n`))
      const entry = { channel: to.channel, cursor: event.lastEventId, data: parse(event.data) }
      put({ entries: [entry], notices: [], cursor: event.lastEventId })
    }
    for (const name of notices) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        meter.took(byteLength(`id: ${event.lastEventId}\nevent: ${name}\ndata: ${event.data}\n\n`))
        const notice = { ...(parse(event.data) as object), notice: name } as Notice
        put({ entries: [], notices: [notice], cursor: notice.cursor ?? (event.lastEventId || to.cursor) })
      })
    }
    return () => source.close()
  })
}

/** The bare data, as JSON if it is that. */
function parse(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return data
  }
}
