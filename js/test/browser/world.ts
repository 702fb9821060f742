import { createServer } from 'node:http'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { AddressInfo } from 'node:net'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { buildForServer } from '../../build.mjs'

// The client in real Chromium: a page of another origin than the server's, with nothing on it but the client.

export interface Site {
  origin: string
  stop(): Promise<void>
}

/** Serves the built client, and an empty page that has it as window.pabal. */
export async function startSite(): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'pabal-client-'))
  await buildForServer(folder)
  const page = `<!doctype html><meta charset=utf-8><title>test</title><link rel=icon href=data:,>
    <script type=module>import * as pabal from '/pabal.mjs'; window.pabal = pabal; window.ready = true</script>`
  const server = createServer((request, response) => {
    const path = new URL(request.url!, 'http://x').pathname
    if (path === '/') return void response.setHeader('Content-Type', 'text/html').end(page)
    readFile(join(folder, path)).then(
      (data) => response.setHeader('Content-Type', extname(path) ? 'text/javascript' : 'text/plain').end(data),
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await rm(folder, { recursive: true })
    },
  }
}

export const startBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })

/** A page that has the client. */
export async function open(context: BrowserContext, site: Site): Promise<Page> {
  const page = await context.newPage()
  page.on('pageerror', (error) => console.error('page:', error.message))
  await page.goto(site.origin)
  await page.waitForFunction(() => (window as unknown as { ready?: boolean }).ready)
  return page
}

/** What the pages of these tests have on their window. */
export interface Made {
  client: import('../../src/index.ts').Pabal
  got: unknown[]
  states: string[]
}

declare global {
  interface Window {
    pabal: typeof import('../../src/index.ts')
    made: Made
  }
}

/** Connects in the page, and keeps what channel brings in window.made.got. */
export const read = (page: Page, url: string, channel: string, options: object = {}, subscribe: object = { since: 'all' }): Promise<void> =>
  page.evaluate(
    ([url, channel, options, subscribe]) => {
      const client = window.pabal.connect(url, options)
      const made: Made = { client, got: [], states: [] }
      window.made = made
      client.onStatus((status) => made.states.push(`${status.state} ${status.technique ?? ''}`))
      client.channel(channel).subscribe((entry) => made.got.push(entry.data), subscribe)
    },
    [url, channel, options, subscribe] as const,
  )

export const got = (page: Page): Promise<unknown[]> => page.evaluate(() => window.made.got)
export const status = (page: Page): Promise<{ state: string; technique?: string }> => page.evaluate(() => window.made.client.status as never)
