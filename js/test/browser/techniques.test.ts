import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, truth, until, type Server } from '../server.ts'
import { got, open, read, startBrowser, startSite, status, type Site } from './world.ts'

let server: Server
let site: Site
let browser: Browser

beforeAll(async () => {
  site = await startSite()
  server = await startServer(['--allow-origin', site.origin])
  browser = await startBrowser()
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
  await site?.stop()
})

const techniques = ['websocket', 'sse', 'eventsource', 'stream', 'longpoll', 'poll']

describe.each(techniques)('%s', (technique) => {
  test('reads and publishes', async () => {
    const context = await browser.newContext()
    const page = await open(context, site)
    await read(page, server.url, `t/${technique}`, { techniques: [technique] })
    await page.evaluate(async (name) => {
      const channel = window.made.client.channel(name)
      await channel.publish('text')
      await channel.publish({ json: [1, 2] }, { type: 'typed', key: 'k' })
      await channel.publish(new Uint8Array([255, 0]))
    }, `t/${technique}`)
    await until('all have come', async () => (await got(page)).length === 3)
    expect(await got(page)).toEqual(['text', { json: [1, 2] }, '/wA='])
    expect(await status(page)).toMatchObject({ state: 'live', technique })
    await context.close()
  })

  test('is present, sees who is, asks and is answered', async () => {
    const context = await browser.newContext()
    const page = await open(context, site)
    const name = `p/${technique}`
    await read(page, server.url, name, { techniques: [technique] })
    const seen = await page.evaluate(async (name) => {
      const channel = window.made.client.channel(name)
      let members: unknown[] = []
      channel.presence.watch((now) => (members = now))
      await channel.presence.enter({ name: 'Kim' })
      for (let i = 0; i < 200 && !members.length; i++) await new Promise((resolve) => setTimeout(resolve, 20))
      return members
    }, name)
    expect(seen).toMatchObject([{ data: { name: 'Kim' } }])
    const answering = answer(server.url, name)
    const answered = await page.evaluate(async (name) => {
      const parts: unknown[] = []
      const data = await window.made.client.channel(name).call({ item: 3 }, { part: (part) => parts.push(part) })
      return { data, parts }
    }, name)
    await answering
    expect(answered).toEqual({ data: { price: 90 }, parts: ['looking'] })
    await context.close()
  })
})

test('the same message is published once, whatever happens to its request', async () => {
  const context = await browser.newContext()
  const page = await open(context, site)
  await read(page, server.url, 'once', { techniques: ['sse'] })
  let dropped = 0
  // The first answer is lost on its way.
  await page.route('**/commands?*', async (route) => {
    if (dropped++) return route.continue()
    await route.fetch()
    await route.abort('connectionreset')
  })
  const published = await page.evaluate(() => window.made.client.channel('once').publish('mine'))
  expect(published.duplicate).toBe(true)
  expect((await truth(server.url, 'once')).map((entry) => entry.data)).toEqual(['mine'])
  await context.close()
})

/** Answers the one call that comes, in two parts. */
async function answer(url: string, channel: string): Promise<void> {
  for (;;) {
    const response = await fetch(`${url}/channels/$calls/${channel}?via=longpoll&wait=10&since=all`)
    if (response.status === 204) continue
    const { entries } = (await response.json()) as { entries: { data: { ref: string } }[] }
    if (!entries.length) continue
    const { ref } = entries[0]!.data
    const commands = [
      { id: 1, command: 'answer', channel, ref, type: 'part', data: 'looking' },
      { id: 2, command: 'answer', channel, ref, data: { price: 90 } },
    ]
    await fetch(`${url}/commands`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-ndjson' },
      body: commands.map((command) => JSON.stringify(command)).join('\n'),
    })
    return
  }
}
