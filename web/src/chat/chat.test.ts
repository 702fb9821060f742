import type { Entry, Member } from 'pabal'
import { beforeEach, expect, test } from 'vitest'
import { blocksOf } from './grouping.ts'
import { Meanwhile } from './meanwhile.ts'
import { messageOf, type Message } from './message.ts'
import { Outbox } from './outbox.ts'
import { peopleOf } from './people.ts'
import { addressOf, channelOf, roomOf } from './room.ts'
import { Store } from './store.ts'
import { Talk } from './talk.ts'
import { Typing, Writer } from './typing.ts'

class FakeStorage implements Storage {
  private readonly items = new Map<string, string>()
  full = false
  get length() {
    return this.items.size
  }
  key(n: number) {
    return [...this.items.keys()][n] ?? null
  }
  getItem(key: string) {
    return this.items.get(key) ?? null
  }
  setItem(key: string, value: string) {
    if (this.full) throw new Error('QuotaExceededError')
    this.items.set(key, value)
  }
  removeItem(key: string) {
    this.items.delete(key)
  }
  clear() {
    this.items.clear()
  }
}

let storage: FakeStorage
beforeEach(() => {
  storage = new FakeStorage()
  Object.assign(globalThis, { localStorage: storage })
})

const said = (text: string) => ({ person: 'p', name: 'Ann', text })
const start = Date.parse('2026-11-26T10:00:00Z')
const entry = (n: number, data: unknown, more: Partial<Entry> = {}): Entry => ({
  channel: 'chat/x',
  cursor: `e-${n}`,
  time: new Date(start + 1000 * n).toISOString(),
  data,
  ...more,
})

test('what was not sent is there after a reload, in its order, under its ID', () => {
  const outbox = new Outbox(new Store('localStorage'))
  const written = ['one', 'two', 'three'].map((text) => outbox.add('x', said(text), 5))
  const reloaded = new Outbox(new Store('localStorage'))
  expect(reloaded.all()).toEqual(written)
  reloaded.kept(written[0]!.id)
  reloaded.remove(written[1]!.id)
  reloaded.refuse(written[2]!.id, 'too long')
  expect(reloaded.all().map(({ text, kept, refused }) => [text, kept, refused])).toEqual([
    ['one', true, undefined],
    ['three', undefined, 'too long'],
  ])
  const again = new Outbox(new Store('localStorage'))
  expect(again.all().map(({ text, refused }) => [text, refused])).toEqual([['three', 'too long']])
  expect(again.again(written[2]!.id)).toEqual(written[2])
})

test('a store that is full keeps what it can not for the page, and what is broken in it is left out', () => {
  storage.setItem('pabal.chat.unsent.1', '{"id":"1","room":"x"}')
  storage.setItem('pabal.chat.unsent.2', '{')
  storage.full = true
  const store = new Store('localStorage')
  const outbox = new Outbox(store)
  expect(outbox.all()).toEqual([])
  outbox.add('x', said('one'))
  expect(outbox.all().length).toBe(1)
  expect(new Outbox(store).all().length).toBe(1)
})

test('messages of one person are together for five minutes, under their day', () => {
  const talk = new Talk()
  talk.hear(entry(1, said('a')))
  talk.hear(entry(2, said('b')))
  talk.hear(entry(3, { ...said('c'), person: 'q' }))
  talk.hear(entry(4, said('d')))
  talk.cut(new Meanwhile('e-4', () => false))
  talk.hear(entry(5, said('e')))
  talk.hear(entry(400, said('f')))
  talk.hear(entry(3 * 86_400, said('g')))
  const shapes = blocksOf(talk.lines).map((block) =>
    'day' in block ? 'day' : 'mark' in block ? 'mark' : block.group.messages.map(({ text }) => text).join(''),
  )
  expect(shapes).toEqual(['day', 'ab', 'c', 'd', 'mark', 'e', 'f', 'day', 'g'])
})

test('older ones go first, each once', () => {
  const talk = new Talk()
  for (const n of [3, 4]) talk.hear(entry(n, said(String(n))))
  expect(talk.begin).toBe('e-3')
  talk.older([1, 2, 3].map((n) => entry(n, said(String(n)))), 'e-0', true)
  expect(talk.lines.map((line) => (line as Message).text)).toEqual(['1', '2', '3', '4'])
  expect([talk.begin, talk.hasOlder]).toEqual(['e-0', true])
  talk.older([], undefined, false)
  expect(talk.hasOlder).toBe(false)
})

test('holes in the log are shown where they are, and before a new log there is nothing to load', () => {
  const talk = new Talk()
  talk.hear(entry(1, said('a')))
  for (const notice of ['$live', '$gap', '$reset']) talk.told({ notice })
  talk.hear({ ...entry(1, said('b')), cursor: 'f-1' })
  const marks = blocksOf(talk.lines).map((block) => ('mark' in block && 'missing' in block.mark ? block.mark.missing : ''))
  expect(marks).toEqual(['', '', 'gap', 'reset', ''])
  expect([talk.hasOlder, talk.wasReset]).toEqual([false, true])
})

test('anything that was published is a message', () => {
  expect(messageOf(entry(1, 'plain')).text).toBe('plain')
  expect(messageOf(entry(1, { text: 5 })).text).toBe('{"text":5}')
  expect(messageOf(entry(1, 'AAE=', { encoding: 'base64' })).text).toBe('…')
  expect(messageOf(entry(1, null)).text).toBe('null')
  expect(messageOf(entry(1, { ...said('x'), name: 'n'.repeat(99) })).name?.length).toBe(32)
})

test('what came meanwhile is what others wrote up to the end of the log, whichever is known first', () => {
  const own = (message: Message) => message.person === 'p'
  const texts = [entry(5, 'a'), entry(6, said('mine')), entry(7, 'b'), entry(8, 'later')].map(messageOf)
  const first = new Meanwhile('e-4', own)
  first.until('e-7')
  expect(first.count).toBe(undefined)
  texts.forEach((message) => first.hear(message))
  expect(first.count).toBe(2)
  const last = new Meanwhile('e-4', own)
  texts.forEach((message) => last.hear(message))
  last.until('e-7')
  expect(last.count).toBe(2)
  const none = new Meanwhile('e-4', own)
  none.until('e-4')
  texts.forEach((message) => none.hear(message))
  expect(none.count).toBe(0)
})

test('who writes is seen for four seconds, and not if that was long ago by the server’s clock', () => {
  const typing = new Typing()
  const behind = 90_000 // this clock is behind the server's
  const now = start - behind
  typing.clock(entry(0, said('x')), now)
  expect(typing.hear(entry(1, { person: 'q', name: 'Bora' }), now + 1000)).toBe(true)
  expect(typing.now('p', now + 1000)).toEqual({ names: ['Bora'], next: 4000 })
  expect(typing.now('q', now + 1000).names).toEqual([])
  expect(typing.now('p', now + 5001)).toEqual({ names: [], next: undefined })
  typing.hear(entry(2, { person: 'q', name: 'Bora' }), now + 20_000)
  expect(typing.now('p', now + 20_000).names).toEqual([])
  typing.hear(entry(20, { person: 'q', name: 'Bora' }), now + 20_000)
  typing.hear(entry(21, { person: 'q', name: 'Bora', done: true }), now + 21_000)
  expect(typing.now('p', now + 21_000).names).toEqual([])
  expect(typing.hear(entry(22, 'nonsense'), now)).toBe(false)
})

test('who writes says so now and then, and that it is over once', () => {
  const said: unknown[] = []
  const channel = { publish: (data: unknown) => (said.push(data), Promise.resolve()) } as never
  const writer = new Writer()
  const who = { person: 'p', name: 'Ann' }
  writer.tell(channel, who, false, 1000)
  for (const at of [1000, 2000, 3000, 3600]) writer.tell(channel, who, true, at)
  writer.tell(channel, who, false, 4000)
  writer.tell(channel, who, false, 4100)
  expect(said).toEqual([who, who, { ...who, done: true }])
})

test('tabs of one person are one name, and a window that is back is one window', () => {
  const member = (key: string, data: unknown): Member => ({ key, data })
  const members = [
    member('1', { person: 'q', name: 'Bora', window: 'w1' }),
    member('2', { person: 'p', name: 'Zoe', window: 'w2' }),
    member('3', { person: 'q', name: 'Bora', window: 'w1' }),
    member('4', { person: 'q', name: 'Bora', window: 'w3' }),
    member('5', 'nobody'),
  ]
  expect(peopleOf(members, 'p')).toEqual({
    people: [
      { person: 'p', name: 'Zoe', windows: 1 },
      { person: 'q', name: 'Bora', windows: 2 },
    ],
    unnamed: 1,
  })
})

test('a room may have any name', () => {
  expect(channelOf('lobby')).toBe('chat/lobby')
  expect(channelOf('a/b c')).toBe('chat/a:2Fb:20c')
  expect(channelOf('..')).toBe('chat/:2E:2E')
  expect(channelOf('방')).toBe('chat/:EB:B0:A9')
  expect(new TextEncoder().encode(channelOf(roomOf(`?room=${'방'.repeat(99)}`)) + '/typing').length).toBeLessThanOrEqual(255)
  expect(roomOf('?room=%20')).toBe('lobby')
  expect(addressOf('a b', 'http://h/demo/chat?lang=ko&room=x')).toBe('/demo/chat?lang=ko&room=a+b')
})
