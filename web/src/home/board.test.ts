import { expect, test } from 'vitest'
import { Board } from './board.ts'
import { textOf } from './channel.ts'

test('a window is behind by what the other has seen since', () => {
  const board = new Board()
  expect(board.after(undefined)).toBe(0)
  for (const cursor of ['c1', 'c2', 'c2', 'c3', 'c1']) board.seen(cursor)
  expect([undefined, 'c1', 'c2', 'c3'].map((cursor) => board.after(cursor))).toEqual([3, 2, 1, 0])
})

test('a message reads as text, however it was published', () => {
  expect(textOf({ data: 'hi' })).toBe('hi')
  expect(textOf({ data: { a: 1 } })).toBe('{"a":1}')
  expect(textOf({ data: '7YyM67CcIQ==', encoding: 'base64' })).toBe('파발!')
})
