import { expect, test } from 'vitest'
import { decode, encode, type Shared } from './link.ts'

const shared: Shared = {
  readers: 100_000,
  run: {
    at: Date.UTC(2026, 10, 26, 21, 40),
    road: 'h1',
    rate: 0.2,
    payload: 16_384,
    ways: [
      {
        ...{ via: 'websocket', seconds: 15, published: 30, received: 30, lost: 0, repeated: 0, outOfOrder: 0 },
        ...{ p50: 2.3, p90: 4.1, p99: 12, bytes: 4321, requests: 1, reconnects: 0, silent: false },
      },
      {
        ...{ via: 'jsonp', seconds: 15.2, published: 30, received: 0, lost: 2, repeated: 1, outOfOrder: 3 },
        ...{ p50: undefined, p90: undefined, p99: undefined, bytes: 0, requests: 7, reconnects: 6, silent: true },
      },
    ],
  },
}

test('a run comes out of its link as it went in', () => {
  expect(decode(`#${encode(shared)}`)).toEqual(shared)
  expect(encode(shared)).toMatch(/^[\w=.-]+$/)
  expect(encode(shared).length).toBeLessThan(200)
})

test('what is no link says nothing', () => {
  const good = encode(shared)
  const empty = ['', '#', '#main', 'run=', 'run=1']
  const other = ['run=2' + good.slice(5), good.replace('_', '_z'), good + '_', good + '.1', good + '<']
  const damaged = [good.slice(0, good.lastIndexOf('.')), `${good}_${good.split('_')[1]}`]
  for (const text of [...empty, ...other, ...damaged]) expect(decode(text), text).toBeUndefined()
})
