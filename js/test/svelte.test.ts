// @vitest-environment happy-dom
import { build } from 'esbuild'
import { join } from 'node:path'
import { compile } from 'svelte/compiler'
import { derived, get } from 'svelte/store'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { channelStore, latestStore, presenceStore, statusStore } from '../src/svelte.ts'
import { Fake, turn } from './fake.ts'

const here = process.cwd() // import.meta.url is no file where there is a DOM

let fake: Fake
const stops: (() => void)[] = []

beforeEach(() => {
  fake = new Fake()
})
afterEach(() => stops.splice(0).forEach((stop) => stop()))

/** The values that a store has had, the first at once. */
function watch<S>(store: { subscribe(run: (value: S) => void): () => void }): S[] {
  const values: S[] = []
  stops.push(store.subscribe((value) => values.push(value)))
  return values
}

const words = (entries: readonly { data: string }[] | undefined) => entries?.map(({ data }) => data)

test('channelStore has what comes while somebody looks, by one subscription', async () => {
  const store = channelStore<string>(fake, 'chat', { keep: 2 })
  await turn()
  expect(fake.subscriptions).toEqual([])
  const one = watch(store)
  const two = watch(store)
  expect([one, two]).toEqual([[[]], [[]]])
  await turn()
  expect(fake.open).toMatchObject([{ channel: 'chat', options: { since: 'now' } }])
  fake.say('chat', 'a')
  await turn()
  fake.say('chat', 'b')
  fake.say('chat', 'c')
  await turn()
  expect(one.map(words)).toEqual([[], ['a'], ['b', 'c']])
  expect(two).toEqual(one)
  stops.pop()!()
  await turn()
  expect(fake.open).toHaveLength(1)
  stops.pop()!()
  await turn()
  expect(fake.open).toEqual([])
})

test('who comes back sees what was there, and goes on where that ends', async () => {
  const store = channelStore<string>(fake, 'chat', { since: 'all' })
  watch(store)
  await turn()
  fake.say('chat', 'a')
  await turn()
  stops.pop()!()
  await turn()
  const again = watch(store)
  await turn()
  expect(again.map(words)).toEqual([['a']])
  expect(fake.open).toMatchObject([{ cursor: 'e-1' }])
})

test('who looks for a moment, as a server does that renders, reads nothing', async () => {
  expect(get(channelStore(fake, 'chat'))).toEqual([])
  await turn()
  expect(fake.subscriptions).toEqual([])
})

test('it is a store for the stores of Svelte', async () => {
  const count = watch(derived(channelStore(fake, 'chat'), (entries) => entries.length))
  await turn()
  fake.say('chat', 'a')
  await turn()
  expect(count).toEqual([0, 1])
})

test('an error goes to options.error', async () => {
  const error = vi.fn()
  watch(channelStore(fake, 'chat', { error }))
  await turn()
  fake.fail('chat', new Error('not for you'))
  expect(error).toHaveBeenCalledWith(new Error('not for you'))
  fake.refuses = new Error('the client is closed')
  watch(channelStore(fake, 'chat', { error }))
  await turn()
  expect(error).toHaveBeenLastCalledWith(new Error('the client is closed'))
})

test('an error that nobody hears is thrown', async () => {
  const thrown = new Promise((resolve) => {
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => {
      for (const other of others) process.on('uncaughtException', other)
      resolve(error)
    })
  })
  watch(channelStore(fake, 'chat'))
  await turn()
  fake.fail('chat', new Error('not for you'))
  expect(await thrown).toEqual(new Error('not for you'))
})

test('latestStore has the last entry, or that of each key', async () => {
  const last = watch(latestStore<number>(fake, 'score'))
  const each = watch(latestStore<number>(fake, 'score', { by: 'key' }))
  await turn()
  expect(fake.open.map(({ options: { since, only } }) => [since, only])).toEqual([['1', undefined], ['all', 'latest']])
  for (const [n, key] of [[1, 'lg'], [2, 'doosan'], [3, 'lg']] as const) fake.say('score', n, key)
  await turn()
  expect(last.map((entry) => entry?.data)).toEqual([undefined, 3])
  expect([...each.at(-1)!].map(([key, { data }]) => [key, data])).toEqual([['lg', 3], ['doosan', 2]])
})

test('presenceStore and statusStore', async () => {
  const members = watch(presenceStore(fake, 'room'))
  const status = watch(statusStore(fake))
  await turn()
  fake.here('kim', 'lee')
  fake.fares({ state: 'live', technique: 'sse' })
  expect(members).toEqual([[], [{ key: 'kim' }, { key: 'lee' }]])
  expect(status).toEqual([{ state: 'idle', technique: undefined }, { state: 'live', technique: 'sse' }])
  for (const stop of stops.splice(0)) stop()
  await turn()
  expect([fake.watchers.size, fake.listeners.size]).toEqual([0, 0])
})

test('without a client there is nothing', async () => {
  expect([get(channelStore(undefined, 'chat')), get(presenceStore(undefined, 'chat'))]).toEqual([[], []])
  expect(get(statusStore(undefined)).state).toBe('idle')
})

/** A component in the words of Svelte 5, or in those of Svelte 4, which 5 has too. */
const sources = {
  runes: `
    <script>
      import { channelStore } from 'pabal/svelte'
      let { pabal } = $props()
      let name = $state('chat')
      const entries = $derived(channelStore(pabal, name))
      export function go(to) { name = to }
    </script>
    <p>{$entries.map((entry) => entry.data).join(' ')}</p>`,
  legacy: `
    <script>
      import { channelStore } from 'pabal/svelte'
      export let pabal
      let name = 'chat'
      $: entries = channelStore(pabal, name)
      export function go(to) { name = to }
    </script>
    <p>{$entries.map((entry) => entry.data).join(' ')}</p>`,
}

interface Built {
  default: unknown
  mount(component: unknown, options: object): { go(to: string): void }
  unmount(component: object): Promise<void>
  flushSync(): void
  render(component: unknown, options: object): { body: string }
}

/** A component and what of Svelte it takes to show it, built for a browser or a server. */
async function built(words: keyof typeof sources, generate: 'client' | 'server'): Promise<Built> {
  const { js } = compile(sources[words], { generate, runes: words === 'runes', name: 'Chat' })
  const means = generate === 'client' ? `{ mount, unmount, flushSync } from 'svelte'` : `{ render } from 'svelte/server'`
  const code = js.code.replace('pabal/svelte', join(here, 'src/svelte.ts'))
  const { outputFiles } = await build({
    stdin: { contents: `${code}\nexport ${means}`, resolveDir: here },
    bundle: true,
    format: 'iife',
    globalName: 'made',
    platform: generate === 'client' ? 'browser' : 'node',
    write: false,
  })
  return new Function(`${outputFiles[0]!.text}\nreturn made`)() as Built
}

test.each(['runes', 'legacy'] as const)('$entries in a component, in the words of %s', async (words) => {
  const { default: Chat, mount, unmount, flushSync } = await built(words, 'client')
  const target = document.createElement('div')
  const settle = async () => {
    await turn()
    flushSync()
  }
  const chat = mount(Chat, { target, props: { pabal: fake } })
  await settle()
  fake.say('chat', 'a')
  await settle()
  expect(target.textContent?.trim()).toBe('a')
  chat.go('other')
  flushSync()
  await settle()
  expect(target.textContent?.trim()).toBe('')
  expect(fake.open).toMatchObject([{ channel: 'other' }])
  fake.say('other', 'b')
  await settle()
  expect(target.textContent?.trim()).toBe('b')
  await unmount(chat)
  await settle()
  expect(fake.open).toEqual([])
  expect(fake.subscriptions).toHaveLength(2)
})

test.each(['runes', 'legacy'] as const)('$entries on a server is empty and reads nothing: %s', async (words) => {
  const { default: Chat, render } = await built(words, 'server')
  expect(render(Chat, { props: { pabal: fake } }).body).toContain('<p></p>')
  await turn()
  expect(fake.subscriptions).toEqual([])
})
