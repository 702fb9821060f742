import { expect, test } from 'vitest'
import { Checker } from './checker.ts'
import { Histogram, share } from './histogram.ts'
import { all, groups, holds } from './shifts.ts'
import { read, smallest, write } from './stamp.ts'

test('percentiles are right to within a twentieth', () => {
  const histogram = new Histogram()
  for (let ms = 1; ms <= 1000; ms++) histogram.add(ms)
  for (const p of [0.01, 0.5, 0.9, 0.99]) expect(Math.abs(histogram.percentile(p)! / (1000 * p) - 1)).toBeLessThan(0.06)
  expect(histogram.percentile(1)).toBeLessThanOrEqual(1000)
  expect(histogram.count).toBe(1000)
})

test('there is no percentile of nothing, and no latency falls out of the range', () => {
  const histogram = new Histogram()
  expect(histogram.percentile(0.5)).toBeUndefined()
  for (const ms of [0, -1, 1e9]) histogram.add(ms)
  expect(histogram.steps(10, 1, 1000)).toEqual([2, 0, 0, 0, 0, 0, 0, 0, 0, 1])
})

test('steps have all, each in its place on the axis', () => {
  const histogram = new Histogram()
  for (const ms of [2, 2, 30, 400]) histogram.add(ms)
  expect(histogram.steps(3, 1, 1000)).toEqual([2, 1, 1])
  expect(share(1, 1, 1000)).toBe(0)
  expect(share(1000, 1, 1000)).toBeCloseTo(1)
})

test('the checker counts holes as lost until they are filled, and then as out of order', () => {
  const checker = new Checker(10)
  for (const seq of [9, 10, 11, 12, 15]) checker.take(seq)
  expect(checker).toMatchObject({ received: 3, lost: 2, repeated: 0, outOfOrder: 0, clean: false })
  for (const seq of [13, 14, 12]) checker.take(seq)
  expect(checker).toMatchObject({ received: 5, lost: 0, repeated: 1, outOfOrder: 2, clean: false })
  expect(checker.has(14)).toBe(true)
})

test('what the server said to be missing is not lost without a word', () => {
  const checker = new Checker()
  checker.take(1)
  checker.notice('$live')
  checker.take(3)
  checker.notice('$reset')
  checker.take(6)
  checker.take(8)
  expect(checker.lost).toBe(2)
})

test('what nobody knows to be published is not lost', () => {
  const unknown = new Set([2])
  const checker = new Checker(0, unknown)
  for (const seq of [1, 4]) checker.take(seq)
  expect(checker.lost).toBe(1)
  unknown.add(3)
  expect(checker.lost).toBe(0)
})

test('a stamp is of the size that was asked, and reads as what was written', () => {
  const sent = Date.UTC(2026, 10, 26) + 0.3
  for (const [seq, bytes] of [[1, smallest], [46655, smallest], [46656, 1000], [7, 16384]] as const) {
    const text = write({ seq, sent }, bytes)
    expect(text.length).toBe(Math.max(bytes, smallest))
    expect(read(text)).toEqual({ seq, sent })
  }
  for (const other of ['', 'hello', '1.2', 12, null, '1.2.x']) expect(read(other)).toBeUndefined()
})

test('every technique has its turn, with at most three that hold one of the six connections at a time', () => {
  for (const road of ['h1', 'h2'] as const) expect(groups(road).flat().sort()).toEqual([...all].sort())
  for (const group of groups('h1')) {
    expect(group.filter((via) => holds[via] === 'response' || holds[via] === 'request').length).toBeLessThanOrEqual(3)
  }
})
