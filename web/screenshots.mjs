// Makes the pictures of docs/screenshots: PABAL_BIN names the built binary. The pages are used a little first, so that there is something to see.
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const folder = fileURLToPath(new URL('../docs/screenshots/', import.meta.url))
const binary = process.env.PABAL_BIN
if (!binary) throw new Error('PABAL_BIN must name the built binary: run make screenshots')

// The server takes its settings from PABAL_ variables too, and refuses one that it does not know.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PABAL_')))
const args = ['serve', '--broker', 'memory', '--listen', '127.0.0.1:0', '--log-level', 'error']
const server = spawn(binary, args, { stdio: ['ignore', 'pipe', 'inherit'], env })
const origin = await new Promise((resolve, reject) => {
  let said = ''
  server.stdout.on('data', (chunk) => {
    said += chunk
    const found = /http:\/\/127\.0\.0\.1:\d+/.exec(said)
    if (found) resolve(found[0])
  })
  server.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)))
})

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
})

/** A page of the size and language that are given. */
async function open(path, { width = 1280, height = 860, locale = 'en', colorScheme = 'light' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale, colorScheme })
  const page = await context.newPage()
  await page.goto(origin + path, { waitUntil: 'domcontentloaded' })
  await page.waitForSelector('main h1')
  return page
}

const say = (channel, text, type = 'text/plain') =>
  fetch(`${origin}/channels/${channel}`, { method: 'POST', body: text, headers: { 'Content-Type': type } })
const settle = (page, ms) => page.waitForTimeout(ms)

/** Says something in the chat that is open. */
async function chat(page, ...texts) {
  for (const text of texts) {
    await page.locator('textarea').fill(text)
    await page.keyboard.press('Enter')
    await page.getByText(text).first().waitFor()
  }
}

/** What is shown, after how many milliseconds, and what is done before. */
const pictures = [
  ['home', '/', {}, 2500],
  ['lab', '/lab', { height: 1100 }, 26_000],
  ['lab-dark-korean', '/lab', { height: 1100, locale: 'ko', colorScheme: 'dark' }, 26_000],
  ['match', '/demo/match', {}, 15_000],
  ['monitor', '/demo/monitor', { height: 1000 }, 12_000],
  ['chat', '/demo/chat', {}, 2000, (page) => chat(page, 'Is anybody here?', 'Cut this window, and write in another.', 'It catches up at its cursor.')],
  ['duel', '/demo/duel', {}, 2000, (page) => page.getByRole('button', { name: 'Play' }).click()],
  ['chat-phone', '/demo/chat', { width: 390, height: 800, locale: 'ko' }, 2000, (page) => chat(page, '지금 연결을 끊어 볼게요')],
]

mkdirSync(folder, { recursive: true })
try {
  for (const text of ['good evening', 'the same words in both windows', 'cut one, and see it catch up']) await say('chat', text)
  for (const [name, path, size, wait, act] of pictures) {
    const page = await open(path, size)
    await act?.(page)
    await settle(page, wait)
    await page.screenshot({ path: `${folder}${name}.png` })
    await page.context().close()
    console.log(`docs/screenshots/${name}.png`)
  }
} finally {
  await browser.close()
  server.kill('SIGTERM')
}
