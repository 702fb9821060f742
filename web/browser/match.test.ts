import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBrowser, startServer, visit, type Server } from './world.ts'

const patient = { timeout: 20_000 }

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

interface Play {
  match: string
  seq: number
  kind: string
  text: { en: string; ko: string }
  score: { home: number; away: number }
  of?: string
  becomes?: string
}
interface Axe {
  run(): Promise<{ violations: { id: string; impact: string; nodes: { html: string }[] }[] }>
}
interface Entry {
  id: string
  cursor: string
  data: Play
}

const play = (path: string, body: object, { origin } = server) =>
  fetch(`${origin}${path}`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
const speed = (speed: number) => play('/dev/match', { speed })

/** The plays of the match that is on, as the server itself has them. */
async function truth({ origin } = server): Promise<Entry[]> {
  const all: Entry[] = []
  for (let from = 'since=all', more = true; more; ) {
    const response = await fetch(`${origin}/channels/demo/match?via=poll&${from}`)
    expect(response.status).toBe(200)
    const answer = (await response.json()) as { entries: Entry[]; cursor: string; more?: boolean }
    all.push(...answer.entries)
    more = answer.more ?? false
    from = `cursor=${encodeURIComponent(answer.cursor)}`
  }
  const match = all.at(-1)?.data.match
  return all.filter(({ data }) => data.match === match)
}

/** What a page must show when these plays had been told. */
function shownOf(told: Entry[], language: 'en' | 'ko' = 'en') {
  const { home, away } = told.at(-1)!.data.score
  const lines = told
    .filter(({ data }) => !data.of)
    .map(({ id, data }) => {
      const correction = told.find(({ data }) => data.of === id)?.data
      const kind = correction?.becomes ?? data.kind
      return { id, kind, was: correction && data.text[language], text: (correction ?? data).text[language] }
    })
  return { score: `${home}:${away}`, lines: lines.reverse() }
}

const shown = (page: Page): Promise<ReturnType<typeof shownOf>> =>
  page.evaluate(() => ({
    score: document.querySelector('.score-goals')!.textContent!,
    lines: [...document.querySelectorAll<HTMLElement>('.line')].map((line) => ({
      id: line.dataset.id!,
      kind: line.dataset.kind!,
      was: line.querySelector('del')?.textContent ?? undefined,
      text: line.querySelector('.line-text')!.textContent!,
    })),
  }))

const open = async (path = '/demo/match', options = {}) => {
  const seen = await visit(browser, server.origin + path, options)
  await seen.page.locator('.line').first().waitFor()
  return seen
}

const agrees = (page: Page) => expect.poll(() => shown(page), patient).toEqual

/** Lets the match go on until there are so many plays more, and then almost stand still. */
async function goOn(more: number): Promise<Entry[]> {
  const before = (await truth()).at(-1)!.data.seq
  await speed(60)
  const last = async () => (await truth()).at(-1)!.data.seq
  await expect.poll(last, { timeout: 30_000, interval: 50 }).toBeGreaterThanOrEqual(before + more)
  await speed(0.1)
  let told = await truth()
  await expect.poll(async () => told.length === (told = await truth()).length, { ...patient, interval: 300 }).toBe(true)
  return told
}

/** The match goes on until one that has at least so many corrections, and is far from over: it has some 140 plays. */
async function corrected(corrections: number): Promise<Entry[]> {
  for (;;) {
    const told = await goOn(15)
    if (told.filter(({ data }) => data.of).length >= corrections && told.length < 115) return told
  }
}

function figure(page: Page, panel: string, name: string) {
  const one = page.locator('.figure', { has: page.getByText(name, { exact: true }) })
  return page.getByRole('region', { name: panel, exact: true }).locator(one).locator('dd')
}

test('who watches from the start and who comes late see the match as the server has it', async () => {
  const { page, complaints } = await visit(browser, `${server.origin}/demo/match`)
  await page.locator('.line').first().waitFor({ timeout: 10_000 })
  const told = await corrected(2)
  const late = await open()
  for (const each of [page, late.page]) await agrees(each)(shownOf(told))
  expect(told[0]!.data.kind).toBe('welcome')
  for (const each of [page, late.page]) {
    expect(await each.locator('.score-team').allTextContents()).toEqual(['Haesong Beacons', 'Dalnae Couriers'])
    expect(await figure(each, 'This viewer', 'Lost').textContent()).toBe('0')
    expect(await figure(each, 'This viewer', 'Repeated').textContent()).toBe('0')
  }
  expect(await figure(page, 'This viewer', 'Lag of the last play').textContent()).toMatch(/^\d+ ms$/)
  expect(await figure(late.page, 'This viewer', 'Lag of the last play').textContent()).toBe('–')
  expect([...complaints, ...late.complaints]).toEqual([])
  await Promise.all([page.context().close(), late.page.context().close()])
})

test('a past moment is shown as it was, while the match goes on, and from the keyboard too', async () => {
  const told = await corrected(2)
  const { page, complaints } = await open()
  await agrees(page)(shownOf(told))
  const range = page.getByRole('slider', { name: 'Moment of the match' })
  await range.focus()
  await page.keyboard.press('Home')
  await agrees(page)(shownOf(told.slice(0, 1)))
  // Around each correction: before it the play stands as it was said, with the score of then.
  for (const [i, { data }] of told.entries()) {
    if (!data.of) continue
    for (const upTo of [i, i + 1]) {
      await range.fill(String(upTo))
      await agrees(page)(shownOf(told.slice(0, upTo)))
    }
  }
  await range.fill('5')
  await page.getByText('As it was in minute').waitFor()
  await goOn(3)
  await agrees(page)(shownOf(told.slice(0, 5)))
  await page.keyboard.press('ArrowRight')
  await agrees(page)(shownOf(told.slice(0, 6)))
  await page.getByRole('button', { name: 'Back to live' }).click()
  await agrees(page)(shownOf(await truth()))
  expect(await page.getByRole('button', { name: 'Live', exact: true }).getAttribute('aria-disabled')).toBe('true')
  expect(complaints).toEqual([])
  await page.context().close()
})

test('key events lead back to their moment', async () => {
  const told = await corrected(2)
  const { page } = await open()
  const keys = page.getByRole('list', { name: 'Go back to' }).getByRole('button')
  const events = ['goal', 'disallowed', 'red', 'penalty', 'half', 'full']
  const expected = told.flatMap(({ data }, i) => (events.includes(data.becomes ?? data.kind) ? [i + 1] : []))
  await expect.poll(() => keys.count(), patient).toBe(expected.length)
  for (const [i, upTo] of expected.entries()) {
    await keys.nth(i).click()
    await agrees(page)(shownOf(told.slice(0, upTo)))
  }
  await page.context().close()
})

test('by each technique, one after the other: nothing is lost or repeated', async () => {
  const { page, complaints } = await open()
  const choice = page.getByRole('combobox', { name: 'Watch as' })
  for (const technique of ['longpoll', 'sse', 'poll', 'websocket', 'eventsource', 'stream', '']) {
    await choice.selectOption(technique)
    await page.locator(`[data-technique=${technique || 'websocket'}]`).waitFor()
    const told = await goOn(4)
    await agrees(page)(shownOf(told))
  }
  expect(await figure(page, 'This viewer', 'Lost').textContent()).toBe('0')
  expect(await figure(page, 'This viewer', 'Repeated').textContent()).toBe('0')
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a crowd comes, is counted, changes its technique, and leaves', async () => {
  const { page, complaints } = await open()
  const readers = async () => {
    const { headers } = await fetch(`${server.origin}/channels/demo/match`, { method: 'HEAD' })
    return Number(headers.get('Pabal-Readers'))
  }
  await page.getByText('Nobody watches').waitFor()
  const slider = page.getByRole('slider', { name: 'Viewers' })
  await slider.fill('100')
  await page.getByText('100 of 100 watch').waitFor()
  await expect.poll(readers, patient).toBeGreaterThanOrEqual(100)
  await speed(20)
  const delivered = async () => Number((await figure(page, 'Crowd', 'Plays delivered').textContent())!.replace(',', ''))
  await expect.poll(delivered, patient).toBeGreaterThan(1000)
  await expect.poll(() => figure(page, 'Crowd', '99 % within').textContent(), patient).toMatch(/^[\d.]+ ms$/)
  await page.locator('.chart canvas').waitFor()
  await page.getByRole('combobox', { name: 'that read by' }).selectOption('websocket')
  await page.getByText('100 of 100 watch').waitFor()
  expect(((await (await fetch(`${server.origin}/dev/match`)).json()) as { via: string }).via).toBe('websocket')
  expect(await figure(page, 'Crowd', 'Lost').textContent()).toBe('0')
  expect(await figure(page, 'Crowd', 'Repeated').textContent()).toBe('0')
  await page.getByRole('button', { name: 'All leave' }).click()
  await page.getByText('Nobody watches').waitFor()
  await expect.poll(readers, patient).toBeLessThan(10)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('accessible and in place: light and dark, Korean and English, on a phone', async () => {
  const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
  const told = await corrected(2)
  for (const [colorScheme, language] of [['light', 'en'], ['dark', 'ko']] as const) {
    const phone = { colorScheme, viewport: { width: 360, height: 740 } }
    const { page, complaints } = await open(`/demo/match?lang=${language}`, phone)
    await agrees(page)(shownOf(told, language))
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360)
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(language)
    // By evaluate, since the policy lets in no script from elsewhere.
    await page.evaluate(axe)
    const violations = await page.evaluate(async () => {
      const { axe } = window as unknown as { axe: Axe }
      return (await axe.run()).violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0]!.html.slice(0, 200)}`)
    })
    expect(violations.filter((what) => /^(serious|critical)/.test(what))).toEqual([])
    expect(complaints).toEqual([])
    await page.context().close()
  }
})

test('a server that was started again: the page goes on with its new match', async () => {
  const first = await startServer()
  const { page } = await visit(browser, `${first.origin}/demo/match`)
  await page.locator('.line').first().waitFor({ timeout: 10_000 })
  const [before] = await truth(first)
  await first.stop()
  const second = await startServer({ listen: new URL(first.origin).host })
  try {
    await expect.poll(async () => (await shown(page)).lines.at(-1)!.id, { timeout: 30_000 }).not.toBe(before!.id)
    await play('/dev/match', { speed: 0.1 }, second)
    await agrees(page)(shownOf(await truth(second)))
    expect(await figure(page, 'This viewer', 'Lost').textContent()).toBe('0')
  } finally {
    await page.context().close()
    await second.stop()
  }
})

test('without development mode it says so, and shows what the channel has', async () => {
  const plain = await startServer({ args: ['--dev=off'] })
  try {
    const { page, complaints } = await visit(browser, `${plain.origin}/demo/match`)
    await page.getByText('The channel has no match.').waitFor()
    await page.getByText('runs in development mode only').waitFor()
    expect(await page.getByRole('slider', { name: 'Viewers' }).count()).toBe(0)
    const told = ['kickoff', 'goal'].map((kind, i) => {
      const text = { en: `${kind} it is`, ko: '골' }
      const data = { match: 'm', seq: i + 1, minute: i + 1, kind, team: 'home', text, score: { home: i, away: 0 } }
      return { id: `m-${i + 1}`, cursor: '', data }
    })
    for (const { id, data } of told) await play(`/channels/demo/match?id=${id}`, data, plain)
    await agrees(page)(shownOf(told))
    expect(await page.locator('.score-team').allTextContents()).toEqual(['Home', 'Away'])
    // A browser notes each answer of 404 on the console: there are those of the questions whether there is an engine.
    expect(complaints.filter((what) => !what.includes('404'))).toEqual([])
    await page.context().close()
  } finally {
    await plain.stop()
  }
})
