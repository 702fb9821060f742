// @vitest-environment happy-dom
import { Component, h, render, type ComponentChild, type ComponentChildren } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Entry } from '../src/index.ts'
import { useChannel, useLatest, usePresence, useStatus, type ChannelOptions } from '../src/preact.ts'
import { Fake, turn } from './fake.ts'

let fake: Fake
let place: HTMLElement
const seen: (readonly Entry<string>[])[] = []

beforeEach(() => {
  fake = new Fake()
  place = document.createElement('div')
  seen.splice(0)
})
afterEach(() => act(() => render(null, place)))

/** Has done done, and all that comes of it shown. */
async function after(done: () => void): Promise<void> {
  await act(done)
  await act(turn)
}
const show = (node: ComponentChild): Promise<void> => after(() => render(node, place))

function Chat({ name = 'chat', options = {} }: { name?: string; options?: ChannelOptions }) {
  const entries = useChannel<string>(fake, name, { ...options })
  seen.push(entries)
  return entries.map((entry) => entry.data).join(' ')
}

test('useChannel shows what comes while it is mounted, by one subscription', async () => {
  await show(h(Chat, null))
  expect(fake.open).toMatchObject([{ channel: 'chat', options: { since: 'now' } }])
  await after(() => fake.say('chat', 'a'))
  await after(() => fake.say('chat', 'b'))
  expect(place.textContent).toBe('a b')
  await show(null)
  expect(fake.open).toEqual([])
  expect(fake.subscriptions).toHaveLength(1)
})

test('useChannel gives another array only when it is another, and keeps the newest', async () => {
  await show(h(Chat, { options: { keep: 2 } }))
  await after(() => ['a', 'b', 'c'].forEach((word) => fake.say('chat', word)))
  await show(h(Chat, { options: { keep: 2 } }))
  expect(place.textContent).toBe('b c')
  expect(new Set(seen).size).toBe(2)
  expect(fake.subscriptions).toHaveLength(1)
})

test('useChannel begins anew when the name or the options say something else', async () => {
  await show(h(Chat, null))
  await after(() => fake.say('chat', 'a'))
  await show(h(Chat, { name: 'other' }))
  expect(place.textContent).toBe('')
  await show(h(Chat, { name: 'other', options: { since: 'all' } }))
  expect(fake.open).toMatchObject([{ channel: 'other', options: { since: 'all' } }])
  expect(fake.subscriptions).toHaveLength(3)
})

test('useChannel calls the listeners of the last rendering', async () => {
  const notice = vi.fn()
  await show(h(Chat, { options: { notice: () => expect.unreachable() } }))
  await show(h(Chat, { options: { notice } }))
  fake.tell('chat', { notice: '$live' })
  expect(notice).toHaveBeenCalledWith({ notice: '$live' })
})

class Boundary extends Component<{ children?: ComponentChildren }, { said?: string }> {
  override componentDidCatch(error: Error) {
    this.setState({ said: error.message })
  }
  override render() {
    return this.state.said ?? this.props.children
  }
}

test('an error goes to the error boundary', async () => {
  await show(h(Boundary, null, h(Chat, null)))
  await after(() => fake.fail('chat', new Error('not for you')))
  expect(place.textContent).toBe('not for you')
  await show(null)
  fake.refuses = new Error('the client is closed')
  await show(h(Boundary, null, h(Chat, null)))
  expect(place.textContent).toBe('the client is closed')
})

test('an error goes to options.error, if there is one', async () => {
  const error = vi.fn()
  await show(h(Chat, { options: { error } }))
  await after(() => fake.say('chat', 'a'))
  await after(() => fake.fail('chat', new Error('not for you')))
  expect(error).toHaveBeenCalledWith(new Error('not for you'))
  expect(place.textContent).toBe('a')
})

test('useLatest has the last entry, or that of each key', async () => {
  function Score() {
    const each = useLatest<number>(fake, 'score', { by: 'key' })
    return `${useLatest<number>(fake, 'score')?.data} ${[...each].map(([key, { data }]) => `${key}=${data}`)}`
  }
  await show(h(Score, null))
  await after(() => fake.say('score', 1, 'lg'))
  await after(() => fake.say('score', 2, 'doosan'))
  await after(() => fake.say('score', 3, 'lg'))
  expect(place.textContent).toBe('3 lg=3,doosan=2')
})

test('usePresence and useStatus', async () => {
  function Here() {
    const { state } = useStatus(fake)
    return `${state}: ${usePresence(fake, 'room').map(({ key }) => key)}`
  }
  fake.status = { state: 'connecting', technique: undefined }
  await show(h(Here, null))
  expect(place.textContent).toBe('connecting: ')
  await after(() => {
    fake.here('kim', 'lee')
    fake.fares({ state: 'live', technique: 'sse' })
  })
  expect(place.textContent).toBe('live: kim,lee')
  await show(null)
  expect([fake.watchers.size, fake.listeners.size]).toEqual([0, 0])
})

test('what is shown already is not rendered anew', async () => {
  let times = 0
  function Page() {
    times++
    return useStatus(fake).state
  }
  await show(h(Page, null))
  expect(times).toBe(1)
  await after(() => fake.fares({ state: 'live', technique: 'sse' }))
  expect(times).toBe(2)
})

test('what changes between rendering and listening is shown', async () => {
  function Page() {
    const { state } = useStatus(fake)
    fake.status = live
    return state
  }
  const live = { state: 'live', technique: 'sse' } as const
  await show(h(Page, null))
  expect(place.textContent).toBe('live')
})

test('without a client there is nothing, until there is one', async () => {
  function Page({ pabal }: { pabal?: Fake }) {
    return `${useStatus(pabal).state} ${useChannel(pabal, 'chat').length} ${usePresence(pabal, 'chat').length}`
  }
  await show(h<{ pabal?: Fake }>(Page, {}))
  expect(place.textContent).toBe('idle 0 0')
  await show(h<{ pabal?: Fake }>(Page, { pabal: fake }))
  await after(() => fake.say('chat', 'a'))
  expect(place.textContent).toBe('idle 1 0')
})
