import { connect, type Options } from './client.ts'
import type { Asked, Said } from './host.ts'
import { serve } from './tabs.ts'
import { deferred, type Deferred } from './time.ts'

// The script of a SharedWorker that has the one client of all tabs. It lives while one of them does, so it is never handed over.

interface Begin {
  url: string
  techniques: Options['techniques']
  token: boolean
}

/** How long tabs have to answer. */
const answerTime = 5000

const ports = new Set<MessagePort>()
let host: ReturnType<typeof serve> | undefined
let wanted: Deferred<string> | undefined

const say = (said: Said) => ports.forEach((port) => port.postMessage(said))

/** Asks all tabs for a token; the first that has one answers. */
async function token(): Promise<string> {
  const mine = (wanted ??= deferred<string>())
  const timer = setTimeout(() => mine.reject(new Error('no tab has a token')), answerTime)
  say({ token: true })
  return mine.promise.finally(() => {
    clearTimeout(timer)
    wanted = undefined
  })
}

function begin({ url, techniques, token: asks }: Begin): ReturnType<typeof serve> {
  return serve(connect(url, { ...(techniques && { techniques }), ...(asks && { token }) }), say)
}

addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0]!
  ports.add(port)
  port.onmessage = ({ data }: MessageEvent<Asked | Begin>) => {
    if ('url' in data) host ??= begin(data)
    else if (!('token' in data)) host?.hear(data)
    else if (data.token !== undefined) wanted?.resolve(data.token)
  }
})
