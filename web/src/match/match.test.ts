import type { Entry } from 'pabal'
import { expect, test } from 'vitest'
import { follow, keyEvents, momentOf, type Match } from './match.ts'
import { Order } from './order.ts'
import { minuteOf, playOf, type Play } from './play.ts'

const text = (en: string) => ({ en, ko: en })
const teams = { home: text('H'), away: text('A') }

function play(seq: number, kind: string, more: Partial<Play> = {}): Play {
  return { match: 'm', seq, minute: seq, kind, text: text(`${kind} ${seq}`), score: { home: 0, away: 0 }, ...more }
}

const channel = 'demo/match'
const entryOf = (data: unknown, id?: string): Entry => ({ channel, cursor: 'e-1', time: '', data, ...(id && { id }) })
const entry = (data: Play): Entry => entryOf(data, `${data.match}-${data.seq}`)
const read = (plays: Play[]): Match => plays.map(entry).reduce<Match | undefined>(follow, undefined)!

const one = { home: 1, away: 0 }
const match = [
  play(1, 'welcome', { minute: 0, teams }),
  play(2, 'kickoff'),
  play(3, 'goal', { team: 'home', score: one }),
  play(4, 'yellow', { team: 'away', score: one }),
  play(5, 'correction', { of: 'm-3', becomes: 'disallowed', team: 'home' }),
  play(6, 'shot'),
  play(7, 'correction', { of: 'm-4', becomes: 'red', team: 'away' }),
  play(8, 'half'),
]

test('a correction takes the place of what it corrects, from then on', () => {
  const all = read(match)
  const now = momentOf(all)
  expect(now.lines.map(({ id, correction }) => [id, correction?.becomes])).toEqual([
    ['m-8', undefined],
    ['m-6', undefined],
    ['m-4', 'red'],
    ['m-3', 'disallowed'],
    ['m-2', undefined],
    ['m-1', undefined],
  ])
  expect(now).toMatchObject({ upTo: 8, score: { home: 0, away: 0 }, phase: 'half' })
})

test('at a past moment nothing is known of what came later', () => {
  const all = read(match)
  const then = momentOf(all, 4)
  expect(then).toMatchObject({ upTo: 4, score: one, phase: 'playing' })
  expect(then.lines.map(({ id, correction }) => [id, correction])).toEqual([
    ['m-4', undefined],
    ['m-3', undefined],
    ['m-2', undefined],
    ['m-1', undefined],
  ])
  expect(momentOf(all, 5)).toMatchObject({ score: { home: 0, away: 0 } })
  expect(momentOf(all, 1)).toMatchObject({ phase: 'before', score: { home: 0, away: 0 } })
  expect(momentOf(all, 0).upTo).toBe(1)
  expect(momentOf(all, 99).upTo).toBe(8)
  for (let upTo = 1; upTo <= match.length; upTo++) expect(momentOf(all, upTo)).toEqual(momentOf(read(match.slice(0, upTo))))
})

test('another match begins anew, and what is no play is passed over', () => {
  const next = play(9, 'welcome', { match: 'n', teams })
  const log = [...match.map(entry), entryOf('hello'), entryOf({ seq: 3 }), entry(next)]
  const all = log.reduce<Match | undefined>(follow, undefined)!
  expect(all).toMatchObject({ id: 'n', teams })
  expect(all.told.map(({ id }) => id)).toEqual(['n-9'])
  expect(follow(undefined, entryOf(null))).toBeUndefined()
})

test('a match whose beginning is gone is shown all the same', () => {
  const all = read(match.slice(4))
  expect(all.teams).toBeUndefined()
  expect(momentOf(all)).toMatchObject({ phase: 'half', lines: [{ id: 'm-8' }, { id: 'm-6' }] })
  expect(momentOf(all, 2).phase).toBe('playing')
})

test('key events lead to the moment at which they were told', () => {
  const all = read(match)
  expect(keyEvents(all).map(({ id, upTo }) => [id, upTo])).toEqual([
    ['m-3', 3],
    ['m-5', 5],
    ['m-7', 7],
    ['m-8', 8],
  ])
  for (const { id, upTo } of keyEvents(all)) expect(all.told[upTo - 1]!.id).toBe(id)
})

test('what is a play, and what is not', () => {
  expect(playOf(match[0])).toBe(match[0])
  const near = [{ seq: '2' }, { text: { en: 'x' } }, { score: {} }, { teams: {} }].map((bad) => ({ ...match[1], ...bad }))
  for (const wrong of [undefined, null, 'x', 3, [], {}, ...near]) {
    expect(playOf(wrong), JSON.stringify(wrong)).toBeUndefined()
  }
})

test('minutes', () => {
  expect(minuteOf({ minute: 23 })).toBe('23′')
  expect(minuteOf({ minute: 45, extra: 2 })).toBe('45+2′')
})

test('order: each once', () => {
  const order = new Order()
  for (const seq of [4, 5, 6]) order.take(play(seq, 'shot'))
  order.take(play(7, 'welcome', { match: 'n' }))
  expect({ ...order }).toMatchObject({ read: 4, lost: 0, repeated: 0 })
  for (const seq of [7, 10, 9]) order.take(play(seq, 'shot', { match: 'n' }))
  expect({ ...order }).toMatchObject({ read: 5, lost: 2, repeated: 2 })
  order.take(play(1, 'restart', { match: 'o' }))
  order.take(play(2, 'welcome', { match: 'o' }))
  expect({ ...order }).toMatchObject({ read: 7, lost: 2, repeated: 2 })
})
