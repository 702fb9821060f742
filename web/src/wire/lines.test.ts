import { expect, test } from 'vitest'
import { parseLines, splitLines } from './lines.ts'

const stream = '{"cursor":"a"}\n\n{"cursor":"b","data":"x\\ny"}\r\n{"cursor":"c"}\n'

test('NDJSON gives the same objects wherever the chunks are cut', () => {
  for (let first = 0; first <= stream.length; first++) {
    for (let second = first; second <= stream.length; second++) {
      const got: unknown[] = []
      let rest = ''
      for (const chunk of [stream.slice(0, first), stream.slice(first, second), stream.slice(second)]) {
        const split = splitLines(rest, chunk)
        rest = split.rest
        got.push(...parseLines(split.lines))
      }
      expect(rest).toBe('')
      expect(got).toEqual([{ cursor: 'a' }, { cursor: 'b', data: 'x\ny' }, { cursor: 'c' }])
    }
  }
})

test('a line that has not ended is not yet an object', () => {
  expect(splitLines('', '{"cursor":"a"}')).toEqual({ lines: [], rest: '{"cursor":"a"}' })
})

test('heartbeats are no objects', () => {
  expect(parseLines(['', '', ''])).toEqual([])
})
