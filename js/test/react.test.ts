// @vitest-environment happy-dom
import { act, Component, createElement, StrictMode, startTransition, useState, type ReactNode } from 'react'
import { createRoot, hydrateRoot, type Root } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { connect, type Entry, type Pabal } from '../src/index.ts'
import { useChannel, useLatest, usePresence, useStatus, type ChannelOptions } from '../src/react.ts'
import { Fake } from './fake.ts'
import { startServer, until, type Server } from './server.ts'

let fake: Fake
let root: Root
let place: HTMLElement

beforeEach(() => {
  Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  fake = new Fake()
  place = document.createElement('div')
  root = createRoot(place)
})
afterEach(() => act(() => root.unmount()))

const show = (node: ReactNode): Promise<void> => act(async () => root.render(node))
const say = (channel: string, data: unknown, key?: string): Promise<void> => act(async () => fake.say(channel, data, key))

const seen: (readonly Entry<string>[])[] = []
beforeEach(() => void seen.splice(0))

function Chat({ name = 'chat', options = {} }: { name?: string; options?: ChannelOptions }) {
  const entries = useChannel<string>(fake, name, { ...options })
  seen.push(entries)
  return entries.map((entry) => entry.data).join(' ')
}

describe('useChannel', () => {
  test('shows what comes while it is mounted, by one subscription', async () => {
    await show(createElement(Chat))
    expect(fake.open).toMatchObject([{ channel: 'chat', options: { since: 'now' } }])
    await say('chat', 'a')
    await say('chat', 'b')
    expect(place.textContent).toBe('a b')
    await show(null)
    expect(fake.open).toEqual([])
    expect(fake.subscriptions).toHaveLength(1)
  })

  test('gives another array only when it is another, one for all that comes together', async () => {
    await show(createElement(Chat))
    await act(async () => {
      fake.say('chat', 'a')
      fake.say('chat', 'b')
    })
    await show(createElement(Chat))
    await show(createElement(Chat))
    expect(new Set(seen).size).toBe(2)
    expect(fake.subscriptions).toHaveLength(1)
  })

  test('keeps the newest', async () => {
    await show(createElement(Chat, { options: { keep: 2 } }))
    for (const word of ['a', 'b', 'c']) await say('chat', word)
    expect(place.textContent).toBe('b c')
  })

  test('begins anew when the name or the options say something else, before the old one ends', async () => {
    await show(createElement(Chat))
    await say('chat', 'a')
    const order: string[] = []
    const { channel } = fake
    vi.spyOn(fake, 'channel').mockImplementation((name: string) => {
      order.push(`begins with ${fake.open.length} open`)
      return channel.call(fake, name)
    })
    await show(createElement(Chat, { name: 'other' }))
    expect(order).toEqual(['begins with 1 open'])
    expect(place.textContent).toBe('')
    expect(fake.open).toMatchObject([{ channel: 'other' }])
    await show(createElement(Chat, { name: 'other', options: { since: 'all' } }))
    expect(fake.open).toMatchObject([{ channel: 'other', options: { since: 'all' } }])
    expect(fake.subscriptions).toHaveLength(3)
  })

  test('calls the listeners of the last rendering', async () => {
    const notice = vi.fn()
    await show(createElement(Chat, { options: { notice: () => expect.unreachable() } }))
    await show(createElement(Chat, { options: { notice } }))
    fake.tell('chat', { notice: '$live' })
    expect(notice).toHaveBeenCalledWith({ notice: '$live' })
    expect(fake.subscriptions).toHaveLength(1)
  })

  test('in StrictMode there is one subscription, and nothing twice', async () => {
    await show(createElement(StrictMode, null, createElement(Chat, { options: { since: 'all' } })))
    await say('chat', 'a')
    expect(place.textContent).toBe('a')
    expect(fake.subscriptions).toHaveLength(1)
  })

  test('when the history breaks, drops what it held, and reads anew what it asks for of the past', async () => {
    await show(createElement('p', null, createElement(Chat), createElement(Chat, { options: { since: '10' } })))
    await say('chat', 'a')
    expect(place.textContent).toBe('aa')
    await act(async () => {
      fake.tell('chat', { notice: '$reset', cursor: 'f-0', reason: 'deleted' })
      fake.say('chat', '!') // who reads anew has it then
    })
    expect(place.textContent).toBe('!')
    expect(fake.open.map(({ options }) => [options.since, options.cursor])).toEqual([['now', undefined], ['10', undefined]])
    expect(fake.subscriptions).toHaveLength(3)
    await say('chat', 'b')
    expect(place.textContent).toBe('! bb')
  })
})

class Boundary extends Component<{ children?: ReactNode }, { said?: string }> {
  override state: { said?: string } = {}
  static getDerivedStateFromError(error: Error) {
    return { said: error.message }
  }
  override render() {
    return this.state.said ?? this.props.children
  }
}

describe('an error', () => {
  test('goes to the error boundary', async () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => {})
    await show(createElement(Boundary, null, createElement(Chat)))
    await act(async () => fake.fail('chat', new Error('not for you')))
    expect(place.textContent).toBe('not for you')
    expect(fake.open).toEqual([])
    quiet.mockRestore()
  })

  test('that subscribing throws goes there, too', async () => {
    const quiet = vi.spyOn(console, 'error').mockImplementation(() => {})
    fake.refuses = new Error('the client is closed')
    await show(createElement(Boundary, null, createElement(Chat)))
    expect(place.textContent).toBe('the client is closed')
    quiet.mockRestore()
  })

  test('goes to options.error, if there is one', async () => {
    const error = vi.fn()
    await show(createElement(Chat, { options: { error } }))
    await say('chat', 'a')
    await act(async () => fake.fail('chat', new Error('not for you')))
    expect(error).toHaveBeenCalledWith(new Error('not for you'))
    expect(place.textContent).toBe('a')
  })
})

function Score({ by }: { by?: 'key' }) {
  const last = useLatest<number>(fake, 'score')
  const each = useLatest<number>(fake, 'score', { by: 'key' })
  return by ? [...each].map(([key, { data }]) => `${key}=${data}`).join(' ') : String(last?.data)
}

test('useLatest has the last entry, or that of each key', async () => {
  await show(createElement(Score))
  expect(place.textContent).toBe('undefined')
  expect(fake.open.map(({ options: { since, only } }) => [since, only])).toEqual([['1', undefined], ['all', 'latest']])
  await say('score', 1, 'lg')
  await say('score', 2, 'doosan')
  await say('score', 3, 'lg')
  expect(place.textContent).toBe('3')
  await show(createElement(Score, { by: 'key' }))
  expect(place.textContent).toBe('lg=3 doosan=2')
})

function Here() {
  const { state } = useStatus(fake)
  return `${state}: ${usePresence(fake, 'room').map(({ key }) => key)}`
}

test('usePresence and useStatus', async () => {
  await show(createElement(Here))
  expect(place.textContent).toBe('idle: ')
  await act(async () => {
    fake.here('kim', 'lee')
    fake.fares({ state: 'live', technique: 'sse' })
  })
  expect(place.textContent).toBe('live: kim,lee')
  await show(null)
  expect([fake.watchers.size, fake.listeners.size]).toEqual([0, 0])
})

test('nothing is torn: all who show a channel show the same, also in a transition', async () => {
  let hurry = () => {}
  function All() {
    const [n, set] = useState(0)
    hurry = () => startTransition(() => set((n) => n + 1))
    const shown = Array.from({ length: 20 }, () => useStatus(fake).technique)
    expect(new Set(shown).size).toBe(1)
    return `${n} ${shown[0]}`
  }
  await show([createElement(All, { key: 1 }), createElement(All, { key: 2 })])
  for (let n = 0; n < 10; n++) {
    await act(async () => {
      hurry()
      fake.fares({ state: 'live', technique: String(n) })
    })
    expect(place.textContent).toBe(`0 ${n}${n + 1} ${n}`)
  }
})

test('on a server there is nothing yet, and the page that comes of it goes on', async () => {
  fake.status = { state: 'live', technique: 'sse' }
  const page = createElement('p', null, createElement(Chat), ' ', createElement(Here))
  const html = renderToString(page)
  expect(html.replaceAll('<!-- -->', '')).toBe('<p> idle: </p>')
  expect(fake.subscriptions).toEqual([])
  const sent = document.createElement('div')
  sent.innerHTML = html
  const errors: unknown[] = []
  const hydrated = await act(async () => hydrateRoot(sent, page, { onRecoverableError: (error) => errors.push(error) }))
  await say('chat', 'a')
  expect(sent.textContent).toBe('a live: ')
  expect(errors).toEqual([])
  await act(() => hydrated.unmount())
})

test('without a client there is nothing, until there is one', async () => {
  function Page({ pabal }: { pabal?: Fake }) {
    return `${useStatus(pabal).state} ${useChannel(pabal, 'chat').length} ${usePresence(pabal, 'chat').length}`
  }
  await show(createElement(Page))
  expect(place.textContent).toBe('idle 0 0')
  await show(createElement(Page, { pabal: fake }))
  await say('chat', 'a')
  expect(place.textContent).toBe('idle 1 0')
})

describe('with the real server', () => {
  let server: Server
  let pabal: Pabal

  beforeAll(async () => {
    server = await startServer()
    ;(window as unknown as { happyDOM: { setURL(url: string): void } }).happyDOM.setURL(`${server.url}/`)
    pabal = connect()
  })
  afterAll(async () => {
    pabal.close()
    await server.stop()
  })

  function Room({ name }: { name: string }) {
    const entries = useChannel<number>(pabal, name, { since: 'all' })
    const scores = useLatest<number>(pabal, name, { by: 'key' })
    const members = usePresence(pabal, name)
    const { state } = useStatus(pabal)
    const latest = [...scores].map(([key, { data }]) => key + data)
    return `${state} ${entries.map((entry) => entry.data)} ${latest} ${members.length}`
  }

  test('shows what is published, through a change of channels', async () => {
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: false })
    const shown = (text: string) => until(text, () => !!place.textContent?.startsWith(text))
    root.render(createElement(StrictMode, null, createElement(Room, { name: 'room/a' })))
    await pabal.channel<number>('room/a').publish(1, { key: 'x' })
    await pabal.channel<number>('room/a').publish(2, { key: 'x' })
    await shown('live 1,2 x2 0')
    await pabal.channel('room/a').presence.enter()
    await shown('live 1,2 x2 1')
    await pabal.channel<number>('room/b').publish(3)
    root.render(createElement(StrictMode, null, createElement(Room, { name: 'room/b' })))
    await shown('live 3 3 0')
    await pabal.channel<number>('room/b').publish(4)
    await shown('live 3,4 4 0')
    root.render(createElement(StrictMode, null, createElement(Room, { name: 'room/a' })))
    await shown('live 1,2 x2')
    root.render(null)
    await until('nothing is read', () => pabal.status.state === 'idle')
    Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true })
  })
})
