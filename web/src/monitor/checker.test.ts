import { expect, test } from 'vitest'
import { Checker } from './checker.ts'

function check(...heard: (number | string)[]) {
  const checker = new Checker()
  for (const what of heard) {
    if (typeof what === 'string') checker.notice({ notice: what })
    else checker.entry(`c${what}`, what)
  }
  const { lost, repeated, outOfOrder, told } = checker
  return { lost, repeated, outOfOrder, told }
}
const clean = { lost: 0, repeated: 0, outOfOrder: 0, told: 0 }

test('a log read whole is clean, wherever it began', () => {
  expect(check('$open', 17, 18, '$live', 19)).toEqual(clean)
})
test('a hole is lost', () => {
  expect(check(1, 2, 5)).toEqual({ ...clean, lost: 2 })
})
test('a hole that was announced is told, but only the next one', () => {
  expect(check(1, 2, '$gap', 5)).toEqual({ ...clean, told: 2 })
  expect(check(1, 2, '$gap', 5, 7)).toEqual({ ...clean, told: 2, lost: 1 })
})
test('the same cursor again is repeated', () => {
  expect(check(1, 2, 2, 1, 3)).toEqual({ ...clean, repeated: 2 })
})
test('an entry that comes late was not lost, but is out of order', () => {
  expect(check(1, 3, 2, 4)).toEqual({ ...clean, outOfOrder: 1 })
})
test('a new run of the server counts from one', () => {
  const checker = new Checker()
  checker.entry('a8', 8)
  checker.entry('b1', 1)
  checker.entry('b2', 2)
  expect(checker.clean).toBe(true)
})
test('after a reset the counting may begin lower', () => {
  const checker = new Checker()
  checker.entry('a8', 8)
  checker.notice({ notice: '$reset' })
  checker.entry('b3', 3)
  checker.entry('b4', 4)
  expect(checker.clean).toBe(true)
})
test('what is remembered is bounded', () => {
  const checker = new Checker(3)
  for (let seq = 1; seq <= 10; seq++) checker.entry(`c${seq}`, seq)
  expect([...checker.seen.values()]).toEqual([8, 9, 10])
})
