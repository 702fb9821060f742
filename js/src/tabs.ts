import { connect, newID, type Carrier, type Pabal } from './client.ts'
import { PabalError, type Problem } from './error.ts'
import { Host, type Asked, type Said } from './host.ts'
import { deferred, type Deferred } from './time.ts'
import { listen } from './transports/listen.ts'
import type { Batch, Command, Reply, Target } from './types.ts'

/** How a tab reaches the host of all tabs. */
interface Line {
  post(asked: Asked): void
  hear(listener: (said: Said) => void): () => void
}

/** Said by all of one version: others have lines of their own. */
const version = 1
const tab = newID()
const lines = new Map<string, Promise<Line>>()

/**
 * The technique of a tab that shares: it reads through the client that one of them, or a SharedWorker, has. That is to be of the same
 * user: tabs whose tokens name different ones do not share.
 */
export async function join(client: Pabal): Promise<Carrier> {
  const { share } = client.options
  const worker = typeof share === 'object' ? share.worker : undefined
  const subject = await subjectOf(await client.token())
  const key = `pabal ${version} ${client.url} ${subject} ${worker ?? ''}`
  let line = lines.get(key)
  if (!line) lines.set(key, (line = open(key, subject, client, worker)))
  const ready = await line
  return { read: (to, signal) => read(client, ready, to, signal) }
}

async function* read(client: Pabal, line: Line, to: Target, signal: AbortSignal): AsyncGenerator<Batch> {
  const id = newID()
  const waiting = new Map<string, Deferred<Reply>>()
  let commands = 0
  const link: Command = (command) => {
    // What is read is said when reading is begun: the host's connection is not this tab's alone.
    const reads = command.command === 'subscribe' || command.command === 'unsubscribe'
    if (reads) return Promise.reject(new Error('it is to be read anew'))
    const reply = deferred<Reply>()
    const name = `${id} ${++commands}`
    waiting.set(name, reply)
    line.post({ tab, id: name, command })
    return reply.promise
  }
  const places = to.places.map((place) => ({ ...place }))
  const refuse = () => {
    for (const reply of waiting.values()) reply.reject(new Error('the connection that all tabs share has changed hands'))
    waiting.clear()
  }
  const begin = () => {
    refuse() // whoever was asked is gone
    line.post({ tab, id, open: { places, only: to.only, every: to.every, connection: to.connection } })
  }
  yield* listen(signal, (sink) => {
    const settle = (name: string, said: Said) => {
      const reply = waiting.get(name)
      waiting.delete(name)
      if ('reply' in said) reply?.resolve(said.reply)
      else if ('failed' in said) reply?.reject(typeof said.failed === 'string' ? new Error(said.failed) : new PabalError(said.failed as Problem))
    }
    const forget = line.hear((said) => {
      if (!said || typeof said !== 'object') return // it is not ours
      if ('again' in said) return sink.end()
      if ('hello' in said) {
        begin() // another host: it is asked anew, from where this tab has come, and told who is present
        return client.opened()
      }
      if (!('to' in said)) return
      for (const name of said.to) settle(name, said)
      if (!said.to.includes(id)) return
      if ('status' in said) to.told?.(said.status)
      else if ('refused' in said) to.refused?.(said.refused.channel, new PabalError(said.refused.problem as Problem))
      else if ('batch' in said) {
        to.link?.(link)
        for (const { channel, cursor } of [...said.batch.notices, ...said.batch.entries]) {
          const place = places.find((place) => place.channel === channel)
          if (place && cursor !== undefined) place.cursor = cursor
        }
        sink.put(said.batch)
      }
    })
    begin()
    return () => {
      forget()
      line.post({ tab, id, close: true })
      refuse()
    }
  })
}

/** Resolves once this tab has its lock: that it is free tells the host that the tab is gone. */
let held: Promise<void> | undefined
const hold = (): Promise<void> =>
  (held ??= new Promise((resolve) => {
    void navigator.locks.request(`pabal tab ${tab}`, () => {
      resolve()
      return new Promise(() => {})
    })
  }))

async function open(key: string, subject: string, client: Pabal, worker: string | URL | undefined): Promise<Line> {
  await hold()
  const fits = typeof SharedWorker !== 'undefined' && !client.options.techniques?.some((technique) => typeof technique !== 'string')
  if (worker !== undefined && fits) return viaWorker(key, client, worker)
  return viaLeader(key, subject, client)
}

function viaWorker(key: string, client: Pabal, worker: string | URL): Line {
  const { port } = new SharedWorker(worker, { name: key, type: 'module' })
  const listeners = new Set<(said: Said) => void>()
  const { techniques, token } = client.options
  const answer = (token: string | undefined) => port.postMessage({ tab, id: '', token })
  port.onmessage = ({ data }: MessageEvent<Said>) => {
    if ('token' in data) client.token(true).then(answer, () => answer(undefined)) // another tab may have one
    for (const listener of [...listeners]) listener(data)
  }
  port.postMessage({ url: client.url, techniques, token: token !== undefined })
  return {
    post: (asked) => port.postMessage(asked),
    hear: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** One of the tabs leads: whoever holds the lock has the client. When it closes, another has the lock at once, and says hello. */
function viaLeader(key: string, subject: string, client: Pabal): Line {
  const channel = new BroadcastChannel(key)
  let ending: AbortController | undefined
  const stand = () => {
    if (ending && !ending.signal.aborted) return
    const { signal } = (ending = new AbortController())
    navigator.locks.request(key, { signal }, () => lead(key, subject, client, signal)).catch(() => {}) // the page was left before it led
  }
  const resign = () => ending?.abort()
  // A page in the cache of those that were left is frozen, as one in the background may be: it must not lead.
  addEventListener('pagehide', resign)
  document.addEventListener('freeze', resign)
  addEventListener('pageshow', stand)
  document.addEventListener('resume', stand)
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
function lead(key: string, subject: string, client: Pabal, signal: AbortSignal): Promise<void> {
  const channel = new BroadcastChannel(key)
  const { techniques, meter, token: given } = client.options
  const token = async () => {
    const fresh = await client.token(true)
    if ((await subjectOf(fresh)) === subject) return fresh!
    channel.postMessage({ again: true }) // somebody else has come to this page: each tab sees anew with whom it shares
    throw new Error('the token names another user than the one who shares')
  }
  const options = { ...(techniques && { techniques }), ...(meter && { meter }), ...(given !== undefined && { token }) }
  const host = serve(connect(client.url, options), (said) => channel.postMessage(said))
  channel.onmessage = ({ data }: MessageEvent<Asked>) => host.hear(data)
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
    if (!asked?.tab || tabs.has(asked.tab)) return
    tabs.add(asked.tab)
    void navigator.locks.request(`pabal tab ${asked.tab}`, () => {
      tabs.delete(asked.tab)
      host.gone(asked.tab)
    })
  }
  return host
}

/** Whom a token names, as far as a page can read it; if it names nobody, what stands for the token itself. */
async function subjectOf(token: string | undefined): Promise<string> {
  if (token === undefined) return ''
  try {
    const [, claims] = token.split('.')
    const { iss = '', sub } = JSON.parse(atob(claims!.replaceAll('-', '+').replaceAll('_', '/'))) as { iss?: string; sub?: string }
    if (sub !== undefined) return `${iss} ${sub}`
  } catch {
    // It is no JWT.
  }
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16)).join('')
}
