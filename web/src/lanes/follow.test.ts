import { expect, test } from 'vitest'
import { backoff, follow } from './follow.ts'
import { listen, sleep, type Batch, type Lane, type Target } from './lane.ts'

const meter = { asked() {}, answered() {}, took() {} }
const target: Target = { channel: 'a', cursor: '0', meter }
const entry = (n: number): Batch => ({
  entries: [{ channel: 'a', cursor: String(n), data: n }],
  notices: [],
  cursor: String(n),
})

test('whatever ends a response, the next begins at the last cursor', async () => {
  const stop = new AbortController()
  const begun: string[] = []
  const got: unknown[] = []
  const lane: Lane = async function* (to) {
    begun.push(to.cursor)
    const at = Number(to.cursor)
    yield entry(at + 1)
    if (begun.length === 2) throw new Error('cut')
    yield entry(at + 2)
  }
  const failures: string[] = []
  await follow(lane, target, stop.signal, {
    batch: (batch) => {
      got.push(batch.entries[0]?.data)
      if (got.length === 5) stop.abort()
    },
    failed: (error) => failures.push(error.message),
  })
  expect(got).toEqual([1, 2, 3, 4, 5])
  expect(begun).toEqual(['0', '2', '3'])
  expect(failures).toEqual(['cut'])
})

test('an answer that says nothing is a failure, not a reason to ask at once', async () => {
  const stop = new AbortController()
  const failures: string[] = []
  await follow(async function* () {}, target, stop.signal, {
    batch: () => {},
    failed: (error) => {
      failures.push(error.message)
      stop.abort()
    },
  })
  expect(failures).toEqual(['the answer ended before it said anything'])
})

test('the delay grows to ten seconds, with jitter', () => {
  expect(backoff(1, () => 0)).toBe(100)
  expect(backoff(1, () => 1)).toBe(600)
  expect(backoff(3, () => 1)).toBe(2100)
  expect(backoff(30, () => 1)).toBe(10_100)
})

test('listen gives what was heard before the end, then the failure, and stops listening', async () => {
  let stopped = false
  const got: Batch[] = []
  const read = async () => {
    for await (const batch of listen(new AbortController().signal, ({ put, fail }) => {
      put(entry(1))
      put(entry(2))
      fail(new Error('gone'))
      return () => (stopped = true)
    }))
      got.push(batch)
  }
  await expect(read()).rejects.toThrow('gone')
  expect(got.map((batch) => batch.cursor)).toEqual(['1', '2'])
  expect(stopped).toBe(true)
})

test('listen ends quietly when it is told to', async () => {
  const stop = new AbortController()
  let stopped = false
  const all = (async () => {
    for await (const batch of listen(stop.signal, ({ put }) => {
      put(entry(1))
      return () => (stopped = true)
    })) {
      expect(batch.cursor).toBe('1')
      stop.abort()
    }
  })()
  await all
  expect(stopped).toBe(true)
})

test('sleep ends early when it is told to', async () => {
  const stop = new AbortController()
  const long = sleep(1e9, stop.signal)
  stop.abort()
  await long
  await sleep(1e9, stop.signal)
})
