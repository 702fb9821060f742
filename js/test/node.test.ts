import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { connect, PabalError, type Pabal, type Technique } from '../src/index.ts'
import { startServer, truth, until, type Server } from './server.ts'

// The client in Node, against the real server.

let server: Server
const clients: Pabal[] = []

beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())
afterEach(() => {
  for (const client of clients.splice(0)) client.close()
})

function client(...args: Parameters<typeof connect>): Pabal {
  const made = connect(args[0] ?? server.url, args[1])
  clients.push(made)
  return made
}

const techniques: Technique[] = ['sse', 'stream', 'longpoll', 'poll']

describe.each(techniques)('%s', (technique) => {
  test('what is published is read, once, in order', async () => {
    const pabal = client(server.url, { techniques: [technique] })
    const name = `all/${technique}`
    const got: unknown[] = []
    const channel = pabal.channel(name)
    await channel.publish('before')
    channel.subscribe((entry) => got.push(entry.data), { since: 'all' })
    for (let n = 0; n < 20; n++) await channel.publish({ n })
    await until('all have come', () => got.length === 21)
    expect(got).toEqual((await truth(server.url, name)).map((entry) => entry.data))
    expect(pabal.status).toMatchObject({ state: 'live', technique })
  })

  test('several channels, joined while it reads', async () => {
    const pabal = client(server.url, { techniques: [technique] })
    const got: string[] = []
    for (const name of ['a', 'b', 'c']) {
      const channel = pabal.channel<string>(`several/${technique}/${name}`)
      channel.subscribe((entry) => got.push(`${entry.channel.at(-1)} ${entry.data}`), { since: 'all' })
      await channel.publish('one')
      await until(`${name} is read`, () => got.includes(`${name} one`))
    }
    await pabal.channel(`several/${technique}/a`).publish('two')
    await until('a goes on', () => got.includes('a two'))
    expect(got).toEqual(['a one', 'b one', 'c one', 'a two'])
  })
})

test('hops between techniques lose and repeat nothing', async () => {
  const pabal = client(server.url, { techniques })
  const channel = pabal.channel<number>('hops')
  const got: number[] = []
  channel.subscribe((entry) => got.push(entry.data), { since: 'all' })
  let sent = 0
  let over = false
  const publishing = (async () => {
    while (!over) await channel.publish(sent++)
  })()
  for (let i = 0; i < 24; i++) {
    const technique = techniques[(i * 7) % 4]!
    await pabal.hop(technique)
    expect(pabal.status).toMatchObject({ state: 'live', technique })
  }
  over = true
  await publishing
  await until('all have come', () => got.length >= sent)
  expect(got).toEqual(Array.from({ length: sent }, (_, n) => n))
})

test('async iteration, and who begins later begins where it asks to', async () => {
  const pabal = client()
  const channel = pabal.channel<number>('iterate')
  for (let n = 0; n < 5; n++) await channel.publish(n)
  const live: number[] = []
  channel.subscribe((entry) => live.push(entry.data), { since: '2' })
  await until('the last two have come', () => live.length === 2)
  const all: number[] = []
  for await (const entry of channel.entries({ since: 'all' })) {
    all.push(entry.data)
    if (entry.data === 4) await channel.publish(5)
    if (entry.data === 5) break
  }
  expect(all).toEqual([0, 1, 2, 3, 4, 5])
  expect(live).toEqual([3, 4, 5])
})

test('what is refused is said', async () => {
  const pabal = client()
  await expect(pabal.channel('a b').publish(1)).rejects.toBeInstanceOf(PabalError)
  const errors: unknown[] = []
  pabal.channel('a b').subscribe(() => {}, { error: (error) => errors.push(error) })
  const good: unknown[] = []
  pabal.channel('good').subscribe((entry) => good.push(entry.data), { since: 'all' })
  await until('it is refused', () => errors.length === 1)
  expect(errors[0]).toMatchObject({ status: 400 })
  await pabal.channel('good').publish('still')
  await until('the other is read', () => good.length === 1)
})

test('a closed channel ends its subscriptions', async () => {
  const pabal = client()
  const channel = pabal.channel('closing')
  await channel.publish('last')
  const subscription = channel.subscribe(() => {}, { since: 'all' })
  await until('it is read', () => subscription.cursor !== undefined)
  await fetch(`${server.url}/channels/closing?close`, { method: 'POST' })
  await subscription.ended
  await until('nothing is left to read', () => pabal.status.state === 'idle')
})
