import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Reader, type Link } from './reader.ts'

/** An EventSource in the hands of the test. */
class Source extends EventTarget {
  static readonly CLOSED = 2
  static all: Source[] = []
  readyState = 0
  onopen = () => {}
  onerror = () => {}
  onmessage = (_: object) => {}

  constructor(readonly url: string) {
    super()
    Source.all.push(this)
  }

  say(lastEventId: string, name: string, data: string) {
    const event = Object.assign(new Event(name), { data, lastEventId })
    if (name === 'message') this.onmessage(event)
    else this.dispatchEvent(event)
  }

  fail(readyState: number) {
    this.readyState = readyState
    this.onerror()
  }

  close() {
    this.readyState = Source.CLOSED
  }
}

let links: Link[]
let lines: string[]
let asked: string[]
let reader: Reader

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Source)
  Source.all = []
  links = []
  lines = []
  asked = []
  reader = new Reader('chat', { link: (link) => links.push(link), line: ({ text }) => lines.push(text) })
})
afterEach(() => {
  reader.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** Answers every poll so, or not at all. */
function polls(answer?: { status: number; reason?: string }) {
  vi.stubGlobal('fetch', (url: string) => {
    asked.push(url)
    if (!answer) return Promise.reject(new TypeError('no way'))
    const { status, reason } = answer
    const body = reason ? JSON.stringify({ entries: [], notices: [{ notice: '$closed', reason }], cursor: 'c1' }) : null
    return Promise.resolve(new Response(body, { status }))
  })
}

/** Opens the reader and has it read one entry. */
function begin(): Source {
  reader.open()
  const source = Source.all.at(-1)!
  source.onopen()
  source.say('c0', '$open', '{}')
  source.say('c1', 'message', 'hello')
  return source
}

test('a closed channel is the end', async () => {
  polls()
  const source = begin()
  source.say('c1', '$closed', '{"reason":"closed"}')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(links).toEqual(['live', 'closed'])
  expect(lines).toEqual(['hello'])
  expect(source.readyState).toBe(Source.CLOSED)
  expect(Source.all.length).toBe(1)
  expect(asked).toEqual([])
})

for (const reason of ['draining', 'unavailable']) {
  test(`$closed that says ${reason} leaves it to the EventSource to come again`, async () => {
    const source = begin()
    source.say('c1', '$closed', JSON.stringify({ reason }))
    source.fail(0)
    expect(links).toEqual(['live', 'lost', 'lost'])
    source.onopen()
    source.say('c2', 'message', 'again')
    expect(links.at(-1)).toBe('live')
    expect(lines).toEqual(['hello', 'again'])
    expect(Source.all.length).toBe(1)
  })
}

test('closed behind its back: 204 ends the EventSource, and a poll says why', async () => {
  polls({ status: 200, reason: 'closed' })
  begin().fail(Source.CLOSED)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(links).toEqual(['live', 'lost', 'closed'])
  expect(asked).toEqual(['/channels/chat?via=poll&cursor=c1&limit=1'])
  expect(Source.all.length).toBe(1)
})

for (const [what, answer] of [
  ['a server that is away', undefined],
  ['a server that stops', { status: 503 }],
  ['an open channel without news', { status: 204 }],
  ['a log that cannot be read now', { status: 200, reason: 'unavailable' }],
] as const) {
  test(`it comes again at its cursor after ${what}`, async () => {
    polls(answer)
    begin().fail(Source.CLOSED)
    await vi.advanceTimersByTimeAsync(5000)
    expect(links).toEqual(['live', 'lost'])
    expect(Source.all.map(({ url }) => url)).toEqual([
      '/channels/chat?via=sse&since=20',
      '/channels/chat?via=sse&cursor=c1',
    ])
  })
}

test('what never began is begun again without a poll', async () => {
  polls()
  reader.open()
  Source.all[0]!.fail(Source.CLOSED)
  await vi.advanceTimersByTimeAsync(5000)
  expect(asked).toEqual([])
  expect(Source.all.map(({ url }) => url)).toEqual(Array(2).fill('/channels/chat?via=sse&since=20'))
})

test('told to close while it asks, it says nothing more', async () => {
  polls({ status: 200, reason: 'closed' })
  begin().fail(Source.CLOSED)
  reader.close()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(links).toEqual(['live', 'lost'])
  expect(Source.all.length).toBe(1)
})
