import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Window } from 'happy-dom'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Technique } from '../src/index.ts'
import { startServer, until, type Server } from './server.ts'

// What spec/vectors says is so of the real server, and of what the client makes. Each way of sending has its own server, as
// the vectors begin with empty channels.

type Reply = Record<string, unknown> & { error?: Record<string, unknown> }

interface Step {
  send: Record<string, unknown>
  reply: Reply
}

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../spec/vectors/${name}`, import.meta.url), 'utf8')) as T
const { cases } = read<{ cases: { name: string; steps: Step[] }[] }>('commands.json')
const names = read<{
  presence: { connection: string; key: string }[]
  connections: { id: string; valid: boolean }[]
}>('names.json')

/** Sends one command, and has the reply. */
type Send = (text: string) => Promise<Reply>

async function post(server: Server, text: string, type: string): Promise<Reply> {
  const url = `${server.url}/commands?connection=0123456789abcdef0123456789abcdef`
  const response = await fetch(url, { method: 'POST', body: text, headers: { 'Content-Type': type } })
  const reply = (await response.json()) as Reply
  expect(response.status).toBe(type === 'application/json' ? (reply.error?.status ?? 200) : 200)
  return reply
}

/** Node's own, or that of happy-dom where Node has none. */
function webSocket(url: string): WebSocket {
  const WebSocket = (globalThis.WebSocket as typeof globalThis.WebSocket | undefined) ?? new Window({ url }).WebSocket
  return new WebSocket(`${url.replace('http', 'ws')}/channels`, ['pabal.v1']) as WebSocket
}

async function openSocket(server: Server): Promise<{ send: Send; close(): void }> {
  const socket = webSocket(server.url)
  const waiting: ((reply: Reply) => void)[] = []
  socket.onmessage = ({ data }: MessageEvent<string>) => {
    const said = data ? (JSON.parse(data) as Reply) : {}
    if (said.ok || said.error) waiting.shift()?.(said)
  }
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = () => reject(new Error('no WebSocket was opened'))
  })
  const send: Send = (text) => {
    socket.send(text)
    return new Promise((resolve) => waiting.push(resolve))
  }
  return { send, close: () => socket.close() }
}

const isPlace = (value: unknown): value is string => typeof value === 'string' && value.startsWith('<')

/** What reply says, in the words of want: what stands for any text is that text from its first time on. */
function inWordsOf(want: Reply, reply: Reply, known: Map<string, string>): Reply {
  const said: Reply = {}
  for (const [name, value] of Object.entries(reply)) {
    const wanted = want[name]
    if (name === 'error') continue
    if (isPlace(wanted) && !known.has(wanted)) known.set(wanted, String(value))
    said[name] = isPlace(wanted) && known.get(wanted) === value ? wanted : value
  }
  if (!reply.error) return said
  const error: Record<string, unknown> = {}
  for (const [name, wanted] of Object.entries(want.error ?? {})) {
    const value = reply.error[name]
    const holds = name === 'detail' ? String(value).includes(String(wanted)) : isPlace(wanted) && known.get(wanted) === value
    error[name] = holds ? wanted : value
  }
  return { ...said, error }
}

async function play(steps: Step[], send: Send): Promise<void> {
  const known = new Map<string, string>()
  for (const { send: command, reply: want } of steps) {
    let text = JSON.stringify(command)
    for (const [place, value] of known) text = text.replaceAll(JSON.stringify(place), JSON.stringify(value))
    const reply = await send(text)
    expect(inWordsOf(want, reply, known), `${text}: ${JSON.stringify(reply)}`).toEqual(want)
  }
}

const posts = (type: string) => async (server: Server) => ({
  send: (text: string) => post(server, text, type),
  close: () => {},
})

const roads: [string, (server: Server) => Promise<{ send: Send; close(): void }>][] = [
  ['by POST', posts('application/json')],
  ['by POST, a line each', posts('application/x-ndjson')],
  ['on a WebSocket', openSocket],
]

describe.each(roads)('commands.json %s', (_, open) => {
  let server: Server
  let road: Awaited<ReturnType<typeof open>>

  beforeAll(async () => {
    server = await startServer()
    road = await open(server)
  })
  afterAll(async () => {
    road.close()
    await server.stop()
  })

  test.each(cases.map(({ name, steps }) => [name, steps] as const))('%s', (_, steps) => play(steps, road.send))
})

test('a reply that is another is found', async () => {
  const { steps } = cases.find(({ name }) => name === 'publish')!
  let n = 0
  const send: Send = async (text) => {
    const { id } = JSON.parse(text) as { id: number }
    return { id, ok: true, channel: 'v/publish', cursor: `e-${++n}`, duplicate: n > 1 }
  }
  await expect(play(steps, send)).rejects.toThrow('"duplicate":true')
})

describe('names.json', () => {
  let server: Server
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.stop())

  const keyOf = (connection: string) =>
    createHash('sha256').update(`presence/${connection}`).digest('base64url').slice(0, 16)

  const isTaken = async (connection: string) => {
    const url = `${server.url}/channels/any?via=poll&connection=${encodeURIComponent(connection)}`
    const { status } = await fetch(url)
    expect([200, 400]).toContain(status)
    return status === 200
  }

  test.each(names.connections.map(({ id, valid }) => [id, valid] as const))('connection %j: %s', async (id, valid) => {
    expect(await isTaken(id)).toBe(valid)
  })

  test('the client makes ids that are valid, each another', async () => {
    const made = Array.from({ length: 1000 }, () => connect(server.url).connection)
    expect(new Set(made).size).toBe(1000)
    for (const id of made) expect(id).toMatch(/^[\w-]{22,64}$/)
    expect(await isTaken(made[0]!)).toBe(true)
  })

  test('the key of a connection in presence', () => {
    expect(names.presence.map(({ connection }) => keyOf(connection))).toEqual(names.presence.map(({ key }) => key))
  })

  test.each<Technique>(['sse', 'poll'])('is the one that the server shows of who reads by %s', async (technique) => {
    const pabal = connect(server.url, { techniques: [technique] })
    const room = pabal.channel(`keys/${technique}`)
    room.subscribe(() => {})
    await room.presence.enter({ name: 'Kim' })
    expect(await room.presence.get()).toEqual([{ key: keyOf(pabal.connection), data: { name: 'Kim' } }])
    await room.presence.leave()
    await until('it is gone', async () => (await room.presence.get()).length === 0)
    pabal.close()
  })
})
