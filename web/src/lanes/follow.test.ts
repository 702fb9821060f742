import { expect, test } from 'vitest'
import type { Batch, Transport } from '../../../js/src/types.ts'
import { backoff, follow, type Following } from './follow.ts'

const target: Following = { url: '', channel: 'a', cursor: '0', patience: 1000 }
const entry = (n: number): Batch => ({ entries: [{ channel: 'a', cursor: String(n), time: '', data: n }], notices: [] })

test('whatever ends a response, the next begins at the last cursor', async () => {
  const stop = new AbortController()
  const begun: string[] = []
  const got: unknown[] = []
  const lane: Transport = async function* ({ places }) {
    begun.push(places[0]!.cursor!)
    const at = Number(begun.at(-1))
    yield entry(at + 1)
    if (begun.length === 2) throw new Error('cut')
    yield entry(at + 2)
  }
  const failures: string[] = []
  let ends = 0
  await follow(lane, target, stop.signal, {
    batch: (batch) => {
      got.push(batch.entries[0]?.data)
      if (got.length === 5) stop.abort()
    },
    failed: (error) => failures.push(error.message),
    ended: () => ends++,
  })
  expect(got).toEqual([1, 2, 3, 4, 5])
  expect(begun).toEqual(['0', '2', '3'])
  expect(failures).toEqual(['cut'])
  expect(ends).toBe(1)
})

test('a batch is told with the cursor after it: its own, of its last entry, of a notice, or the one before', async () => {
  const stop = new AbortController()
  const cursors: string[] = []
  await follow(
    async function* () {
      yield { entries: [], notices: [{ notice: '$open', cursor: '1' }] }
      yield { entries: [], notices: [] }
      yield entry(2)
      yield { ...entry(3), cursor: '5' }
    },
    target,
    stop.signal,
    {
      batch: ({ cursor }) => {
        cursors.push(cursor)
        if (cursor === '5') stop.abort()
      },
      failed: () => {},
    },
  )
  expect(cursors).toEqual(['1', '1', '2', '5'])
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
