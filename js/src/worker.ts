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

const ports = new Set<MessagePort>()
let host: ReturnType<typeof serve> | undefined
let token: Deferred<string> | undefined

function begin({ url, techniques, token: asks }: Begin): ReturnType<typeof serve> {
  const say = (said: Said) => ports.forEach((port) => port.postMessage(said))
  const ask = () => {
    token ??= deferred<string>()
    say({ token: true }) // the first tab that answers
    return token.promise
  }
  return serve(connect(url, { ...(techniques && { techniques }), ...(asks && { token: ask }) }), say)
}

addEventListener('connect', (event) => {
  const port = (event as MessageEvent).ports[0]!
  ports.add(port)
  port.onmessage = ({ data }: MessageEvent<Asked | Begin>) => {
    if ('url' in data) host ??= begin(data)
    else if ('token' in data) {
      token?.resolve(data.token ?? '')
      token = undefined
    } else host?.hear(data)
  }
})
