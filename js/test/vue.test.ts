// @vitest-environment happy-dom
import { createApp, createSSRApp, effectScope, h, nextTick, ref, shallowRef, type App, type Component } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { useChannel, useLatest, usePresence, useStatus, type ChannelOptions } from '../src/vue.ts'
import { Fake, turn } from './fake.ts'

let fake: Fake
let place: HTMLElement
let app: App | undefined

beforeEach(() => {
  fake = new Fake()
  place = document.createElement('div')
})
afterEach(() => app?.unmount())

async function show(page: Component, settle: (app: App) => unknown = () => {}): Promise<void> {
  app = createApp(page)
  settle(app)
  app.mount(place)
  await turn()
}

async function leave(): Promise<void> {
  app?.unmount()
  app = undefined
  await turn()
}

/** Has done done, and all that comes of it shown. */
async function after(done: () => void): Promise<void> {
  done()
  await turn()
  await nextTick()
}

const chat = (name: string | (() => string) = 'chat', options: ChannelOptions | (() => ChannelOptions) = {}): Component => ({
  setup() {
    const entries = useChannel<string>(fake, name, options)
    return () => h('p', entries.value.map((entry) => entry.data).join(' '))
  },
})

test('useChannel shows what comes while it is mounted, by one subscription', async () => {
  await show(chat())
  expect(fake.open).toMatchObject([{ channel: 'chat', options: { since: 'now' } }])
  await after(() => fake.say('chat', 'a'))
  await after(() => fake.say('chat', 'b'))
  expect(place.textContent).toBe('a b')
  await leave()
  expect(fake.open).toEqual([])
  expect(fake.subscriptions).toHaveLength(1)
})

test('useChannel gives another array only when it is another, and keeps the newest', async () => {
  const scope = effectScope()
  const entries = scope.run(() => useChannel<string>(fake, 'chat', { keep: 2 }))!
  await turn()
  const before = entries.value
  expect(entries.value).toBe(before)
  await after(() => ['a', 'b', 'c'].forEach((word) => fake.say('chat', word)))
  expect(entries.value.map(({ data }) => data)).toEqual(['b', 'c'])
  expect(before).toEqual([])
  scope.stop()
  await turn()
  expect(fake.open).toEqual([])
})

test('useChannel begins anew when the name or what the options say changes', async () => {
  const name = ref('chat')
  const options = ref<ChannelOptions>({})
  await show(chat(() => name.value, () => ({ ...options.value })))
  await after(() => fake.say('chat', 'a'))
  await after(() => (options.value = {}))
  expect(fake.subscriptions).toHaveLength(1)
  await after(() => (name.value = 'other'))
  expect(place.textContent).toBe('')
  await after(() => (options.value = { since: 'all' }))
  expect(fake.open).toMatchObject([{ channel: 'other', options: { since: 'all' } }])
  expect(fake.subscriptions).toHaveLength(3)
})

test('an error is thrown where the value is read', async () => {
  const caught = vi.fn()
  await show(chat(), (app) => (app.config.errorHandler = caught))
  await after(() => fake.fail('chat', new Error('not for you')))
  expect(caught.mock.calls[0]?.[0]).toEqual(new Error('not for you'))
  await leave()
  fake.refuses = new Error('the client is closed')
  await show(chat(), (app) => (app.config.errorHandler = caught))
  expect(caught.mock.lastCall?.[0]).toEqual(new Error('the client is closed'))
})

test('an error goes to options.error, if there is one', async () => {
  const error = vi.fn()
  await show(chat('chat', { error }))
  await after(() => fake.say('chat', 'a'))
  await after(() => fake.fail('chat', new Error('not for you')))
  expect(error).toHaveBeenCalledWith(new Error('not for you'))
  expect(place.textContent).toBe('a')
})

test('useLatest has the last entry, or that of each key', async () => {
  await show({
    setup() {
      const last = useLatest<number>(fake, 'score')
      const each = useLatest<number>(fake, 'score', { by: 'key' })
      return () => `${last.value?.data} ${[...each.value].map(([key, { data }]) => `${key}=${data}`)}`
    },
  })
  await after(() => fake.say('score', 1, 'lg'))
  await after(() => fake.say('score', 2, 'doosan'))
  await after(() => fake.say('score', 3, 'lg'))
  expect(place.textContent).toBe('3 lg=3,doosan=2')
})

test('usePresence and useStatus', async () => {
  fake.status = { state: 'connecting', technique: undefined }
  await show({
    setup() {
      const status = useStatus(fake)
      const members = usePresence(fake, 'room')
      return () => `${status.value.state}: ${members.value.map(({ key }) => key)}`
    },
  })
  expect(place.textContent).toBe('connecting: ')
  await after(() => {
    fake.here('kim', 'lee')
    fake.fares({ state: 'live', technique: 'sse' })
  })
  expect(place.textContent).toBe('live: kim,lee')
  await leave()
  expect([fake.watchers.size, fake.listeners.size]).toEqual([0, 0])
})

test('on a server there is nothing yet, and the page that comes of it goes on', async () => {
  const warned = vi.spyOn(console, 'warn')
  const page: Component = {
    setup() {
      const status = useStatus(fake)
      const entries = useChannel<string>(fake, 'chat')
      return () => h('p', [status.value.state, ...entries.value.map((entry) => entry.data)].join(' '))
    },
  }
  fake.status = { state: 'live', technique: 'sse' }
  place.innerHTML = await renderToString(createSSRApp(page))
  await turn()
  expect(place.innerHTML).toBe('<p>idle</p>')
  expect(fake.subscriptions).toEqual([])
  app = createSSRApp(page)
  app.mount(place)
  await turn()
  await after(() => fake.say('chat', 'a'))
  expect(place.textContent).toBe('live a')
  expect(warned).not.toHaveBeenCalled()
})

test('without a client there is nothing, until there is one', async () => {
  const pabal = shallowRef<Fake>()
  await show({
    setup() {
      const entries = useChannel(pabal, 'chat')
      const status = useStatus(pabal)
      return () => `${status.value.state} ${entries.value.length}`
    },
  })
  expect(place.textContent).toBe('idle 0')
  await after(() => (pabal.value = fake))
  await after(() => fake.say('chat', 'a'))
  expect(place.textContent).toBe('idle 1')
})
