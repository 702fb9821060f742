import { afterEach, expect, test, vi } from 'vitest'
import type { Batch, Target } from '../../../js/src/types.ts'
import { batchOfPart, multipart } from './multipart.ts'

const cost = { asked: 0, answered: 0, bytes: 0 }
const target: Target = {
  url: 'http://h',
  places: [{ channel: '$host/cpu', cursor: 'c0' }],
  patience: 1000,
  meter: { asked: () => cost.asked++, answered: () => cost.answered++, took: (bytes) => (cost.bytes += bytes) },
}

/** A body whose bytes come one by one. */
function trickle(text: string): Response {
  const bytes = new TextEncoder().encode(text)
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
      controller.close()
    },
  })
  return new Response(body, { headers: { 'Content-Type': 'multipart/mixed; boundary=b' } })
}

function answer(response: Response | ((init: RequestInit) => Response)): string[] {
  const asked: string[] = []
  Object.assign(cost, { asked: 0, answered: 0, bytes: 0 })
  vi.stubGlobal('fetch', (url: string, init: RequestInit) => {
    asked.push(url)
    return Promise.resolve(typeof response === 'function' ? response(init) : response)
  })
  return asked
}

async function read(): Promise<{ batches: Batch[]; error: string }> {
  const batches: Batch[] = []
  try {
    for await (const batch of multipart(target, new AbortController().signal)) batches.push(batch)
  } catch (error) {
    return { batches, error: (error as Error).message }
  }
  return { batches, error: '' }
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('multipart gives notices, entries and signs of life in order, whatever the chunks', async () => {
  const text =
    '--b\r\nContent-Type: application/json\r\nPabal-Notice: $open\r\nPabal-Cursor: c0\r\n\r\n{"heartbeat":15}\r\n' +
    '--b\r\nContent-Type: application/json\r\nPabal-Cursor: c1\r\nContent-Length: 9\r\n\r\n{"seq":1}\r\n--b\r\n' +
    'Content-Length: 0\r\n\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\nPabal-Cursor: c2\r\n' +
    'Pabal-Time: 2026-01-01T00:00:00Z\r\nPabal-Id: a%25b\r\nContent-Length: 2\r\n\r\nhi\r\n--b--\r\n'
  const asked = answer(trickle(text))
  const { batches, error } = await read()
  expect(error).toBe('')
  expect(batches).toEqual([
    { entries: [], notices: [{ notice: '$open', channel: '$host/cpu', cursor: 'c0', heartbeat: 15 }] },
    { entries: [{ channel: '$host/cpu', cursor: 'c1', time: '', data: { seq: 1 } }], notices: [] },
    { entries: [], notices: [] },
    { entries: [{ channel: '$host/cpu', cursor: 'c2', time: '2026-01-01T00:00:00Z', id: 'a%b', data: 'hi' }], notices: [] },
  ])
  expect(asked).toEqual(['http://h/channels/$host/cpu?via=multipart&cursor=c0'])
  expect(cost).toEqual({ asked: 1, answered: 1, bytes: text.length - 2 }) // the closing boundary ends it
})

test('the body of a part is what the JSON form of its entry would say', () => {
  const part = (headers: Record<string, string>, body: Uint8Array) =>
    batchOfPart({ headers: new Map(Object.entries({ 'pabal-cursor': 'c', ...headers })), body }, 'a').entries[0]
  const utf8 = (text: string) => new TextEncoder().encode(text)
  const ld = 'application/ld+json'
  expect(part({ 'content-type': ld }, utf8('[1]'))).toMatchObject({ data: [1], contentType: ld })
  expect(part({ 'content-type': 'text/html' }, utf8('파'))).toMatchObject({ data: '파', contentType: 'text/html' })
  expect(part({ 'content-type': 'image/png' }, Uint8Array.of(0, 255))).toMatchObject({ data: 'AP8=', encoding: 'base64' })
  const noText = part({ 'content-type': 'text/plain; charset=utf-8' }, Uint8Array.of(255))
  expect(noText).toMatchObject({ data: '/w==', encoding: 'base64' })
  const whole = { channel: 'b', cursor: 'c9', time: 't', data: 1 }
  expect(part({ 'content-type': 'application/vnd.pabal.entry+json' }, utf8(JSON.stringify(whole)))).toEqual(whole)
})

test('a part without a cursor is a sign of life', () => {
  const part = { headers: new Map([['content-type', 'text/plain']]), body: new Uint8Array() }
  expect(batchOfPart(part, 'a')).toEqual({ entries: [], notices: [] })
})

test('a body that is not multipart is no road', async () => {
  answer(new Response('<p>', { headers: { 'Content-Type': 'text/html' } }))
  expect((await read()).error).toBe('text/html came instead of multipart/mixed')
})

test('a body that falls silent for two heartbeats is a failure', async () => {
  vi.useFakeTimers()
  let given: AbortSignal | undefined
  answer(({ signal }) => {
    given = signal!
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        const open = '--b\r\nPabal-Notice: $open\r\nContent-Length: 15\r\n\r\n{"heartbeat":2}\r\n--b'
        controller.enqueue(new TextEncoder().encode(open))
        signal!.addEventListener('abort', () => controller.error(signal!.reason))
      },
    })
    return new Response(body, { headers: { 'Content-Type': 'multipart/mixed; boundary=b' } })
  })
  const reading = read()
  await vi.advanceTimersByTimeAsync(3999)
  expect(given!.aborted).toBe(false)
  await vi.advanceTimersByTimeAsync(2)
  expect(await reading).toMatchObject({ error: 'nothing came for 4 s' })
})
