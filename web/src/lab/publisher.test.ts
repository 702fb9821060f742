import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Publisher } from './publisher.ts'
import { read } from './stamp.ts'

interface Asked {
  url: string
  body: string
}

let asked: Asked[]

/** Answers each POST by the next of these; the last one stays. */
function answers(...each: (() => Promise<Response>)[]): void {
  vi.stubGlobal('fetch', (url: string, { body }: { body: string }) => {
    asked.push({ url, body })
    return (each.length > 1 ? each.shift()! : each[0]!)()
  })
}

const ok = async () => new Response('{}')
const cut = async () => Promise.reject(new TypeError('network error'))
const status = (code: number) => async () =>
  Response.json({ title: 'No', status: code, detail: 'because' }, { status: code })

beforeEach(() => {
  vi.useFakeTimers()
  asked = []
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('it publishes numbered entries at its pace, and knows which are kept', async () => {
  answers(ok)
  const publisher = new Publisher('lab/x', { rate: 2, payload: 100 })
  publisher.start()
  await vi.advanceTimersByTimeAsync(2100)
  await publisher.stop()
  expect(asked.map(({ url }) => url)).toEqual([1, 2, 3, 4, 5].map((id) => `/channels/lab/x?id=${id}`))
  expect(asked.map(({ body }) => [body.length, read(body)!.seq])).toEqual([1, 2, 3, 4, 5].map((seq) => [100, seq]))
  expect(publisher).toMatchObject({ seq: 5, kept: 5, error: undefined })
})

test('one request is open at a time: what is due meanwhile goes together, in order', async () => {
  answers(() => new Promise((resolve) => setTimeout(() => resolve(new Response('{}')), 1000)))
  const publisher = new Publisher('lab/x', { rate: 4, payload: 16 })
  publisher.start()
  await vi.advanceTimersByTimeAsync(1900)
  expect(asked.map(({ body }) => body.split('\n').filter(Boolean).length)).toEqual([1, 3])
  const lines = asked[1]!.body.split('\n').filter(Boolean)
  expect(lines.map((line) => (JSON.parse(line) as { id: string }).id)).toEqual(['2', '3', '4'])
  const stopped = publisher.stop()
  await vi.advanceTimersByTimeAsync(3000)
  await stopped
  expect(publisher.kept).toBe(4)
})

test('what failed is sent again as it was, until it is known to be kept', async () => {
  answers(cut, status(503), ok)
  const publisher = new Publisher('lab/x', { rate: 0.1, payload: 16 })
  publisher.start()
  await vi.advanceTimersByTimeAsync(100)
  expect(publisher.error?.message).toBe('network error')
  await vi.advanceTimersByTimeAsync(5000)
  expect(asked).toEqual([asked[0], asked[0], asked[0]])
  expect(publisher).toMatchObject({ kept: 1, error: undefined })
  await publisher.stop()
})

test('what is refused for good ends it, and what is given up is not known to be kept', async () => {
  answers(status(403))
  const refused = new Publisher('lab/x', { rate: 10, payload: 16 })
  refused.start()
  await vi.advanceTimersByTimeAsync(5000)
  expect(asked.length).toBe(1)
  expect(refused.refused?.message).toBe('because')
  expect(refused).toMatchObject({ kept: 0, posts: [], unknown: new Set([1]) })

  answers(cut)
  const lost = new Publisher('lab/x', { rate: 0.1, payload: 16 })
  lost.start()
  await vi.advanceTimersByTimeAsync(100)
  await lost.stop()
  expect(lost).toMatchObject({ kept: 0, posts: [], unknown: new Set([1]) })
})
