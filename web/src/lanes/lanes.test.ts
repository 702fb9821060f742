import { afterEach, expect, test, vi } from 'vitest'
import type { Batch, Lane, Target } from './lane.ts'
import { batchOfPart, multipart } from './multipart.ts'
import { longpoll, poll } from './poll.ts'
import { stream } from './stream.ts'

const cost = { asked: 0, answered: 0, bytes: 0 }
const target: Target = {
  channel: '$host/cpu',
  cursor: 'c0',
  meter: { asked: () => cost.asked++, answered: () => cost.answered++, took: (bytes) => (cost.bytes += bytes) },
}
const entry = (n: number) => ({ channel: '$host/cpu', cursor: `c${n}`, time: '2026-01-01T00:00:00Z', data: { seq: n } })

interface Asked {
  url: string
  ifNoneMatch: string | null
}

/** Answers each fetch with the next of the given responses, and notes what was asked. */
function answers(...responses: Response[]): Asked[] {
  const asked: Asked[] = []
  Object.assign(cost, { asked: 0, answered: 0, bytes: 0 })
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push({ url, ifNoneMatch: new Headers(init.headers).get('If-None-Match') })
    const response = responses.shift()
    return response ? Promise.resolve(response) : Promise.reject(new Error('nothing more'))
  })
  return asked
}

async function read(lane: Lane): Promise<{ batches: Batch[]; error: string }> {
  const batches: Batch[] = []
  try {
    for await (const batch of lane(target, new AbortController().signal)) batches.push(batch)
  } catch (error) {
    return { batches, error: (error as Error).message }
  }
  return { batches, error: '' }
}

const json = (value: unknown, init?: ResponseInit) => new Response(JSON.stringify(value), init)

/** A body whose bytes come one by one. */
function trickle(text: string, contentType: string): Response {
  const bytes = new TextEncoder().encode(text)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  return new Response(body, { headers: { 'Content-Type': contentType } })
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('poll asks on at the cursor, and with the ETag once nothing was new', async () => {
  vi.useFakeTimers()
  const none = (status: number) => new Response(null, { status, headers: { ETag: '"t1"', 'Pabal-Cursor': 'c1' } })
  const asked = answers(
    json({ entries: [entry(1)], notices: [{ notice: '$gap' }], cursor: 'c1' }),
    none(204),
    none(304),
    json({ entries: [entry(2)], notices: [], cursor: 'c2', more: true }),
    json({ entries: [entry(3)], notices: [], cursor: 'c3' }),
  )
  const reading = read(poll)
  await vi.runAllTimersAsync()
  const { batches, error } = await reading
  expect(error).toBe('nothing more')
  expect(batches.map((batch) => batch.cursor)).toEqual(['c1', 'c1', 'c1', 'c2', 'c3'])
  expect(batches[0]!.notices).toEqual([{ notice: '$gap' }])
  expect(asked.map(({ url, ifNoneMatch }) => `${new URL(url, 'http://x').searchParams.get('cursor')} ${ifNoneMatch}`)).toEqual([
    'c0 null', 'c1 null', 'c1 "t1"', 'c1 "t1"', 'c2 null', 'c3 null',
  ])
  expect(cost).toMatchObject({ asked: 6, answered: 5 })
})

test('poll waits a second, or as long as the server says, and not at all where there is more', async () => {
  vi.useFakeTimers()
  const at: number[] = []
  const begun = Date.now()
  const responses = [
    json({ entries: [], notices: [], cursor: 'c1' }),
    json({ entries: [], notices: [], cursor: 'c1' }, { headers: { 'Retry-After': '3' } }),
    json({ entries: [], notices: [], cursor: 'c1', more: true }),
  ]
  vi.stubGlobal('fetch', () => {
    at.push(Date.now() - begun)
    const response = responses.shift()
    return response ? Promise.resolve(response) : Promise.reject(new Error('nothing more'))
  })
  const reading = read(poll)
  await vi.runAllTimersAsync()
  await reading
  expect(at).toEqual([0, 1000, 4000, 4000])
})

test('longpoll asks again at once, with a time to wait', async () => {
  const asked = answers(json({ entries: [entry(1)], notices: [], cursor: 'c1' }), new Response(null, { status: 204 }))
  const { batches, error } = await read(longpoll)
  expect(error).toBe('nothing more')
  expect(batches.map((batch) => batch.cursor)).toEqual(['c1', 'c1'])
  expect(asked[1]!.url).toBe('/channels/$host/cpu?via=longpoll&cursor=c1&wait=25')
})

test('an error is said in the words of the server', async () => {
  answers(json({ type: 'x', title: 'Too many', status: 429, detail: 'wait 3 s' }, { status: 429 }))
  expect(await read(longpoll)).toEqual({ batches: [], error: 'wait 3 s' })
  answers(new Response('<html>', { status: 502, statusText: 'Bad Gateway' }))
  expect((await read(stream)).error).toBe('502 Bad Gateway')
})

test('stream gives notices and entries in order, whatever the chunks, and passes over heartbeats', async () => {
  const lines = [{ notice: '$open', cursor: 'c0', heartbeat: 15 }, entry(1), { notice: '$live', cursor: 'c1' }, entry(2)]
  const text = lines.map((line) => JSON.stringify(line)).join('\n\n') + '\n'
  const asked = answers(trickle(text, 'application/x-ndjson'))
  const { batches, error } = await read(stream)
  expect(error).toBe('')
  expect(batches.map((batch) => [batch.notices[0]?.notice ?? batch.entries[0]?.data, batch.cursor])).toEqual([
    ['$open', 'c0'], [{ seq: 1 }, 'c1'], ['$live', 'c1'], [{ seq: 2 }, 'c2'],
  ])
  expect(asked[0]!.url).toBe('/channels/$host/cpu?via=stream&cursor=c0')
  expect(cost).toEqual({ asked: 1, answered: 1, bytes: text.length })
})

test('multipart gives the same', async () => {
  const text =
    '--b\r\nContent-Type: application/json\r\nPabal-Notice: $open\r\nPabal-Cursor: c0\r\n\r\n{"heartbeat":15}\r\n' +
    '--b\r\nContent-Type: application/json\r\nPabal-Cursor: c1\r\nContent-Length: 9\r\n\r\n{"seq":1}\r\n--b\r\n' +
    'Content-Length: 0\r\n\r\n\r\n--b\r\nContent-Type: text/plain\r\nPabal-Cursor: c2\r\nPabal-Time: 2026-01-01T00:00:00Z\r\nContent-Length: 2\r\n\r\nhi\r\n--b--\r\n'
  answers(trickle(text, 'multipart/mixed; boundary=b'))
  const { batches, error } = await read(multipart)
  expect(error).toBe('')
  expect(batches).toEqual([
    { entries: [], notices: [{ notice: '$open', cursor: 'c0', heartbeat: 15 }], cursor: 'c0' },
    { entries: [{ channel: '$host/cpu', cursor: 'c1', data: { seq: 1 } }], notices: [], cursor: 'c1' },
    { entries: [], notices: [], cursor: 'c1' }, // a heartbeat
    { entries: [{ channel: '$host/cpu', cursor: 'c2', data: 'hi', time: '2026-01-01T00:00:00Z' }], notices: [], cursor: 'c2' },
  ])
})

test('a part without a cursor is a heartbeat and moves nothing', () => {
  const part = { headers: new Map([['content-type', 'text/plain']]), body: new Uint8Array() }
  expect(batchOfPart(part, 'a', 'c7')).toEqual({ entries: [], notices: [], cursor: 'c7' })
})

test('an endless body that falls silent for two and a half heartbeats is a failure', async () => {
  vi.useFakeTimers()
  let given: AbortSignal | undefined
  vi.stubGlobal('fetch', (_: string, init: RequestInit) => {
    given = init.signal!
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"notice":"$open","cursor":"c0","heartbeat":2}\n'))
        given!.addEventListener('abort', () => controller.error(given!.reason))
      },
    })
    return Promise.resolve(new Response(body))
  })
  const reading = read(stream)
  await vi.advanceTimersByTimeAsync(4999)
  expect(given!.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(2)
  expect(await reading).toMatchObject({ error: 'silent for 5 s' })
})
