import { channelURL, isProblem, ProblemError, type Answer } from '../wire/wire.ts'
import { byteLength, callback, sleep, type Batch, type Target } from './lane.ts'
import { batchOfAnswer } from './poll.ts'

/** Polls once a second with script elements, as pages did before they could fetch. */
export async function* jsonp(to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  let { cursor } = to
  for (;;) {
    const answer = await load(to, cursor, signal)
    if (!answer || signal.aborted) return
    cursor = answer.cursor
    yield batchOfAnswer(answer)
    if (!answer.more) await sleep(1000, signal)
    if (signal.aborted) return
  }
}

function load(to: Target, cursor: string, signal: AbortSignal): Promise<Answer | undefined> {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script')
    const done = () => {
      signal.removeEventListener('abort', abandon)
      script.remove()
      to.meter.answered()
    }
    // A script that was asked for cannot be called back: it may still call, so its callback stays until it has.
    const abandon = () => {
      done()
      resolve(undefined)
    }
    const { name, drop } = callback('jsonp', (said) => {
      if (signal.aborted) return
      to.meter.took(byteLength(`/**/${name}(${JSON.stringify(said)});`))
      if (isProblem(said)) reject(new ProblemError(said))
      else resolve(said as Answer)
    })
    const ended = (error: Error) => {
      done()
      drop()
      reject(error) // has no effect where the callback was called
    }
    script.onload = () => ended(new Error('the script did not call back'))
    script.onerror = () => ended(new Error('the script did not load'))
    signal.addEventListener('abort', abandon)
    script.src = channelURL(to.channel, { via: 'jsonp', cursor, callback: name })
    to.meter.asked()
    document.head.append(script)
  })
}
