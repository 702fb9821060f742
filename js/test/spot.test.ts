import { describe, expect, test } from 'vitest'
import { after } from '../src/cursor.ts'
import { Spot } from '../src/spot.ts'
import { batchesOf } from '../src/wire.ts'

const entry = (cursor: string, channel = 'a') => ({ channel, cursor, time: '', data: cursor })

test('cursors of one epoch are compared as numbers, others not at all', () => {
  expect(after('e-10', 'e-9')).toBe(true)
  expect(after('e-9', 'e-10')).toBe(false)
  expect(after('e-9', 'e-9')).toBe(false)
  expect(after('e-18446744073709551615', 'e-18446744073709551614')).toBe(true)
  expect(after('e-9', 'f-1')).toBeUndefined()
})

describe('a spot', () => {
  test('takes each entry once, whichever road brings it', () => {
    const spot = new Spot('a', 'e-1', 'now')
    const roads = ['e-2', 'e-3', 'e-2', 'e-3', 'e-4', 'e-3', 'e-5']
    expect(roads.filter((cursor) => spot.take(entry(cursor)))).toEqual(['e-2', 'e-3', 'e-4', 'e-5'])
  })

  test('takes nothing more of an epoch that it has left', () => {
    const spot = new Spot('a', 'e-7', 'now')
    expect(['f-8', 'e-8', 'f-9', 'f-8', 'e-9'].filter((cursor) => spot.take(entry(cursor)))).toEqual(['f-8', 'f-9'])
  })

  test('is told once of a gap, and only of one that it has not passed', () => {
    const spot = new Spot('a', 'e-3', 'now')
    const gap = { notice: '$gap', channel: 'a', from: 'e-3', to: 'e-6', cursor: 'e-6' }
    expect([spot.tell(gap), spot.tell(gap)]).toEqual([true, false])
    expect(spot.take(entry('e-6'))).toBe(false)
    expect(spot.take(entry('e-7'))).toBe(true)
    expect(spot.tell({ ...gap, from: 'e-1', to: 'e-2', cursor: 'e-2' })).toBe(false)
    expect(spot.cursor).toBe('e-7')
  })

  test('goes where a reset says, once, also back in its epoch', () => {
    const spot = new Spot('a', 'e-9', 'now')
    const reset = { notice: '$reset', channel: 'a', from: 'e-9', to: 'e-4', cursor: 'e-4', reason: 'lost' }
    expect([spot.tell(reset), spot.tell(reset)]).toEqual([true, false])
    expect(spot.cursor).toBe('e-4')
    expect(spot.take(entry('f-10'))).toBe(true)
  })

  test('closes once', () => {
    const spot = new Spot('a', 'e-1', 'now')
    expect(spot.tell({ notice: '$closed', channel: 'a', reason: 'draining' })).toBe(true)
    expect(spot.closed).toBe(false)
    const closed = { notice: '$closed', channel: 'a', reason: 'closed' }
    expect([spot.tell(closed), spot.tell(closed), spot.closed]).toEqual([true, false, true])
  })
})

test('in an answer each notice has its place between the entries', () => {
  const notices = [
    { notice: '$gap', channel: 'a', from: 'e-0', to: 'e-1', cursor: 'e-1' },
    { notice: '$gap', channel: 'a', from: 'e-2', to: 'e-5', cursor: 'e-5' },
    { notice: '$skipped', channel: 'b', cursor: 'e-9', count: 2 },
    { notice: '$closed', channel: 'a', cursor: 'e-6', reason: 'closed' },
  ]
  const entries = [entry('e-2'), entry('e-9', 'b'), entry('e-6')]
  const told = batchesOf({ entries, notices, cursor: '' }).flatMap((batch) => [...batch.notices.map((n) => `${n.notice} ${n.cursor}`), ...batch.entries.map((e) => e.cursor)])
  expect(told).toEqual(['$gap e-1', 'e-2', '$gap e-5', 'e-9', '$skipped e-9', 'e-6', '$closed e-6'])
})
