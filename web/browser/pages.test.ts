import { mkdirSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { barriers, startBrowser, startServer, until, visit, type Server } from './world.ts'

let server: Server
let browser: Browser

beforeAll(async () => {
  ;[server, browser] = await Promise.all([startServer(), startBrowser()])
})
afterAll(async () => {
  await browser?.close()
  await server?.stop()
})

const pages = [
  ['home', '/'],
  ['lab', '/lab'],
  ['chat', '/demo/chat'],
  ['match', '/demo/match'],
  ['monitor', '/demo/monitor'],
  ['duel', '/demo/duel'],
] as const

/** Waits until the page says what it has to say at first. */
async function settled(page: Page, name: string) {
  await page.locator('main h1').first().waitFor()
  if (name === 'monitor') await until(page, 'lanes', (now) => Object.values(now.lanes).every((lane) => lane.messages > 0))
  if (name === 'home') for (const n of [0, 1]) await page.locator('.pane-state[data-state=live]').nth(n).waitFor()
}

const shots = process.env.SHOTS // a folder for pictures of the pages
if (shots) mkdirSync(shots, { recursive: true })

const sizes = [['wide', 1280], ['middle', 900], ['phone', 360]] as const

for (const [name, path] of pages) {
  for (const colorScheme of ['light', 'dark'] as const) {
    test(`${name} fits and can be read: ${colorScheme}`, async () => {
      for (const [size, width] of sizes) {
        const { page, complaints } = await visit(browser, server.origin + path, {
          colorScheme,
          reducedMotion: 'reduce',
          viewport: { width, height: 800 },
        })
        await settled(page, name)
        const tooWide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
        expect(tooWide, `${size}: scrolls sideways`).toBeLessThanOrEqual(0)
        const { text, ground } = await page.evaluate(() => {
          const { color, backgroundColor } = getComputedStyle(document.body)
          return { text: color, ground: backgroundColor }
        })
        expect(contrast(text, ground)).toBeGreaterThan(7)
        expect(luminance(ground) > 0.5).toBe(colorScheme === 'light')
        for (const button of await page.getByRole('button').all()) {
          const box = await button.boundingBox()
          if (box) expect(Math.round(box.height), `${size}: ${await button.innerText()}`).toBeGreaterThanOrEqual(24)
        }
        if (shots) await page.screenshot({ path: `${shots}/${name}-${size}-${colorScheme}.png`, fullPage: true })
        expect(complaints, size).toEqual([])
        await page.context().close()
      }
    })
  }
}

for (const [name, path] of [...pages, ['missing', '/nowhere'] as const]) {
  test(`nothing serious stands in anybody's way: ${name}`, async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const lang of ['en', 'ko']) {
        const { page } = await visit(browser, `${server.origin}${path}?lang=${lang}`, { colorScheme })
        await settled(page, name)
        expect(await barriers(page), `${colorScheme}, ${lang}`).toEqual([])
        await page.context().close()
      }
    }
  })
}

test('the language is the browser’s, then what was chosen, and an address may name one', async () => {
  const { page } = await visit(browser, server.origin, { locale: 'ko-KR' })
  const html = page.locator('html')
  const lang = () => html.getAttribute('lang')
  await page.getByRole('heading', { name: '채널 하나, 창 두 개' }).waitFor()
  await expect.poll(lang).toBe('ko')
  await expect.poll(() => page.title()).toContain('파발')
  await page.getByRole('button', { name: 'English' }).click()
  await page.getByRole('heading', { name: 'Two windows on one channel' }).waitFor()
  await expect.poll(lang).toBe('en')
  await page.goto(`${server.origin}/demo/monitor`, { waitUntil: 'domcontentloaded' })
  await page.getByRole('heading', { name: 'One channel, every technique' }).waitFor()
  await page.goto(`${server.origin}/demo/monitor?lang=ko`, { waitUntil: 'domcontentloaded' })
  await page.getByRole('heading', { name: '채널 하나, 모든 전송 방식' }).waitFor()
  await page.getByRole('button', { name: 'English' }).click()
  expect(new URL(page.url()).searchParams.get('lang')).toBe('en')
  await page.context().close()
})

test('the theme is the system’s until one is chosen, and then from the first moment of every page', async () => {
  const { page, complaints } = await visit(browser, server.origin, { colorScheme: 'dark' })
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  await page.getByRole('button', { name: 'Theme: as the system' }).click()
  await page.getByRole('button', { name: 'Theme: light' }).waitFor()
  expect(luminance(await ground())).toBeGreaterThan(0.5)
  // Without the pages' own scripts it is what /theme.js has set.
  await page.route('**/assets/*.js', (route) => route.abort())
  await page.goto(`${server.origin}/demo/chat`, { waitUntil: 'domcontentloaded' })
  expect(luminance(await ground())).toBeGreaterThan(0.5)
  await page.unroute('**/assets/*.js')
  complaints.length = 0 // scripts that we have held back
  await page.reload({ waitUntil: 'domcontentloaded' })
  await page.getByRole('button', { name: 'Theme: light' }).click()
  await page.getByRole('button', { name: 'Theme: dark' }).click()
  await page.getByRole('button', { name: 'Theme: as the system' }).waitFor()
  expect(luminance(await ground())).toBeLessThan(0.5)
  expect(complaints).toEqual([])
  await page.context().close()
})

test('by keyboard one skips to the content, and sees where one is', async () => {
  const { page } = await visit(browser, server.origin)
  await settled(page, 'home')
  await page.keyboard.press('Tab')
  const skip = page.getByRole('link', { name: 'Skip to the content' })
  expect((await skip.boundingBox())!.y).toBeGreaterThanOrEqual(0)
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  const { inMain, outline } = await page.evaluate(() => ({
    inMain: !!document.activeElement?.closest('main'),
    outline: getComputedStyle(document.activeElement!).outlineStyle,
  }))
  expect({ inMain, outline }).toEqual({ inMain: true, outline: 'solid' })
  await page.context().close()
})

test('every page leads to all others, and says which it is', async () => {
  for (const [name, path] of pages) {
    const { page } = await visit(browser, server.origin + path)
    await settled(page, name)
    const links = await page.locator('header a').evaluateAll((all) => all.map((a) => a.getAttribute('href')))
    expect(links, name).toEqual(pages.map(([, path]) => path))
    expect(await page.locator('header [aria-current=page]').getAttribute('href'), name).toBe(path)
    await page.context().close()
  }
})

test('without script every page says what it is, and leads on', async () => {
  const context = await browser.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  for (const [name, path] of pages) {
    await page.goto(server.origin + path)
    expect((await page.locator('h1').innerText()).length, name).toBeGreaterThan(5)
    expect(await page.locator('main a[href*="via=page"]').count(), name).toBe(1)
    expect(await page.locator('header nav a').count(), name).toBe(5)
  }
  await context.close()
})

test('Hangul is set in a Korean font of the system', async () => {
  const { page } = await visit(browser, server.origin)
  const fonts = await page.locator('footer [lang=ko]').evaluate((span) => getComputedStyle(span).fontFamily)
  expect(fonts).toMatch(/^"Apple SD Gothic Neo", "Malgun Gothic", .*sans-serif$/)
  expect(await page.locator('body').evaluate((body) => getComputedStyle(body).fontFamily)).toContain('Malgun Gothic')
  await page.context().close()
})

test('a wrong address leads on', async () => {
  const { page } = await visit(browser, `${server.origin}/nowhere`)
  await page.locator('main').getByRole('link', { name: 'monitor', exact: true }).click()
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
