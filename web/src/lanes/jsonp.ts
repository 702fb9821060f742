import { PabalError, SilentError, type Problem } from '../../../js/src/error.ts'
import { sleep } from '../../../js/src/time.ts'
import type { Batch, Target } from '../../../js/src/types.ts'
import { batchesOf, byteLength, readURL, type Answer } from '../../../js/src/wire.ts'
import { callback } from './callback.ts'

/** Polls once a second with script elements, as pages did before they could fetch. */
export async function* jsonp(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  for (let target = to; !signal.aborted; ) {
    const answer = await load(target, signal)
    if (!answer || signal.aborted) return
    target = { ...target, at: answer.cursor }
    const batches = batchesOf(answer)
    if (to.places.length === 1 && !to.connection) batches.at(-1)!.cursor = answer.cursor
    yield* batches
    if (!answer.more) await sleep(to.interval ?? 1000, signal)
  }
}

/** Asks once. Undefined if the signal came first. */
function load(to: Target, signal: AbortSignal): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script')
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', abandon)
      script.remove()
    }
    // A script that was asked for cannot be called back: it may still call, so its callback stays until it has.
    const abandon = () => {
      done()
      resolve(undefined)
    }
    const { name, drop } = callback('jsonp', (said) => {
      if (signal.aborted) return
      to.meter?.answered()
      to.meter?.took(byteLength(`/**/${name}(${JSON.stringify(said)});`))
      if ('title' in said && 'status' in said) reject(new PabalError(said as Problem))
      else resolve(said as Answer)
    })
    const ended = (error: Error) => {
      done()
      drop()
      reject(error) // has no effect where the callback was called
    }
    const timer = setTimeout(() => {
      done()
      reject(new SilentError(to.patience))
    }, to.patience)
    script.onload = () => ended(new Error('the script did not call back'))
    script.onerror = () => ended(new Error('the script did not load'))
    signal.addEventListener('abort', abandon)
    script.src = readURL(to, 'jsonp', { callback: name, ...(to.token && { token: to.token }) })
    to.meter?.asked()
    document.head.append(script)
  })
}
