import { mkdirSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { barriers, read, startBrowser, startServer, visit, type Server } from './world.ts'

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const techniques = ['websocket', 'sse', 'stream', 'eventsource', 'longpoll', 'poll']

test('two windows on different techniques: one is cut, the other goes on, and both have what the server has', async () => {
  const [a, b] = [await enter('hop', { by: 'longpoll' }), await enter('hop', { by: 'eventsource' })]
  await a.page.getByText('Live by Long poll').waitFor()
  await b.page.getByText('Live by EventSource').waitFor()
  await say(a.page, 'one from a')
  await say(b.page, 'one from b')
  await shown(a.page, 2)
  await a.page.getByRole('button', { name: 'Cut' }).click()
  await a.page.getByText('Cut off').waitFor()
  for (const n of [1, 2, 3]) await say(b.page, `while a is cut ${n}`)
  await say(a.page, 'written while cut')
  await a.page.getByText('not sent yet').waitFor()
  expect(await texts(a.page)).toEqual(['one from a', 'one from b'])
  await a.page.getByRole('button', { name: 'Connect', exact: true }).click()
  await a.page.getByText('3 messages came while this window was cut').waitFor()
  await a.page.getByText('not sent yet').waitFor({ state: 'detached' })
  await agree('hop', [a.page, b.page], 6)
  expect((await texts(a.page)).at(-1)).toBe('written while cut')
  expect(a.complaints).toEqual([])
  expect(b.complaints).toEqual([])
  await leave(a, b)
})

test('by every technique in turn, without a gap', async () => {
  const { page, complaints } = await enter('turn')
  for (const technique of techniques) {
    await page.getByLabel('Technique').selectOption(technique)
    const name = await page.locator(`option[value=${technique}]`).innerText()
    await page.getByText(`Live by ${name}`, { exact: true }).waitFor()
    await say(page, `by ${technique}`)
    await publish('turn', `elsewhere ${technique}`)
  }
  await agree('turn', [page], 2 * techniques.length)
  expect(complaints).toEqual([])
  await leave({ page })
})

test('what could not be sent outlives a reload, and is kept once', async () => {
  const { page } = await enter('outbox', { by: 'stream' })
  await page.getByText('Live by Fetch stream').waitFor()
  // The server takes the first, and its answer never comes: the page cannot know.
  let lost = false
  await page.route('**/commands**', async (route) => {
    if (lost || !route.request().postData()?.includes('first')) return route.abort()
    lost = true
    await route.fetch()
    await route.abort()
  })
  await say(page, 'first')
  await expect.poll(() => truth('outbox').then((log) => log.length)).toBe(1)
  await say(page, 'second\nof two lines')
  await page.getByText('not sent yet').first().waitFor()
  await page.reload({ waitUntil: 'domcontentloaded' })
  await page.getByText('not sent yet').first().waitFor()
  expect(await page.locator('.unsent').last().locator('span').innerText()).toBe('second\nof two lines')
  await page.unroute('**/commands**')
  await agree('outbox', [page], 2)
  expect(await texts(page)).toEqual(['first', 'second\nof two lines'])
  await page.locator('.unsent').first().waitFor({ state: 'detached' })
  await page.reload({ waitUntil: 'domcontentloaded' })
  await agree('outbox', [page], 2)
  expect(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes('unsent')))).toEqual([])
  await leave({ page })
})

test('what was written long ago is looked for in the log before it is published again', async () => {
  const id = 'written-long-ago'
  await publish('long ago', 'as it was kept', `?id=${id}`)
  const { page, complaints } = await enter('elsewhere')
  await page.getByText('Live by').waitFor()
  const long = { room: 'long ago', person: 'p', name: 'Ann', at: Date.now() - 3_600_000 }
  await page.evaluate(
    (all) => all.forEach((one) => localStorage.setItem(`pabal.chat.unsent.${one.id}`, JSON.stringify(one))),
    [{ ...long, id, text: 'as it was written' }, { ...long, id: 'never-kept', text: 'never kept' }],
  )
  await page.goto(address('long ago'), { waitUntil: 'domcontentloaded' })
  await agree('long ago', [page], 2)
  await page.locator('.unsent').waitFor({ state: 'detached' })
  expect(await texts(page)).toEqual(['as it was kept', 'never kept'])
  expect(complaints).toEqual([]) // published again with other content, the ID would be refused
  await leave({ page })
})

test('a server that stops is waited for, and what is written meanwhile is kept once', async () => {
  let other = await startServer()
  const { page } = await visit(browser, `${other.origin}/demo/chat?room=wait&lang=en`)
  const status = page.locator('.line-status')
  try {
    await status.getByText('Live by').waitFor()
    await other.stop()
    await status.getByText('No connection; trying again').waitFor()
    await say(page, 'into the dark')
    await page.getByText('not sent yet').waitFor()
    other = await startServer({ listen: new URL(other.origin).host })
    await status.getByText('Live by').waitFor({ timeout: 40_000 })
    await page.locator('[data-cursor]').getByText('into the dark').waitFor({ timeout: 40_000 })
    expect((await truth('wait', other.origin)).map(([, text]) => text)).toEqual(['into the dark'])
  } finally {
    await other.stop()
    await leave({ page })
  }
})

test('a device without a network says so, and goes on by itself', async () => {
  const { page } = await enter('offline', { by: 'sse' })
  await page.getByText('Live by SSE').waitFor()
  await page.context().setOffline(true)
  await page.getByText('This device is offline').waitFor()
  await say(page, 'for later')
  await publish('offline', 'meanwhile')
  await page.getByText('not sent yet').waitFor()
  await page.context().setOffline(false)
  await agree('offline', [page], 2)
  await page.locator('.unsent').waitFor({ state: 'detached' })
  await leave({ page })
})

test('older messages come as one scrolls up, and the place stays', async () => {
  for (let n = 0; n < 140; n++) await publish('past', `message ${n}`)
  const { page, complaints } = await enter('past')
  await shown(page, 50)
  const log = page.getByRole('log')
  await expect.poll(() => log.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight)).toBeLessThan(2)
  const first = log.locator('[data-cursor]', { hasText: /^message 90$/ })
  // In one go, as the older ones come soon.
  const before = await first.evaluate((li) => {
    li.closest('[role=log]')!.scrollTop = 30
    return li.getBoundingClientRect().top
  })
  await shown(page, 100)
  expect(Math.abs((await first.evaluate((li) => li.getBoundingClientRect().top)) - before)).toBeLessThan(60)
  await say(page, 'mine') // one's own is shown, wherever one was
  await expect.poll(() => log.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight)).toBeLessThan(2)
  for (let n = 0; n < 3; n++) await log.evaluate((list) => (list.scrollTop = 0))
  await page.getByText('This is where the room begins').waitFor()
  await page.getByRole('button', { name: 'Newest' }).click()
  await page.getByRole('button', { name: 'Newest' }).waitFor({ state: 'detached' })
  await agree('past', [page], 141)
  expect(complaints).toEqual([])
  await leave({ page })
})

test('who is here: tabs of one person are one name, and who writes is seen for some seconds', async () => {
  const [a, b] = [await enter('here', { by: 'websocket' }), await enter('here', { by: 'poll' })]
  await rename(a.page, 'Ann')
  await rename(b.page, 'Bora')
  const second = await a.page.context().newPage()
  await second.goto(a.page.url(), { waitUntil: 'domcontentloaded' })
  for (const page of [a.page, b.page, second]) {
    await page.getByRole('heading', { name: 'Here: 2' }).waitFor()
    await page.getByText('2 windows').waitFor()
    expect((await page.locator('.people b').allInnerTexts()).sort()).toEqual(['Ann', 'Bora'])
  }
  await a.page.getByLabel('Message', { exact: true }).pressSequentially('he')
  await b.page.getByText('Ann is typing').waitFor()
  expect(await second.getByText('is typing').count()).toBe(0) // it is oneself
  await b.page.getByText('Ann is typing').waitFor({ state: 'detached', timeout: 8000 })
  await a.page.getByLabel('Message', { exact: true }).pressSequentially('llo')
  await b.page.getByText('Ann is typing').waitFor()
  await a.page.keyboard.press('Enter')
  await b.page.locator('[data-cursor]').getByText('hello', { exact: true }).waitFor()
  await b.page.getByText('Ann is typing').waitFor({ state: 'detached', timeout: 3000 })
  await second.close()
  await b.page.getByText('2 windows').waitFor({ state: 'detached', timeout: 15_000 })
  await b.page.getByRole('heading', { name: 'Here: 2' }).waitFor()
  await a.page.context().close()
  await b.page.getByRole('heading', { name: 'Here: 1' }).waitFor({ timeout: 15_000 })
  expect(b.complaints).toEqual([])
  await leave(b)
})

test('rooms by name in any script, and text is only text', async () => {
  const { page, complaints } = await enter('한 마당', { by: 'websocket' })
  await page.getByText('Live by WebSocket').waitFor()
  await say(page, '<img src=x onerror=alert(1)> https://example.org')
  await shown(page, 1)
  expect(await page.getByRole('log').locator('a, img').count()).toBe(0)
  await page.getByLabel('Room', { exact: true }).fill('a/b')
  await page.getByRole('button', { name: 'Enter', exact: true }).click()
  await page.getByText('No message yet.').waitFor()
  expect(new URL(page.url()).searchParams.get('room')).toBe('a/b')
  await page.goBack()
  await shown(page, 1)
  expect(complaints).toEqual([])
  await leave({ page })
})

test('Enter sends and Shift + Enter is a new line, but not while Hangul is composed', async () => {
  const { page } = await enter('keys')
  const area = page.getByLabel('Message', { exact: true })
  await area.focus()
  await page.keyboard.type('a')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('b')
  const composing = { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }
  await area.evaluate((area, init) => area.dispatchEvent(new KeyboardEvent('keydown', init)), composing)
  expect(await area.inputValue()).toBe('a\nb')
  await page.keyboard.press('Enter')
  expect(await area.inputValue()).toBe('')
  await shown(page, 1)
  expect(await texts(page)).toEqual(['a\nb'])
  await leave({ page })
})

test('what the server does not take says why, and can be discarded', async () => {
  const small = await startServer({ args: ['--max-message', '1KiB'] })
  const { page } = await visit(browser, `${small.origin}/demo/chat?room=big&lang=en`)
  try {
    await page.getByText('Live by').waitFor()
    await say(page, 'x'.repeat(2000))
    await page.getByText('not taken: ').waitFor()
    await page.getByRole('button', { name: 'Discard' }).click()
    await page.getByText('not taken: ').waitFor({ state: 'detached' })
    await say(page, 'small')
    await shown(page, 1)
  } finally {
    await leave({ page })
    await small.stop()
  }
})

const shots = process.env.SHOTS // a folder for pictures of the pages
if (shots) mkdirSync(shots, { recursive: true })

for (const [name, width, colorScheme, lang] of [
  ['wide', 1280, 'light', 'en'],
  ['wide-dark', 1280, 'dark', 'en'],
  ['wide-ko', 1280, 'light', 'ko'],
  ['phone', 360, 'light', 'en'],
  ['phone-dark-ko', 360, 'dark', 'ko'],
] as const) {
  test(`the page fits, can be read and is named: ${name}`, async () => {
    const room = `look ${name}`
    await publish(room, 'from a command line')
    const other = await enter(room)
    await rename(other.page, lang === 'ko' ? '보라' : 'Bora')
    await say(other.page, lang === 'ko' ? '안녕하세요? 반갑습니다.' : 'Good morning. Is anybody here?')
    await say(other.page, lang === 'ko' ? '이어서 한 줄 더.' : 'And one more line, so that there is a group of two.')
    const options = { colorScheme, reducedMotion: 'reduce', viewport: { width, height: 800 } } as const
    const { page, complaints } = await visit(browser, address(room, { lang }), options)
    await shown(page, 3)
    await say(page, lang === 'ko' ? '네, 여기 있어요!' : `Yes: ${'a long word'.replaceAll(' ', '').repeat(12)}`)
    await shown(page, 4)
    await page.locator('.line button').click()
    await say(page, lang === 'ko' ? '나중에 보낼 말' : 'Written while cut')
    await say(other.page, lang === 'ko' ? '그사이에 온 말' : 'Said meanwhile')
    await shown(other.page, 5)
    await page.locator('.unsent').waitFor()
    await audit(page, `${name}-cut`)
    await page.locator('.line button').click()
    await shown(page, 6)
    await page.locator('.people li').nth(1).waitFor()
    await other.page.getByLabel('Message', { exact: true }).pressSequentially('…')
    await page.locator('.typing').filter({ hasText: /./ }).waitFor()
    await audit(page, name)
    expect(complaints).toEqual([])
    await leave({ page }, other)
  })
}

async function audit(page: Page, name: string): Promise<void> {
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(tooWide, `${name} scrolls sideways`).toBeLessThanOrEqual(0)
  if (shots) await page.screenshot({ path: `${shots}/chat-${name}.png`, fullPage: true })
  expect(await barriers(page), name).toEqual([])
}

const address = (room: string, more: Record<string, string> = {}) =>
  `${server.origin}/demo/chat?${new URLSearchParams({ room, lang: 'en', ...more })}`

const enter = (room: string, more: Record<string, string> = {}) => visit(browser, address(room, more))

const leave = async (...visits: { page: Page }[]) => {
  for (const { page } of visits) await page.context().close()
}

async function say(page: Page, text: string): Promise<void> {
  const area = page.locator('.composer textarea')
  await area.fill(text)
  await area.press('Enter')
}

async function rename(page: Page, name: string): Promise<void> {
  await page.locator('.one-field input').first().fill(name)
  await page.locator('.one-field button').first().click()
}

const shown = (page: Page, n: number) =>
  expect.poll(() => page.locator('[data-cursor]').count(), { timeout: 15_000 }).toBe(n)

const texts = (page: Page) => page.locator('[data-cursor]').evaluateAll((all) => all.map((li) => li.textContent))

async function publish(room: string, text: string, query = ''): Promise<void> {
  const response = await fetch(`${server.origin}/channels/${channelOf(room)}${query}`, { method: 'POST', body: text })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}

/** The log as the server has it: cursors and texts. */
async function truth(room: string, origin = server.origin): Promise<[string, string][]> {
  const log = await read<{ text: string } | string>(origin, channelOf(room))
  return log.map(({ cursor, data }) => [cursor, typeof data === 'string' ? data : data.text])
}

const channelOf = (room: string) => `chat/${encodeURIComponent(room).replaceAll('%', ':')}`

/** Every page shows the server's log, in its order, each once. */
async function agree(room: string, pages: Page[], n: number): Promise<void> {
  const log = await expect.poll(() => truth(room), { timeout: 15_000 }).toHaveLength(n).then(() => truth(room))
  for (const page of pages) {
    const list = () =>
      page.locator('[data-cursor]').evaluateAll((all) => all.map((li) => [li.getAttribute('data-cursor'), li.textContent]))
    await expect.poll(list, { timeout: 15_000 }).toEqual(log)
  }
}
