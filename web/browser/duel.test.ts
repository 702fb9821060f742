import { mkdirSync } from 'node:fs'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { barriers, read, startBrowser, startServer, visit, type Server, type Visit } from './world.ts'

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

test('two play to the end by different techniques, a third sees it, and a new game begins', async () => {
  const { black, white } = await begin('whole', { by: 'websocket' }, { by: 'longpoll' })
  const third = await enter('whole', { by: 'sse' })
  await third.page.getByText('You are watching.').waitFor()
  await third.page.getByText('1 watches').waitFor()
  expect(await third.page.getByRole('button', { name: 'Play' }).count()).toBe(0)
  for (let n = 0; n < 4; n++) {
    await set(black.page, 7, 4 + n)
    await set(white.page, 8, 4 + n)
  }
  await set(black.page, 7, 8)
  await black.page.getByText('You have won.').waitFor()
  for (const { page } of [white, third]) {
    await page.getByText('Black has won.').waitFor()
    expect(await page.locator('[data-wins=true]').count()).toBe(5)
    expect(await boardOf(page)).toEqual(await boardOf(black.page))
  }
  await black.page.getByRole('button', { name: 'row 7, column 8, black, winning row, last move' }).waitFor()
  const rows = await black.page.locator('.rounds tbody tr').allInnerTexts()
  expect(rows.map((row) => row.split(/\s+/).slice(0, 2))).toEqual([['WebSocket', '6']])
  await white.page.getByRole('button', { name: 'New game' }).click()
  for (const { page } of [black, white, third]) {
    await page.getByRole('heading', { name: 'Game 2' }).waitFor()
    expect(await page.locator('[data-stone]:is(button)').count()).toBe(0)
  }
  await set(white.page, 1, 1) // who was white begins
  await black.page.getByRole('button', { name: 'row 1, column 1, black, last move' }).waitFor()
  for (const visit of [black, white, third]) {
    expect(visit.complaints).toEqual([])
    await leave(visit)
  }
})

test('a reload, or a cut, within a turn changes nothing', async () => {
  const { black, white } = await begin('again')
  await set(black.page, 7, 7)
  await set(white.page, 7, 8)
  await black.page.getByText('It is your turn.').waitFor()
  const before = await boardOf(black.page)
  await black.page.reload({ waitUntil: 'domcontentloaded' })
  await black.page.getByText('It is your turn.').waitFor()
  expect(await boardOf(black.page)).toEqual(before)
  await white.page.getByRole('button', { name: 'Cut' }).click()
  await set(black.page, 8, 7)
  expect(await boardOf(white.page)).toEqual(before)
  await white.page.getByRole('button', { name: 'Connect', exact: true }).click()
  await white.page.getByText('It is your turn.').waitFor()
  expect(await boardOf(white.page)).toEqual(await boardOf(black.page))
  await set(white.page, 8, 8)
  await black.page.getByText('It is your turn.').waitFor()
  expect((await boardOf(black.page)).length).toBe(4)
  await leave(black, white)
})

test('a move that could not be sent is on its way, also past a cut, and is played once', async () => {
  const { black, white } = await begin('pending', { by: 'stream' })
  const { page } = black
  await page.route('**/commands**', (route) => route.abort())
  await place(page, 7, 7).click()
  await place(page, 7, 7, 'empty, on its way').waitFor()
  await page.getByRole('button', { name: 'Cut' }).click()
  await page.unroute('**/commands**')
  await page.getByRole('button', { name: 'Connect', exact: true }).click()
  for (const each of [page, white.page]) await place(each, 7, 7, 'black, last move').waitFor()
  expect((await read(server.origin, 'duel/pending')).length).toBe(3)
  await leave(black, white)
})

test('of two moves at the same turn one wins, and the other is told', async () => {
  const { black, white } = await begin('both')
  // A second window of the same player, which hears of nothing for a while.
  const player = await black.page.evaluate(() => sessionStorage.getItem('pabal.duel.player')!)
  const twin = await white.page.context().browser()!.newContext()
  await twin.addInitScript((player) => sessionStorage.setItem('pabal.duel.player', player), player)
  const page = await twin.newPage()
  await page.goto(address('both', { by: 'poll' }), { waitUntil: 'domcontentloaded' })
  await page.getByText('Live by Poll').waitFor()
  await page.getByText('It is your turn.').waitFor()
  await page.route('**/channels**', (route) => new Promise((resolve) => setTimeout(() => resolve(route.continue()), 2500)))
  await set(black.page, 7, 7)
  await place(page, 1, 1).click()
  await page.getByText('Another act came first.').waitFor()
  await page.unroute('**/channels**')
  for (const each of [page, black.page, white.page]) {
    await expect.poll(() => boardOf(each)).toEqual(['row 7, column 7, black, last move'])
  }
  await twin.close()
  await leave(black, white)
})

test('nonsense in the log is not there for the game, and a move after it comes through', async () => {
  const { black, white } = await begin('nonsense', { by: 'poll' }, { by: 'stream' })
  await publish('nonsense', 'move', { player: 'nobody', row: 1, column: 1 })
  await publish('nonsense', 'move', 'what?')
  await set(black.page, 7, 7) // it may not have read these yet: then it is refused once, and tries again
  await set(white.page, 7, 8)
  await expect.poll(() => boardOf(black.page)).toEqual(['row 7, column 7, black', 'row 7, column 8, white, last move'])
  expect((await read(server.origin, 'duel/nonsense')).length).toBe(6)
  await leave(black, white)
})

test('a log that was begun anew is an empty board', async () => {
  let other = await startServer()
  const { page } = await visit(browser, `${other.origin}/demo/duel?room=anew&lang=en`)
  try {
    await page.getByRole('button', { name: 'Play' }).click()
    await page.getByText('Waiting for a second player').waitFor()
    await other.stop()
    await page.locator('.line-status').getByText('No connection; trying again').waitFor()
    other = await startServer({ listen: new URL(other.origin).host }) // in memory: it knows nothing of before
    await page.getByText('A seat is free.').waitFor({ timeout: 40_000 })
    await page.getByRole('button', { name: 'Play' }).click()
    await page.getByText('Waiting for a second player').waitFor()
    expect((await read(other.origin, 'duel/anew')).length).toBe(1)
  } finally {
    await leave({ page })
    await other.stop()
  }
})

test('the board by keyboard', async () => {
  const { black, white } = await begin('keys')
  const { page } = black
  await place(page, 7, 7).focus()
  for (const key of ['ArrowUp', 'ArrowLeft', 'ArrowLeft']) await page.keyboard.press(key)
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('row 6, column 5, empty')
  await page.keyboard.press('Enter')
  await place(white.page, 6, 5, 'black').waitFor()
  await page.keyboard.press('Home')
  await page.keyboard.press('PageDown')
  await page.keyboard.press('ArrowDown')
  expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).toBe('row 13, column 1, empty')
  expect(await page.locator('.board button[tabindex="0"]').count()).toBe(1)
  expect(black.complaints).toEqual([])
  await leave(black, white)
})

test('the technique changes within a game, and each has its median', async () => {
  const { black, white } = await begin('hop', { by: 'websocket' }, { by: 'sse' })
  const techniques = ['sse', 'stream', 'eventsource', 'longpoll', 'poll']
  for (const [n, technique] of techniques.entries()) {
    await black.page.getByLabel('Technique').selectOption(technique)
    const name = await black.page.locator(`option[value=${technique}]`).innerText()
    await black.page.getByText(`Live by ${name}`, { exact: true }).waitFor()
    await set(black.page, 1, 1 + 2 * n)
    await set(white.page, 13, 1 + 2 * n)
  }
  await expect.poll(() => black.page.locator('.rounds tbody th').allInnerTexts()).toEqual([
    'WebSocket', 'SSE', 'Fetch stream', 'EventSource', 'Long poll', 'Poll',
  ])
  expect(black.complaints).toEqual([])
  await leave(black, white)
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
    const options = { colorScheme, reducedMotion: 'reduce', viewport: { width, height: 800 } } as const
    const { black, white } = await begin(`look-${name}`, { lang }, {}, options)
    const { page, complaints } = black
    await page.locator('.turn-text').filter({ hasText: /turn|차례/ }).waitFor()
    await audit(page, `${name}-begin`)
    for (let n = 0; n < 4; n++) {
      await page.locator('.board button').nth((4 + n) * 13 + 5 + n).click()
      await white.page.locator(`.board button[data-stone=black] >> nth=${n}`).waitFor()
      await white.page.locator('.board button').nth(6 * 13 + 1 + n).click()
      await page.locator(`.board button[data-stone=white] >> nth=${n}`).waitFor()
    }
    await page.locator('.board button').nth(8 * 13 + 9).click()
    await page.locator('[data-wins=true]').first().waitFor()
    await audit(page, name)
    await page.locator('.line button').click()
    await audit(page, `${name}-cut`)
    expect(complaints).toEqual([])
    await leave(black, white)
  })
}

async function audit(page: Page, name: string): Promise<void> {
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  expect(tooWide, `${name} scrolls sideways`).toBeLessThanOrEqual(0)
  if (shots) await page.screenshot({ path: `${shots}/duel-${name}.png`, fullPage: true })
  expect(await barriers(page), name).toEqual([])
}

const address = (room: string, more: Record<string, string> = {}) =>
  `${server.origin}/demo/duel?${new URLSearchParams({ room, lang: 'en', ...more })}`

const enter = (room: string, more: Record<string, string> = {}, options: BrowserContextOptions = {}) =>
  visit(browser, address(room, more), options)

/** Two players who have taken their seats. */
async function begin(
  room: string,
  first: Record<string, string> = {},
  second: Record<string, string> = {},
  options: BrowserContextOptions = {},
): Promise<{ black: Visit; white: Visit }> {
  const black = await enter(room, first, options)
  await black.page.locator('.turn button').click()
  await black.page.locator('.turn button').waitFor({ state: 'detached' })
  const white = await enter(room, second)
  await white.page.getByRole('button', { name: 'Play' }).click()
  await white.page.getByText('It is black’s turn.').waitFor()
  return { black, white }
}

const leave = async (...visits: { page: Page }[]) => {
  for (const { page } of visits) await page.context().close()
}

const place = (page: Page, row: number, column: number, stone = 'empty') =>
  page.getByRole('button', { name: `row ${row}, column ${column}, ${stone}` })

/** Sets a stone, as soon as it is the turn, and waits until it has come back. */
async function set(page: Page, row: number, column: number): Promise<void> {
  await page.locator('.board button[aria-disabled=false]').first().waitFor()
  await place(page, row, column).click()
  const stone = '.board button:is([data-stone=black], [data-stone=white])'
  await page.locator(`${stone}[aria-label^="row ${row}, column ${column},"]`).waitFor()
}

const boardOf = (page: Page) =>
  page.locator('.board button[data-stone]').evaluateAll((all) => all.map((button) => button.getAttribute('aria-label')))

async function publish(room: string, type: string, data: unknown): Promise<void> {
  const headers = { 'Content-Type': 'application/json' }
  const request = { method: 'POST', headers, body: JSON.stringify(data) }
  const response = await fetch(`${server.origin}/channels/duel/${room}?type=${type}`, request)
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
}
