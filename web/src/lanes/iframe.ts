import { channelURL } from '../wire/wire.ts'
import { batchOf, byteLength, callback, listen, type Batch, type Target } from './lane.ts'

/** A hidden frame loads a page that never ends; each message is a script in it that calls this page. */
export async function* iframe(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  yield* listen(signal, ({ put, fail, end }) => {
    let { cursor } = to
    const frame = document.createElement('iframe')
    const { name, drop } = callback('iframe', (message) => {
      // The frame's objects are of its own realm: what the page keeps must outlive it.
      const text = JSON.stringify(message)
      to.meter.answered()
      to.meter.took(scriptLength(frame) ?? byteLength(`<script>parent.${name}(${text})</script>\n`))
      try {
        const batch = batchOf(JSON.parse(text) as object, cursor)
        cursor = batch?.cursor ?? cursor
        put(batch)
      } catch (error) {
        fail(error as Error)
      }
    })
    frame.hidden = true
    frame.title = 'Hidden iframe lane'
    frame.onload = end
    frame.src = channelURL(to.channel, { via: 'iframe', cursor, callback: name })
    to.meter.asked()
    document.body.append(frame)
    return () => {
      frame.onload = null
      frame.remove()
      drop()
    }
  })
}

/** How long the script is that is running. The server has it remove itself, so that the frame does not grow for ever. */
function scriptLength(frame: HTMLIFrameElement): number | undefined {
  const script = frame.contentDocument?.currentScript
  if (!script) return undefined
  return byteLength(script.outerHTML) + (script as HTMLScriptElement).nonce.length + 1
}
