import { createHmac, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, until, type Server } from '../server.ts'
import { got, open, read, startBrowser, startSite, status, type Site } from './world.ts'

let server: Server
let site: Site
let browser: Browser
let folder: string
const secret = randomBytes(32).toString('hex')

beforeAll(async () => {
  site = await startSite()
  folder = await mkdtemp(join(tmpdir(), 'pabal-secret-'))
  await writeFile(join(folder, 'secret'), secret)
  server = await startServer(['--allow-origin', site.origin, '--token-secret-file', join(folder, 'secret')])
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await site?.stop()
  await rm(folder, { recursive: true })
})

/** A token of kim's, good for so many seconds. */
function token(seconds: number, channels = ['*']): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: 'kim', exp: Math.floor(Date.now() / 1000) + seconds, pabal: { read: channels, publish: channels, see: channels, call: channels } }
  const text = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

describe.each(['websocket', 'sse', 'eventsource', 'stream', 'longpoll', 'poll'])('%s', (technique) => {
  test('reads and publishes with a token, which is renewed before it ends', async () => {
    const context = await browser.newContext()
    const page = await open(context, site)
    let asked = 0
    await page.exposeFunction('newToken', () => token(asked++ ? 600 : 8))
    await page.evaluate(() => {
      const options = window as unknown as { newToken: () => Promise<string>; options: object }
      options.options = { token: () => options.newToken() }
    })
    const name = `token/${technique}`
    await page.evaluate(
      ([url, name, technique]) => {
        const { options } = window as unknown as { options: object }
        const client = window.pabal.connect(url, { ...options, techniques: [technique as 'sse'] })
        window.made = { client, got: [], states: [] }
        client.onStatus((s) => window.made.states.push(s.state))
        client.channel(name).subscribe((entry) => window.made.got.push(entry.data), { since: 'all' })
      },
      [server.url, name, technique] as const,
    )
    await page.evaluate((name) => window.made.client.channel(name).publish(1), name)
    await until('it has come', async () => (await got(page)).length === 1)
    await until('another token was asked for', () => asked > 1, 15)
    await until('the first has ended', () => Date.now() > 0 && asked > 1)
    await new Promise((resolve) => setTimeout(resolve, 8500)) // past the end of the first token
    await page.evaluate((name) => window.made.client.channel(name).publish(2), name)
    await until('it has come', async () => (await got(page)).length === 2)
    expect(asked).toBeLessThan(5)
    expect(await status(page)).toMatchObject({ state: 'live', technique })
    await context.close()
  })
})

test('a channel that the token does not allow is refused, and the others are read', async () => {
  const context = await browser.newContext()
  const page = await open(context, site)
  await read(page, server.url, 'mine/a', { token: token(600, ['mine/*']) })
  await page.evaluate(() => {
    const refused: unknown[] = []
    Object.assign(window, { refused })
    window.made.client.channel('theirs').subscribe(() => {}, { error: (error) => refused.push((error as { status: number }).status) })
  })
  await until('it is refused', async () => JSON.stringify(await page.evaluate(() => (window as unknown as { refused: number[] }).refused)) === '[403]')
  await page.evaluate(() => window.made.client.channel('mine/a').publish(1))
  await until('it has come', async () => (await got(page)).length === 1)
  expect(await page.evaluate(() => window.made.client.channel('theirs').publish(1).catch((error: { status: number }) => error.status))).toBe(403)
  await context.close()
})

test('without a good token it waits, says why, and goes on with one', async () => {
  const context = await browser.newContext()
  const page = await open(context, site)
  await page.evaluate((url) => {
    const made = window as unknown as { good?: string; made: unknown }
    const client = window.pabal.connect(url, { token: () => made.good ?? 'not.a.token' })
    window.made = { client, got: [], states: [] }
    client.channel('later').subscribe((entry) => window.made.got.push(entry.data), { since: 'all' })
  }, server.url)
  await until('it waits', async () => (await status(page)).state === 'waiting')
  expect(await page.evaluate(() => window.made.client.status.reason)).toMatch(/token/i)
  await page.evaluate((token) => Object.assign(window, { good: token }), token(600))
  await until('it is live', async () => (await status(page)).state === 'live', 20)
  await context.close()
})
