import { expect, test } from 'vitest'
import { Trace } from './trace.ts'

test('a poll is an arrow up and one down, and entries wait at the server until it comes', () => {
  const trace = new Trace('poll')
  trace.asked(1000)
  trace.answered(1020)
  trace.asked(2000)
  trace.answered(2020)
  trace.arrived(1300, 2021)
  trace.arrived(1700, 2021)
  const { bands, arrows, falls, waits } = trace.marks(0, 2500, [{ seq: 3, sent: 2100, served: 2110 }])
  expect(bands).toEqual([])
  expect(arrows).toEqual([
    { from: 1000, to: 1010, up: true },
    { from: 1010, to: 1020, up: false },
    { from: 2000, to: 2010, up: true },
    { from: 2010, to: 2020, up: false },
  ])
  expect(falls).toEqual([{ from: 2011, to: 2021, count: 2 }])
  expect(waits).toEqual([
    { from: 1300, to: 2011, still: false },
    { from: 1700, to: 2011, still: false },
    { from: 2110, to: 2500, still: true },
  ])
})

test('a long poll waits at the server: a band from its arrival until the answer leaves', () => {
  const trace = new Trace('longpoll')
  trace.asked(1000)
  trace.answered(1020) // the first one is answered at once, and shows how long one way is
  trace.asked(1021)
  trace.answered(1800)
  trace.asked(1801)
  const { bands } = trace.marks(0, 2000)
  expect(bands).toEqual([
    { from: 1010, to: 1010, kind: 'request' },
    { from: 1031, to: 1790, kind: 'request' },
    { from: 1811, to: 2000, kind: 'request' },
  ])
})

test('a stream is one band until it ends or breaks, and its entries fall when they come', () => {
  const trace = new Trace('stream')
  trace.asked(1000)
  trace.answered(1010)
  trace.arrived(1500, 1505)
  trace.arrived(1500, 1506)
  trace.ended(1700, true)
  trace.asked(1900)
  const { bands, falls, waits, breaks } = trace.marks(0, 2000)
  expect(bands).toEqual([
    { from: 1010, to: 1700, kind: 'response' },
    { from: 1900, to: 2000, kind: 'asked' },
  ])
  expect(falls).toEqual([{ from: 1500, to: 1505, count: 2 }])
  expect(waits).toEqual([])
  expect(breaks).toEqual([1700])
})

test('what lies outside of the time that is shown is left out', () => {
  const trace = new Trace('poll')
  trace.asked(1000)
  trace.answered(1010)
  trace.arrived(900, 1010)
  expect(trace.marks(2000, 3000)).toEqual({ bands: [], arrows: [], falls: [], flights: [], waits: [], breaks: [] })
})

test('by another road it is measured anew how long one way is, and what was drawn stays', () => {
  const trace = new Trace('poll')
  trace.asked(1000)
  trace.answered(1002)
  trace.moved(1500)
  trace.asked(2000)
  trace.answered(2200)
  expect(trace.marks(0, 3000).arrows.map(({ to }) => to)).toEqual([1001, 1002, 2100, 2200])
})

test('down an open response an entry is on its way until it is overdue; then it waits', () => {
  const trace = new Trace('sse')
  trace.asked(1000)
  trace.answered(1200)
  const late = { seq: 1, sent: 1600, served: 1700 }
  const fresh = { seq: 2, sent: 1880, served: 1900 }
  const { flights, waits } = trace.marks(0, 2000, [late, fresh])
  expect(flights).toEqual([{ from: 1900, to: 2040 }])
  expect(waits).toEqual([{ from: 1700, to: 2000, still: true }])
})

test('a response of which even the head was held back does not make the road longer than its quickest entry shows', () => {
  const trace = new Trace('sse')
  trace.asked(1000)
  trace.answered(2400) // with the head came the first entries, the last of which had just been there
  trace.arrived(1500, 2401)
  trace.arrived(2395, 2401)
  const { arrows, falls, waits } = trace.marks(0, 3000)
  expect(arrows.map(({ from, to }) => to - from)).toEqual([6, 6])
  expect(falls).toEqual([{ from: 2395, to: 2401, count: 2 }])
  expect(waits).toEqual([{ from: 1500, to: 2395, still: false }])
})
