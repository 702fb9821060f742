import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { withEventSource, withPabal } from '../src/home/ownpage.ts'
import { read, startBrowser, startServer, turn, visit, type Server } from './world.ts'

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const pane = (page: Page, n: number) => page.locator('.pane').nth(n)
const linesOf = (page: Page, n: number) => pane(page, n).locator('.said > span').allTextContents()
const texts = async (origin: string) => (await read<string>(origin, 'chat')).map(({ data }) => data)
const publish = (origin: string, text: string) => fetch(`${origin}/channels/chat`, { method: 'POST', body: text })

async function say(page: Page, n: number, text: string) {
  await pane(page, n).getByRole('textbox').fill(text)
  await page.keyboard.press('Enter')
}

async function live(page: Page) {
  for (const n of [0, 1]) await pane(page, n).getByRole('status').getByText('Live by').waitFor()
}

/** What both windows show is the end of the server's own log. */
async function agrees(page: Page, origin: string) {
  await expect.poll(async () => {
    const log = await texts(origin)
    for (const n of [0, 1]) {
      const shown = await linesOf(page, n)
      if (!shown.length || String(shown) !== String(log.slice(-shown.length))) return { n, shown, log }
    }
    return 'yes'
  }, { timeout: 10_000 }).toBe('yes')
}

test('two windows on one page chat, and show what was published anywhere', async () => {
  const { page, complaints } = await visit(browser, server.origin)
  await live(page)
  await say(page, 0, 'hello <b>파발</b>')
  await pane(page, 1).getByText('hello <b>파발</b>', { exact: true }).waitFor()
  await say(page, 1, 'and back')
  await pane(page, 0).getByText('and back', { exact: true }).waitFor()
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' } // as curl -d says, whatever it sends
  await fetch(`${server.origin}/channels/chat`, { method: 'POST', body: 'from outside', headers })
  await pane(page, 0).getByText('from outside').waitFor()
  await agrees(page, server.origin)
  expect(await pane(page, 0).locator('.own').allTextContents()).toEqual(['hello <b>파발</b>'])
  const second = await visit(browser, server.origin)
  await agrees(second.page, server.origin)
  await say(second.page, 0, 'from another browser')
  await pane(page, 1).getByText('from another browser').waitFor()
  expect([...complaints, ...second.complaints]).toEqual([])
  await second.page.context().close()
  await page.context().close()
})

for (const [technique, name] of [
  ['eventsource', 'EventSource'],
  ['stream', 'HTTP stream'],
  ['websocket', 'WebSocket'],
  ['longpoll', 'Long poll'],
  ['poll', 'Interval poll'],
] as const) {
  test(`cut off and connected again it catches up: ${name}`, async () => {
    const { page, complaints } = await visit(browser, server.origin)
    await live(page)
    await pane(page, 1).getByRole('combobox').selectOption(technique)
    const status = pane(page, 1).getByRole('status')
    await status.getByText(`Live by ${name}`).waitFor()
    await publish(server.origin, `before the cut of ${name}`)
    await pane(page, 1).getByText(`before the cut of ${name}`).waitFor()
    await pane(page, 1).getByRole('button', { name: 'Cut: Second window' }).click()
    const before = await linesOf(page, 1)
    for (const i of [1, 2]) await publish(server.origin, `${name} ${i}`)
    await say(page, 0, `${name} 3`)
    await status.getByText('Cut off, 3 messages behind the other').waitFor()
    expect(await linesOf(page, 1)).toEqual(before)
    await say(page, 1, `later by ${name}`)
    await pane(page, 1).getByText('not sent yet').waitFor()
    await pane(page, 1).getByRole('button', { name: 'Connect: Second window' }).click()
    await pane(page, 1).getByText('3 came meanwhile').waitFor()
    await status.getByText(`Live by ${name}`).waitFor()
    await pane(page, 0).getByText(`later by ${name}`).waitFor()
    await pane(page, 1).getByText('not sent yet').waitFor({ state: 'detached' })
    await agrees(page, server.origin)
    expect((await texts(server.origin)).filter((text) => text === `later by ${name}`).length).toBe(1)
    expect(complaints).toEqual([])
    await page.context().close()
  })
}

test('another technique in the middle of things: nothing lost, nothing twice', async () => {
  const { page } = await visit(browser, server.origin)
  await live(page)
  const flow = (async () => {
    for (let i = 0; i < 60; i++) {
      await publish(server.origin, `flow ${i}`)
      await new Promise((done) => setTimeout(done, 25))
    }
  })()
  for (const technique of ['poll', 'stream', 'longpoll', 'websocket', 'eventsource']) {
    await pane(page, 1).getByRole('combobox').selectOption(technique)
    await page.waitForTimeout(200)
  }
  await flow
  await pane(page, 1).getByText('flow 59', { exact: true }).waitFor()
  await agrees(page, server.origin)
  const shown = (await linesOf(page, 1)).filter((text) => text.startsWith('flow'))
  expect(shown).toEqual(Array.from({ length: 60 }, (_, i) => `flow ${i}`))
  await page.context().close()
})

test('a closed channel is shown as that, and begins anew once it was deleted', async () => {
  const channel = `${server.origin}/channels/chat`
  const { page, complaints } = await visit(browser, server.origin)
  await live(page)
  await fetch(`${channel}?close`, { method: 'POST', body: 'the last' })
  try {
    for (const n of [0, 1]) {
      await pane(page, n).getByRole('status').getByText('Closed', { exact: true }).waitFor()
      await pane(page, n).getByText('the last', { exact: true }).waitFor()
      await pane(page, n).getByText(`curl -X DELETE ${channel}`).waitFor()
    }
    await page.reload({ waitUntil: 'domcontentloaded' })
    for (const n of [0, 1]) await pane(page, n).getByRole('status').getByText('Closed', { exact: true }).waitFor()
  } finally {
    await fetch(channel, { method: 'DELETE' })
  }
  for (const n of [0, 1]) await pane(page, n).getByRole('button', { name: 'Connect' }).click()
  await live(page)
  await publish(server.origin, 'anew')
  for (const n of [0, 1]) await pane(page, n).getByText('anew', { exact: true }).waitFor()
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a page that nobody sees lets go, and has missed nothing when it is seen again', async () => {
  const { page } = await visit(browser, server.origin)
  await live(page)
  await turn(page, 'hidden')
  const readers = async () => (await fetch(`${server.origin}/channels/chat`, { method: 'HEAD' })).headers.get('Pabal-Readers')
  await expect.poll(readers).toBe('0')
  await publish(server.origin, 'while nobody looked')
  await turn(page, 'visible')
  for (const n of [0, 1]) await pane(page, n).getByText('while nobody looked').waitFor()
  await agrees(page, server.origin)
  await page.context().close()
})

test('a channel that was closed while the page could not hear of it, by each technique', async () => {
  for (const technique of ['eventsource', 'stream', 'longpoll', 'poll']) {
    const { page } = await visit(browser, server.origin)
    await live(page)
    await publish(server.origin, `until ${technique}`)
    await pane(page, 1).getByText(`until ${technique}`).waitFor()
    await pane(page, 1).getByRole('combobox').selectOption(technique)
    await live(page)
    await turn(page, 'hidden')
    await fetch(`${server.origin}/channels/chat?close`, { method: 'POST' })
    try {
      await turn(page, 'visible')
      for (const n of [0, 1]) await pane(page, n).getByRole('status').getByText('Closed', { exact: true }).waitFor()
    } finally {
      await fetch(`${server.origin}/channels/chat`, { method: 'DELETE' })
    }
    await page.context().close()
  }
})

test('a server that stops is waited for', async () => {
  let other = await startServer()
  const { page } = await visit(browser, other.origin)
  try {
    await live(page)
    await other.stop()
    for (const n of [0, 1]) await pane(page, n).getByRole('status').getByText('Connecting').waitFor()
    other = await startServer({ listen: new URL(other.origin).host })
    await live(page)
  } finally {
    await other.stop()
    await page.context().close()
  }
})

test('cut off from a server that comes back without its log, it says that nothing came, and goes on', async () => {
  let other = await startServer()
  const { page } = await visit(browser, other.origin)
  try {
    await live(page)
    await publish(other.origin, 'of the first log')
    await pane(page, 1).getByText('of the first log').waitFor()
    await pane(page, 1).getByRole('button', { name: 'Cut' }).click()
    await other.stop()
    other = await startServer({ listen: new URL(other.origin).host })
    await pane(page, 1).getByRole('button', { name: 'Connect' }).click()
    await live(page)
    await publish(other.origin, 'of the second')
    for (const n of [0, 1]) await pane(page, n).getByText('of the second').waitFor()
    expect(await pane(page, 1).locator('.between').allTextContents()).toEqual(['nothing came meanwhile'])
  } finally {
    await other.stop()
    await page.context().close()
  }
})

test('the commands have this server’s address, and are copied whole', async () => {
  const { page, complaints } = await visit(browser, server.origin, { permissions: ['clipboard-read', 'clipboard-write'] })
  const expected = [
    `curl -d hello ${server.origin}/channels/chat`,
    `curl -N "${server.origin}/channels/chat?via=sse&since=all"`,
    "new EventSource('/channels/chat').onmessage = e => console.log(e.data)",
  ]
  await page.waitForFunction((n) => document.querySelectorAll('.command').length === n, expected.length)
  expect(await page.locator('.command code').allTextContents()).toEqual(expected)
  for (const [i, text] of expected.entries()) {
    await page.locator('.command button').nth(i).click()
    await page.locator('.command button').nth(i).getByText('Copied').waitFor()
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(text)
  }
  expect(complaints).toEqual([])
  await page.context().close()
})

test('every technique of the table answers at its link', async () => {
  const { page } = await visit(browser, server.origin)
  await page.locator('.techniques').waitFor()
  const links = await page.locator('.techniques a').evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href))
  expect(links.length).toBe(8)
  await publish(server.origin, 'for the long poll')
  for (const link of links) {
    const stop = new AbortController()
    const response = await fetch(link, { signal: stop.signal })
    expect(response.status, link).toBe(200)
    if (link.includes('jsonp')) expect(await response.text()).toMatch(/^\/\*\*\/pabal\(/)
    stop.abort()
  }
  await page.context().close()
})

test('ten lines, copied and served by another origin, chat with this page', async () => {
  const open = await startServer({ args: ['--allow-origin', '*'] })
  const elsewhere = await serve()
  try {
    const { page, complaints } = await visit(browser, open.origin, { permissions: ['clipboard-read', 'clipboard-write'] })
    await live(page)
    await page.getByText('This server lets pages of any origin in.').waitFor()
    for (const [tab, html] of [
      ['The client', withPabal(open.origin, 'chat')],
      ['EventSource alone', withEventSource(open.origin, 'chat')],
    ] as const) {
      await page.getByRole('tab', { name: tab }).click()
      await page.getByRole('button', { name: 'Copy the page' }).click()
      await page.getByRole('button', { name: 'Copy the page' }).getByText('Copied').waitFor()
      elsewhere.html = await page.evaluate(() => navigator.clipboard.readText())
      expect(elsewhere.html).toBe(html)
      expect(html.trim().split('\n').length, tab).toBe(10)
      const errors: string[] = []
      const own = await page.context().newPage()
      own.on('pageerror', (error) => errors.push(error.message))
      await own.goto(elsewhere.origin)
      await publish(open.origin, `to ${tab}`)
      await own.locator('#list').getByText(`to ${tab}`).waitFor()
      await own.locator('#line').fill(`from ${tab}`)
      await own.keyboard.press('Enter')
      await own.locator('#list').getByText(`from ${tab}`).waitFor()
      await pane(page, 0).getByText(`from ${tab}`, { exact: true }).waitFor()
      const list = (await own.locator('#list').innerText()).trim().split('\n')
      expect(list, tab).toEqual((await texts(open.origin)).slice(-list.length))
      expect(errors, tab).toEqual([])
      await own.close()
    }
    await agrees(page, open.origin)
    expect(complaints).toEqual([])
    await page.context().close()
  } finally {
    elsewhere.close()
    await open.stop()
  }
})

test('where pages of other origins are not let in, it says how to', async () => {
  const { page } = await visit(browser, server.origin)
  await page.getByText("pabal serve --allow-origin '*'").waitFor()
  await page.context().close()
})

/** Serves one page of one's own, from another origin than Pabal's. */
async function serve(): Promise<{ origin: string; html: string; close(): void }> {
  const http = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html')
    response.end(served.html)
  })
  await new Promise<void>((listening) => http.listen(0, '127.0.0.1', listening))
  const close = () => {
    http.close()
    http.closeAllConnections()
  }
  const served = { origin: `http://127.0.0.1:${(http.address() as AddressInfo).port}`, html: '', close }
  return served
}
