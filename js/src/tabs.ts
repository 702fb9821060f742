import { connect, type Options } from './client.ts'
import { PabalError, type Problem } from './error.ts'
import { Host, type Asked, type Said } from './host.ts'
import { deferred, type Deferred } from './time.ts'
import { listen } from './transports/listen.ts'
import type { Batch, Command, Reply, Target, Transport } from './types.ts'

/** How a tab reaches the host of all tabs. */
interface Line {
  post(asked: Asked): void
  hear(listener: (said: Said) => void): () => void
}

const tab = crypto.randomUUID()
const lines = new Map<string, Promise<Line>>()

/**
 * The technique of a tab that shares: it reads through the client that one of them, or a SharedWorker, has. That is to be of the same
 * user: tabs whose tokens name different ones do not share.
 */
export async function join(url: string, options: Options): Promise<Transport> {
  const { token, share } = options
  const subject = subjectOf(typeof token === 'function' ? await token() : token)
  const worker = typeof share === 'object' ? share.worker : undefined
  const key = `pabal ${url} ${subject} ${worker ?? ''}`
  let line = lines.get(key)
  if (!line) lines.set(key, (line = open(key, url, options, worker)))
  const ready = await line
  return (to, signal) => read(ready, to, signal)
}

async function* read(line: Line, to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  const id = crypto.randomUUID()
  const waiting = new Map<string, Deferred<Reply>>()
  let commands = 0
  const link: Command = (command) => {
    const reply = deferred<Reply>()
    const name = `${id} ${++commands}`
    waiting.set(name, reply)
    line.post({ tab, id: name, command })
    return reply.promise
  }
  yield* listen(signal, (sink) => {
    const settle = (name: string, said: Said) => {
      const reply = waiting.get(name)
      waiting.delete(name)
      if ('reply' in said) reply?.resolve(said.reply)
      else if ('failed' in said) reply?.reject(typeof said.failed === 'string' ? new Error(said.failed) : new PabalError(said.failed as Problem))
    }
    const forget = line.hear((said) => {
      if ('hello' in said) return sink.end() // another host: it is asked anew, from where this one has come
      if (!('to' in said)) return
      for (const name of said.to) settle(name, said)
      if (!said.to.includes(id)) return
      if ('status' in said) to.told?.(said.status)
      else if ('refused' in said) to.refused?.(said.refused.channel, new PabalError(said.refused.problem as Problem))
      else if ('batch' in said) {
        to.link?.(link)
        sink.put(said.batch)
      }
    })
    const { places, only, every, connection } = to
    line.post({ tab, id, open: { places, only, every, connection } })
    return () => {
      forget()
      line.post({ tab, id, close: true })
      for (const reply of waiting.values()) reply.reject(new Error('the connection that all tabs share has changed hands'))
    }
  })
}

async function open(key: string, url: string, options: Options, worker: string | URL | undefined): Promise<Line> {
  // That this lock is free tells the host that the tab is gone.
  await new Promise<void>((resolve) => {
    void navigator.locks.request(`pabal tab ${tab}`, () => {
      resolve()
      return new Promise(() => {})
    })
  })
  if (worker !== undefined && typeof SharedWorker !== 'undefined') return viaWorker(key, url, options, worker)
  return viaLeader(key, url, options)
}

function viaWorker(key: string, url: string, options: Options, worker: string | URL): Line {
  const { port } = new SharedWorker(worker, { name: key, type: 'module' })
  const listeners = new Set<(said: Said) => void>()
  const techniques = options.techniques?.filter((technique) => typeof technique === 'string')
  port.onmessage = async ({ data }: MessageEvent<Said>) => {
    if ('token' in data) {
      const { token } = options
      port.postMessage({ tab, id: '', token: typeof token === 'function' ? await token() : token })
    }
    for (const listener of [...listeners]) listener(data)
  }
  port.postMessage({ url, techniques, token: options.token !== undefined })
  return {
    post: (asked) => port.postMessage(asked),
    hear: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** One of the tabs leads: whoever holds the lock has the client. When it closes, another has the lock at once, and says hello. */
function viaLeader(key: string, url: string, options: Options): Line {
  const channel = new BroadcastChannel(key)
  let ending = new AbortController()
  const stand = () => {
    ending = new AbortController()
    const { signal } = ending
    navigator.locks.request(key, { signal }, () => lead(key, url, options, signal)).catch(() => {}) // the page was left before it led
  }
  // A page in the cache of those that were left is frozen: it must not lead.
  addEventListener('pagehide', () => ending.abort())
  addEventListener('pageshow', (event) => event.persisted && stand())
  stand()
  return {
    post: (asked) => channel.postMessage(asked),
    hear: (listener) => {
      const on = ({ data }: MessageEvent<Said>) => listener(data)
      channel.addEventListener('message', on)
      return () => channel.removeEventListener('message', on)
    },
  }
}

/** Is the host until the signal says so. */
function lead(key: string, url: string, options: Options, signal: AbortSignal): Promise<void> {
  const channel = new BroadcastChannel(key)
  const { share: _, remember: __, ...rest } = options
  const host = serve(connect(url, rest), (said) => channel.postMessage(said))
  channel.onmessage = ({ data }: MessageEvent<Asked>) => 'tab' in data && host.hear(data)
  channel.postMessage({ hello: true })
  return new Promise((resolve) => {
    const end = () => {
      host.end()
      channel.close()
      resolve()
    }
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}

/** A host that notices when a tab is no more. */
export function serve(client: ReturnType<typeof connect>, say: (said: Said) => void): Host {
  const host = new Host(client, say)
  const tabs = new Set<string>()
  const hear = host.hear.bind(host)
  host.hear = (asked) => {
    hear(asked)
    if (tabs.has(asked.tab)) return
    tabs.add(asked.tab)
    void navigator.locks.request(`pabal tab ${asked.tab}`, () => {
      tabs.delete(asked.tab)
      host.gone(asked.tab)
    })
  }
  return host
}

/** Whom a token names, as far as a page can read it. */
function subjectOf(token: string | undefined): string {
  try {
    const [, claims] = (token ?? '').split('.')
    return (JSON.parse(atob(claims!.replaceAll('-', '+').replaceAll('_', '/'))) as { sub?: string }).sub ?? ''
  } catch {
    return token ?? ''
  }
}
