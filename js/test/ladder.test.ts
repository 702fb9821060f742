import { expect, test } from 'vitest'
import { PabalError, RoadError, SilentError } from '../src/error.ts'
import { Faults, faultOf } from '../src/faults.ts'
import { Ladder } from '../src/ladder.ts'
import { backoff } from '../src/time.ts'

const techniques = ['websocket', 'sse', 'longpoll', 'poll']

test('a ladder begins at the top, or where the network let it stand', () => {
  expect(new Ladder(techniques).best).toBe('websocket')
  expect(new Ladder(techniques, 'longpoll').best).toBe('longpoll')
  expect(new Ladder(techniques, 'gone').best).toBe('websocket')
  expect(new Ladder(techniques, 'longpoll').better).toEqual(['websocket', 'sse'])
})

test('it goes down one at a time, and not below the last', () => {
  const ladder = new Ladder(techniques)
  expect([ladder.down(), ladder.down(), ladder.down(), ladder.down()]).toEqual([true, true, true, false])
  expect(ladder.best).toBe('poll')
})

test('what is better is tried ever more rarely, and soon where the network is another', () => {
  const ladder = new Ladder(techniques)
  ladder.works('longpoll')
  const waits = Array.from({ length: 8 }, () => {
    const wait = ladder.probeAfter(() => 1)
    ladder.probed()
    return wait / 1000
  })
  expect(waits).toEqual([30, 60, 120, 240, 480, 600, 600, 600])
  ladder.renew()
  expect(ladder.probeAfter()).toBe(1000)
  expect(ladder.probeAfter(() => 1)).toBe(30_000)
  expect(ladder.probeAfter(() => 0)).toBe(15_000) // not all of a crowd at once
})

test('what speaks against a technique, and what only against the server', () => {
  const cut = new TypeError('network error')
  const problem = (status: number, foreign = false) => new PabalError({ status }, foreign)
  expect(faultOf({ error: new RoadError('held'), lived: 0, signs: 0 })).toBe('refused')
  expect(faultOf({ error: problem(501), lived: 0, signs: 0 })).toBeUndefined()
  expect(faultOf({ error: problem(405, true), lived: 0, signs: 0 })).toBe('refused')
  expect(faultOf({ error: problem(502, true), lived: 0, signs: 0 })).toBeUndefined()
  expect(faultOf({ error: new SilentError(30_000), lived: 30_000, signs: 1 })).toBe('held back')
  expect(faultOf({ error: new SilentError(30_000), lived: 300_000, signs: 20 })).toBeUndefined()
  expect(faultOf({ error: new SilentError(10_000), lived: 0, signs: 0 })).toBeUndefined()
  expect(faultOf({ error: cut, lived: 3000, signs: 5 })).toBe('cut short')
  expect(faultOf({ error: cut, lived: 30_000, signs: 5 })).toBeUndefined()
  expect(faultOf({ error: undefined, lived: 3000, signs: 5 })).toBeUndefined()
})

test('one restart is no reason to go down, three short lives in a row are', () => {
  const faults = new Faults()
  const short = { error: new TypeError('network error'), lived: 2000, signs: 3 }
  const long = { ...short, lived: 60_000 }
  expect([short, long, short, short, long].map((o) => faults.against('sse', o))).toEqual([false, false, false, false, false])
  expect([short, short, short, short].map((o) => faults.against('sse', o))).toEqual([false, false, true, false])
})

test('a crowd comes again over a range that grows, never at once', () => {
  for (const failures of [0, 1, 5, 20]) {
    expect(backoff(failures, () => 0)).toBe(50)
    expect(backoff(failures, () => 1)).toBe(50 + Math.min(30_000, 500 * 2 ** failures))
  }
})
