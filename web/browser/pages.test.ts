import { mkdirSync } from 'node:fs'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBrowser, startServer, until, visit, type Server } from './world.ts'

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

test('the first page publishes, and shows what was published anywhere', async () => {
  const { page, complaints } = await visit(browser, server.origin)
  const log = page.getByRole('log')
  await page.getByText('Live by EventSource').waitFor()
  await page.getByLabel('Message to publish').fill('hello <b>파발</b>')
  await page.keyboard.press('Enter')
  await log.getByText('hello <b>파발</b>', { exact: true }).waitFor()
  await page.waitForFunction(() => document.querySelector('input')?.value === '')
  const headers = { 'Content-Type': 'application/x-www-form-urlencoded' } // as curl -d says, whatever it sends
  await fetch(`${server.origin}/channels/chat`, { method: 'POST', body: 'from outside', headers })
  await log.getByText('from outside').waitFor()
  expect(await log.getByRole('listitem').count()).toBe(2)
  await page.reload({ waitUntil: 'domcontentloaded' })
  await log.getByText('hello <b>파발</b>', { exact: true }).waitFor()
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a closed channel is shown as that, and as itself again once it was deleted', async () => {
  const channel = `${server.origin}/channels/chat`
  const { page, complaints } = await visit(browser, server.origin)
  const status = page.getByRole('status')
  await status.getByText('Live by EventSource').waitFor()
  let reads = 0
  page.on('request', (request) => (reads += request.url().startsWith(channel) ? 1 : 0))
  await page.reload({ waitUntil: 'domcontentloaded' })
  await status.getByText('Live by EventSource').waitFor()
  await fetch(`${channel}?close`, { method: 'POST', body: 'the last' })
  const hint = page.getByText(`curl -X DELETE ${channel}`)
  try {
    await hint.waitFor()
    expect(await status.innerText()).toBe('Closed')
    await page.getByRole('log').getByText('the last', { exact: true }).waitFor()
    expect(reads).toBe(1)
    await page.reload({ waitUntil: 'domcontentloaded' })
    await hint.waitFor()
  } finally {
    await fetch(channel, { method: 'DELETE' })
  }
  await page.reload({ waitUntil: 'domcontentloaded' })
  await status.getByText('Live by EventSource').waitFor()
  expect(await hint.count()).toBe(0)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('a channel that was closed while the page could not hear of it', async () => {
  const channel = `${server.origin}/channels/chat`
  const { page } = await visit(browser, server.origin)
  const status = page.getByRole('status')
  await status.getByText('Live by EventSource').waitFor()
  // As if hidden: the page gives its connection back, and takes one again.
  const see = (state: string) =>
    page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { value: state, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    }, state)
  await see('hidden')
  await fetch(`${channel}?close`, { method: 'POST' })
  try {
    await see('visible')
    await status.getByText('Closed', { exact: true }).waitFor()
  } finally {
    await fetch(channel, { method: 'DELETE' })
  }
  await page.context().close()
})

test('a server that stops is waited for', async () => {
  let other = await startServer()
  const { page } = await visit(browser, other.origin)
  const status = page.getByRole('status')
  try {
    await status.getByText('Live by EventSource').waitFor()
    await other.stop()
    await status.getByText('Connecting again').waitFor()
    other = await startServer({ listen: new URL(other.origin).host })
    await status.getByText('Live by EventSource').waitFor()
  } finally {
    await other.stop()
    await page.context().close()
  }
})

test('Hangul is set in a Korean font of the system', async () => {
  const { page } = await visit(browser, server.origin)
  const fonts = await page.locator('footer [lang=ko]').evaluate((span) => getComputedStyle(span).fontFamily)
  expect(fonts).toMatch(/^"Apple SD Gothic Neo", "Malgun Gothic", .*sans-serif$/)
  expect(await page.locator('body').evaluate((body) => getComputedStyle(body).fontFamily)).toContain('Malgun Gothic')
  await page.context().close()
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
  const links = await page.locator('.techniques a').evaluateAll((all) => all.map((a) => (a as HTMLAnchorElement).href))
  expect(links.length).toBe(8)
  await fetch(`${server.origin}/channels/chat`, { method: 'POST', body: 'for the long poll' })
  for (const link of links) {
    const stop = new AbortController()
    const response = await fetch(link, { signal: stop.signal })
    expect(response.status, link).toBe(200)
    if (link.includes('jsonp')) expect(await response.text()).toMatch(/^\/\*\*\/pabal\(/)
    stop.abort()
  }
  await page.context().close()
})

const shots = process.env.SHOTS // a folder for pictures of the pages
if (shots) mkdirSync(shots, { recursive: true })

for (const colorScheme of ['light', 'dark'] as const) {
  for (const [size, width] of [['wide', 1280], ['middle', 900], ['phone', 360]] as const) {
    test(`pages fit and can be read: ${colorScheme}, ${size}`, async () => {
      for (const [name, path] of [['home', '/'], ['monitor', '/demo/monitor']] as const) {
        const { page, complaints } = await visit(browser, server.origin + path, {
          colorScheme,
          reducedMotion: 'reduce',
          viewport: { width, height: 800 },
        })
        if (name === 'monitor') await until(page, 'lanes', (now) => Object.values(now.lanes).every((lane) => lane.messages > 0))
        else await page.getByText('Live by EventSource').waitFor()
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        expect(tooWide, `${name} scrolls sideways`).toBeLessThanOrEqual(0)
        const { text, ground } = await page.evaluate(() => {
          const { color, backgroundColor } = getComputedStyle(document.body)
          return { text: color, ground: backgroundColor }
        })
        expect(contrast(text, ground), name).toBeGreaterThan(7)
        expect(luminance(ground) > 0.5, `${name} is ${colorScheme}`).toBe(colorScheme === 'light')
        for (const button of await page.getByRole('button').all()) {
          expect((await button.boundingBox())!.height, await button.innerText()).toBeGreaterThanOrEqual(32)
        }
        if (shots) await page.screenshot({ path: `${shots}/${name}-${size}-${colorScheme}.png`, fullPage: true })
        expect(complaints, name).toEqual([])
        await page.context().close()
      }
    })
  }
}

test('a wrong address leads on', async () => {
  const { page } = await visit(browser, `${server.origin}/nowhere`)
  await page.getByRole('link', { name: 'monitor', exact: true }).click()
  await page.getByRole('heading', { name: 'One channel, every technique' }).waitFor()
  await page.context().close()
})

function luminance(color: string): number {
  const [r, g, b] = color.match(/[\d.]+/g)!.map((part) => {
    const c = Number(part) / 255
    return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
}

function contrast(a: string, b: string): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
  return (light! + 0.05) / (dark! + 0.05)
}
