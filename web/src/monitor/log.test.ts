import { expect, test } from 'vitest'
import { Log } from './log.ts'

const at = Date.parse('2026-01-02T03:04:05.000Z')
const entry = (seq: number, ms = 0, data: object = { seq, percent: 1 }) => ({
  channel: '$host/cpu',
  cursor: `c${seq}`,
  time: new Date(at + ms).toISOString(),
  data,
})

test('lanes that saw the same agree; another content under one cursor does not', () => {
  const log = new Log()
  expect(log.add(entry(1), at)?.agrees).toBe(true)
  expect(log.add(entry(1), at)?.agrees).toBe(true)
  expect(log.add(entry(1, 0, { seq: 1, percent: 2 }), at)?.agrees).toBe(false)
})

test('an entry without a time borrows it from one that has it', () => {
  const log = new Log()
  const seen = log.add({ ...entry(1), time: '' }, at + 10)!.seen
  expect(log.age(seen, at + 10, at + 30)).toBe(20)
  log.add(entry(1), at + 20)
  expect(log.age(seen, at + 10, at + 30)).toBe(30)
})

test('the head is the furthest entry, and begins anew with a new run', () => {
  const log = new Log()
  log.add(entry(7), at)
  log.add(entry(5), at)
  expect(log.head?.seq).toBe(7)
  log.add(entry(1), at)
  expect(log.head?.seq).toBe(1)
})

test('a clock that is ahead or far behind does not show in the age', () => {
  for (const wrong of [-5000, 60_000]) {
    const log = new Log()
    const { seen } = log.add(entry(1), at + wrong)!
    expect(log.age(seen, at + wrong, at + wrong + 200)).toBe(200)
  }
})

test('what is not counted is not looked at', () => {
  expect(new Log().add(entry(1, 0, { percent: 1 }), at)).toBeUndefined()
})
