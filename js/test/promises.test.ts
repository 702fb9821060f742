import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect, type Pabal, type Technique } from '../src/index.ts'
import { startServer, until, type Server } from './server.ts'

// What was once wrong, or is easily made so: each of these lost something, repeated it, or never came to an end.

let server: Server
const clients: Pabal[] = []

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

function client(techniques: Technique[], url = server.url): Pabal {
  const made = connect(url, { techniques })
  clients.push(made)
  return made
}

const post = async (channel: string, ...texts: string[]): Promise<void> => {
  for (const body of texts) {
    const response = await fetch(`${server.url}/channels/${channel}`, { method: 'POST', body, headers: { 'Content-Type': 'text/plain' } })
    expect(response.status).toBe(200)
  }
}

const soon = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** A server that answers as it is told, and counts. */
async function fake(answer: RequestListener): Promise<{ url: string; count: () => number; stop: () => void }> {
  let count = 0
  const http = createServer((request, response) => {
    count++
    answer(request, response)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const stop = () => {
    http.closeAllConnections()
    http.close()
  }
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, count: () => count, stop }
}

describe.each(['poll', 'longpoll'] as const)('%s', (technique) => {
  test('of several channels knows where each is, so that a hop loses nothing', async () => {
    const pabal = client([technique, 'sse'])
    const got: unknown[] = []
    for (const name of ['a', 'b']) pabal.channel(`several/${technique}/${name}`).subscribe((entry) => got.push(entry.data))
    await until('it reads', () => pabal.status.state === 'live')
    await soon(100)
    await post(`several/${technique}/a`, 'one')
    await pabal.hop('sse')
    await until('it has come', () => got.length === 1)
  })

  test('asks as seldom as it is told to', async () => {
    const pabal = client([technique])
    const got: unknown[] = []
    pabal.channel(`every/${technique}`).subscribe((entry) => got.push(entry.data), { every: '300ms', since: 'all' })
    await until('it reads', () => pabal.status.state === 'live')
    await post(`every/${technique}`, 'one')
    await until('it has come', () => got.length === 1)
  })
})

test('who stops and subscribes again begins where it asks to, while the old road still brings', async () => {
  for (const technique of ['sse', 'longpoll'] as const) {
    const channel = `again/${technique}`
    await post(channel, 'h0', 'h1', 'h2')
    const pabal = client([technique])
    const first = pabal.channel(channel).subscribe(() => {})
    pabal.channel(`${channel}/beside`).subscribe(() => {})
    await until('it reads', () => pabal.status.state === 'live')
    let over = false
    const busy = (async () => {
      for (let n = 0; !over; n++) await post(channel, `n${n}`)
    })()
    first.stop()
    const got: unknown[] = []
    pabal.channel(channel).subscribe((entry) => got.push(entry.data), { since: 'all' })
    await until('it reads on', () => got.length > 10)
    over = true
    await busy
    const log = (await pabal.channel(channel).history()).entries.map((entry) => entry.data)
    await until('all have come', () => got.length === log.length)
    expect(got).toEqual(log)
  }
})

test('several listeners of one channel begin each where it asks to', async () => {
  await post('where', 'old')
  for (const technique of ['sse', 'longpoll', 'poll'] as const) {
    const pabal = client([technique])
    const got: Record<string, unknown[]> = { now: [], all: [] }
    for (const since of ['all', 'now']) pabal.channel('where').subscribe((entry) => got[since]!.push(entry.data), { since })
    await until('the past has come', () => got.all!.length > 0)
    await until('it is known where now is', () => pabal.status.state === 'live')
    await soon(300)
    await post('where', technique)
    await until('the new one has come', () => got.all!.at(-1) === technique && got.now!.length === 1)
    expect(got.now).toEqual([technique])
  }
})

test('a later listener of the latest has the latest only', async () => {
  const lines = ['1', '2', '3'].map((data) => JSON.stringify({ data, key: 'k' })).join('\n')
  await fetch(`${server.url}/channels/latest`, { method: 'POST', body: lines, headers: { 'Content-Type': 'application/x-ndjson' } })
  const pabal = client(['sse'])
  const got: unknown[][] = [[], []]
  for (const list of got) {
    pabal.channel('latest').subscribe((entry) => list.push(entry.data), { only: 'latest', since: 'all' })
    await until('it has come', () => list.length > 0)
  }
  expect(got).toEqual([['3'], ['3']])
})

test('a channel more than a response may have is refused, and the others are read', async () => {
  const pabal = client(['sse'])
  const got: unknown[] = []
  const refused: string[] = []
  for (let n = 0; n <= 100; n++) {
    pabal.channel(`many/${n}`).subscribe((entry) => got.push(entry.data), { error: (error) => refused.push(`${n} ${(error as Error).message}`) })
  }
  await until('one is refused', () => refused.length === 1)
  expect(refused[0]).toMatch(/^100 .*channels-per-response/)
  await until('the others are read', () => pabal.status.state === 'live')
  await post('many/7', 'x')
  await until('it has come', () => got.length === 1)
})

test('what cannot be published is refused, and holds up nothing', async () => {
  const channel = client(['sse']).channel<unknown>('odd')
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  for (const data of [1n, cycle, undefined, () => 1, new Map([[1, 2]]), new Set(), new Blob(['x'])]) {
    await expect(channel.publish(data)).rejects.toBeInstanceOf(TypeError)
  }
  await channel.publish(new Uint8Array([255, 254]).buffer)
  await channel.publish(new Uint16Array([0xfefd]))
  await channel.publish({})
  expect((await channel.history()).entries.map((entry) => entry.data)).toEqual(['//4=', '/f4=', {}])
})

test('one of a batch that is refused for now does not have the others done twice', async () => {
  let round = 0
  const { url, stop } = await fake((request, response) => {
    let body = ''
    request.on('data', (chunk) => (body += chunk))
    request.on('end', () => {
      const replies = body.split('\n').map((line) => {
        const { id, data } = JSON.parse(line) as { id: number; data: string }
        const busy = data === 'a' && round === 0
        return busy ? { id, error: { status: 503, title: 'busy', detail: 'busy' } } : { id, ok: true, cursor: `${round}` }
      })
      round++
      response.writeHead(200, { 'Content-Type': replies.length > 1 ? 'application/x-ndjson' : 'application/json' })
      response.end(replies.map((reply) => JSON.stringify(reply)).join('\n'))
    })
  })
  const channel = client(['sse'], url).channel('batch')
  const cursors = await Promise.all(['a', 'b', 'c'].map(async (data) => (await channel.publish(data)).cursor))
  expect(cursors).toEqual(['1', '0', '0'])
  stop()
})

test('a server that opens and ends, or cuts, is not stormed', async () => {
  const opened = 'data: {"notice":"$open","channel":"a","cursor":"e-0","heartbeat":15}\n\n'
  for (const cut of [false, true]) {
    const { url, count, stop } = await fake((_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write(opened, () => (cut ? response.destroy() : response.end()))
    })
    client(['sse'], url).channel('a').subscribe(() => {})
    await soon(3000)
    expect(count()).toBeLessThan(12)
    stop()
  }
})

test('one no of the server is one request, not one for each technique', async () => {
  const { url, count, stop } = await fake((_, response) => {
    response.writeHead(503, { 'Content-Type': 'application/problem+json', 'Retry-After': '30' })
    response.end('{"status":503,"title":"Over a limit","type":"/problems/limit"}')
  })
  const pabal = client(['sse', 'stream', 'longpoll', 'poll'], url)
  pabal.channel('a').subscribe(() => {})
  await until('it waits', () => pabal.status.state === 'waiting')
  await soon(300)
  expect(count()).toBe(1)
  expect(pabal.status.retryAt! - Date.now()).toBeGreaterThan(25_000)
  stop()
})

test('a channel that was closed while nobody read it ends its subscriptions by each technique', async () => {
  await post('over', 'last')
  await fetch(`${server.url}/channels/over?close`, { method: 'POST' })
  for (const technique of ['sse', 'stream', 'longpoll', 'poll'] as const) {
    const pabal = client([technique])
    const cursor = (await pabal.channel('over').history()).cursor
    await pabal.channel('over').subscribe(() => {}, { cursor }).ended
  }
})

test('closing ends what waits: iteration, presence, subscriptions', async () => {
  const pabal = client(['sse'])
  const channel = pabal.channel('ends')
  const iterating = (async () => {
    for await (const entry of channel) throw new Error(`there is none: ${entry.cursor}`)
  })()
  const subscription = channel.subscribe(() => {})
  await until('it reads', () => pabal.status.state === 'live')
  const iterator = channel.entries()
  const next = iterator.next()
  await iterator.return!()
  expect(await next).toEqual({ done: true, value: undefined })
  const entering = channel.presence.enter('me')
  pabal.close()
  await iterating
  await subscription.ended
  await entering.catch(() => {})
})

test('an aborted signal subscribes to nothing', async () => {
  const pabal = client(['sse'])
  const subscription = pabal.channel('none').subscribe(() => {}, { signal: AbortSignal.abort() })
  await subscription.ended
  expect(pabal.status.state).toBe('idle')
})

test('a hop that fails leaves all as it was', async () => {
  const pabal = client(['sse', 'poll'])
  const got: unknown[] = []
  pabal.channel('hop').subscribe((entry) => got.push(entry.data))
  await until('it reads', () => pabal.status.state === 'live')
  await expect(pabal.hop('pigeon')).rejects.toThrow('pigeon is none of sse, poll')
  expect(pabal.status).toMatchObject({ state: 'live', technique: 'sse' })
  await post('hop', 'x')
  await until('it has come', () => got.length === 1)
})
