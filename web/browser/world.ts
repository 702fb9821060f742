import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import type { Snapshot } from '../src/monitor/monitor.ts'

// What browser tests need of the world: the real server, the real Chromium, and the server's own word on its log.

export interface Server {
  origin: string
  stop(): Promise<void>
}

/** Starts the built binary on a free port of loopback, or on the one of an earlier server. */
export async function startServer({ listen = '127.0.0.1:0', args = [] as string[] } = {}): Promise<Server> {
  const binary = process.env.PABAL_BIN
  if (!binary) throw new Error('PABAL_BIN is not set: go build -o /tmp/pabal ./cmd/pabal, and PABAL_BIN=/tmp/pabal')
  // The server takes its settings from PABAL_ variables too, and refuses one that it does not know.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PABAL_')))
  const all = ['serve', '--broker', 'memory', '--listen', listen, ...args]
  const child = spawn(binary, all, { stdio: ['ignore', 'pipe', 'pipe'], env })
  const origin = await firstAddress(child)
  return {
    origin,
    stop: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGTERM')
      const impatient = setTimeout(() => child.kill('SIGKILL'), 5000)
      await gone
      clearTimeout(impatient)
    },
  }
}

function firstAddress(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const hear = (chunk: Buffer) => {
      said += chunk.toString()
      const found = /https?:\/\/127\.0\.0\.1:\d+/.exec(said)
      if (found) resolve(found[0])
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.once('error', reject)
    child.once('exit', (code) => reject(new Error(`the server ended with ${code} before it said its address:\n${said}`)))
  })
}

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Tests run as root in containers, and no browser of ours calls home.
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}

export interface Visit {
  page: Page
  /** Errors on the console, exceptions, violations of the policy, and requests to another host. */
  complaints: string[]
}

/** A page of its own profile, which notes whatever a page should not do. */
export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visit> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return
    // What Chromium says where a page gives up a road before it is open, as it does when another was quicker.
    if (message.text().endsWith('WebSocket is closed before the connection is established.')) return
    complaints.push(`console: ${message.text()}`)
  })
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`))
  page.on('request', (request) => {
    if (new URL(request.url()).host !== new URL(url).host) complaints.push(`other host: ${request.url()}`)
  })
  await page.exposeFunction('noteViolation', (what: string) => complaints.push(`policy: ${what}`))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      const note = (window as unknown as { noteViolation(what: string): void }).noteViolation
      note(`${event.violatedDirective} ${event.blockedURI}`)
    })
  })
  // The iframe lane keeps the page loading for ever, so load never comes.
  await page.goto(url, { waitUntil: 'domcontentloaded' })
  return { page, complaints }
}

export const snapshot = (page: Page): Promise<Snapshot> => page.evaluate(() => window.monitor!.snapshot()!)

/** Waits until the snapshot is as expected; if it never is, the error has the last one. */
export async function until(page: Page, what: string, holds: (now: Snapshot) => boolean, seconds = 25): Promise<Snapshot> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    await page.waitForFunction(() => window.monitor?.snapshot() !== undefined, null, { timeout: seconds * 1000 })
    const now = await snapshot(page)
    if (holds(now)) return now
    if (Date.now() > deadline) {
      const short = Object.entries(now.lanes).map(([via, lane]) => [via, { ...lane, entries: lane.entries.length }])
      throw new Error(`not within ${seconds} s: ${what}\n${JSON.stringify(Object.fromEntries(short), null, 1)}`)
    }
    const moved = (head: number) => (window.monitor?.snapshot()?.head ?? 0) !== head
    await page.waitForFunction(moved, now.head, { timeout: 10_000 }).catch(() => {})
  }
}

interface Answer<T> {
  entries: { cursor: string; data: T }[]
  cursor: string
  more?: boolean
}

/** The log as the server itself tells it: every entry's cursor and seq. */
export async function truth(origin: string, channel: string): Promise<[string, number][]> {
  const log = await read<{ seq: number }>(origin, channel)
  return log.map(({ cursor, data }) => [cursor, data.seq])
}

/** Every entry that the server has of a channel, as it tells it itself. */
export async function read<T>(origin: string, channel: string): Promise<Answer<T>['entries']> {
  const log: Answer<T>['entries'] = []
  let from = 'since=all'
  for (;;) {
    const response = await fetch(`${origin}/channels/${channel}?via=poll&${from}`)
    if (response.status === 204) return log
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
    const answer = (await response.json()) as Answer<T>
    log.push(...answer.entries)
    if (!answer.more) return log
    from = `cursor=${encodeURIComponent(answer.cursor)}`
  }
}

/** The part of the log that a lane must have read: from its first entry on, as many as it has. */
export function sliceFor(log: [string, number][], entries: [string, number][]): [string, number][] {
  const begin = log.findIndex(([cursor]) => cursor === entries[0]?.[0])
  return log.slice(begin, begin + entries.length)
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What axe-core finds serious on the page, each with where. It is run from outside: the page's policy takes no script of ours. */
export async function barriers(page: Page): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    interface Found {
      violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
    }
    const { run } = (window as unknown as { axe: { run(at: Document, options: object): Promise<Found> } }).axe
    const { violations } = await run(document, { iframes: false, resultTypes: ['violations'] })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}: ${failureSummary}`))
  })
}

/** Tells the page that it is seen or not, as a browser does when tabs change. */
export async function turn(page: Page, state: DocumentVisibilityState): Promise<void> {
  await page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state })
    document.dispatchEvent(new Event('visibilitychange'))
  }, state)
}
