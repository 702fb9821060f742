import { SilentError } from '../../../js/src/error.ts'
import { listen } from '../../../js/src/transports/listen.ts'
import type { Batch, Target } from '../../../js/src/types.ts'
import { batchOf, byteLength, patienceOf, readURL } from '../../../js/src/wire.ts'
import { callback } from './callback.ts'

/** A hidden frame loads a page that never ends; each message is a script in it that calls this page. */
export async function* iframe(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  yield* listen(signal, ({ put, fail, end }) => {
    const frame = document.createElement('iframe')
    let patience = to.patience
    let answered = false
    const watch = watchOf(frame, () => fail(new SilentError(patience)))
    const { name, drop } = callback('iframe', (message) => {
      if (!answered) to.meter?.answered()
      answered = true
      // The frame's objects are of its own realm: what the page keeps must outlive it.
      const text = JSON.stringify(message)
      to.meter?.took(scriptLength(frame) ?? byteLength(`<script>parent.${name}(${text})</script>\n`))
      try {
        const batch = batchOf(JSON.parse(text) as object)
        if (!batch) return
        patience = patienceOf(batch) ?? patience
        watch.expect(patience)
        put(batch)
      } catch (error) {
        fail(error)
      }
    })
    frame.hidden = true
    frame.title = 'Hidden iframe lane'
    frame.onload = end
    frame.src = readURL(to, 'iframe', { callback: name, ...(to.token && { token: to.token }) })
    to.meter?.asked()
    document.body.append(frame)
    watch.expect(patience)
    return () => {
      watch.stop()
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

/**
 * A sign of life is a comment in the frame, which calls nobody: so what the frame has grown by is looked at before it is
 * called silent.
 */
function watchOf(frame: HTMLIFrameElement, silent: () => void) {
  let timer: ReturnType<typeof setTimeout>
  const size = () => frame.contentDocument?.documentElement?.outerHTML.length ?? 0
  const expect = (ms: number) => {
    clearTimeout(timer)
    const before = size()
    timer = setTimeout(() => (size() === before ? silent() : expect(ms)), ms)
  }
  return { expect, stop: () => clearTimeout(timer) }
}
