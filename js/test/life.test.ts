import { afterAll, beforeAll, expect, test } from 'vitest'
import { connect } from '../src/index.ts'
import { startServer, until, type Server } from './server.ts'

// What is begun and ended again and again, and what a listener does wrong.

let server: Server
beforeAll(async () => {
  server = await startServer()
})
afterAll(() => server.stop())

const readers = async (channel: string): Promise<number> =>
  Number((await fetch(`${server.url}/channels/${channel}`, { method: 'HEAD' })).headers.get('Pabal-Readers'))

test('subscribing and stopping in quick succession leaves nothing behind', async () => {
  const pabal = connect(server.url, { techniques: ['sse', 'longpoll'] })
  const channel = pabal.channel<number>('quick')
  for (let i = 0; i < 30; i++) {
    const subscription = channel.subscribe(() => {})
    if (i % 3 === 0) await new Promise((resolve) => setTimeout(resolve, i))
    subscription.stop()
  }
  expect(pabal.status.state).toBe('idle')
  await until('nobody reads', async () => (await readers('quick')) === 0)
  const got: number[] = []
  channel.subscribe((entry) => got.push(entry.data), { since: 'all' })
  await channel.publish(1)
  await until('it has come', () => got.length === 1)
  expect(await readers('quick')).toBe(1)
  pabal.close()
  expect(pabal.status.state).toBe('closed')
  await until('nobody reads', async () => (await readers('quick')) === 0)
  expect(() => channel.subscribe(() => {})).toThrow('closed')
  await expect(channel.publish(2)).rejects.toThrow('closed')
})

test('a listener that throws takes nothing from the others, and its error is told', async () => {
  const pabal = connect(server.url, { techniques: ['stream'] })
  const channel = pabal.channel<number>('throws')
  const errors: unknown[] = []
  const before = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException')
  process.on('uncaughtException', (error) => errors.push(error.message))
  try {
    const got: number[] = []
    channel.subscribe(() => {
      throw new Error('mine')
    }, { since: 'all' })
    channel.subscribe((entry) => got.push(entry.data), { since: 'all' })
    for (const n of [1, 2, 3]) await channel.publish(n)
    await until('all have come', () => got.length === 3)
    await until('its errors are told', () => errors.length === 3)
    expect(errors).toEqual(['mine', 'mine', 'mine'])
  } finally {
    process.removeAllListeners('uncaughtException')
    for (const listener of before) process.on('uncaughtException', listener)
  }
  pabal.close()
})

test('closing gives up what waits', async () => {
  const pabal = connect('http://127.0.0.1:1', { techniques: ['sse'] })
  const publishing = pabal.channel('nowhere').publish(1)
  const ended = pabal.channel('nowhere').subscribe(() => {})
  await until('it waits', () => pabal.status.state === 'waiting')
  expect(pabal.status.retryAt).toBeGreaterThan(Date.now() - 5000)
  pabal.close()
  await expect(publishing).rejects.toThrow('closed')
  ended.stop()
})

test('a publish that is given up is not sent', async () => {
  const pabal = connect('http://127.0.0.1:1')
  const abort = new AbortController()
  const publishing = pabal.channel('nowhere').publish(1, { signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(publishing).rejects.toThrow('enough')
  pabal.close()
})

test('what cannot be is said at once', () => {
  for (const url of ['nonsense', 'localhost:8080', 'htp://a', undefined]) expect(() => connect(url)).toThrow("give the server's URL")
  expect(() => connect(server.url, { techniques: ['carrier pigeon' as 'sse'] })).toThrow('carrier pigeon is none of websocket')
  expect(() => connect(server.url, { techniques: [] })).toThrow('no technique')
})
