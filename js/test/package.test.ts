import { execFile } from 'node:child_process'
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { runInNewContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type * as Package from '../src/index.ts'
import { here, makeProject, type Project } from './pack.ts'
import { startServer, until, type Server } from './server.ts'

// What the package holds: that it is found and works by every way in, and what it weighs.

let project: Project
let server: Server

beforeAll(async () => {
  ;[project, server] = await Promise.all([makeProject(), startServer()])
}, 60_000)
afterAll(async () => {
  project.remove()
  await server.stop()
})

test('publint has nothing to say', async () => {
  cpSync(join(here, '../LICENSE'), join(project.pabal, 'LICENSE'))
  const { messages } = await publint({ pkgDir: project.pabal, strict: true, pack: 'npm' })
  expect(messages).toEqual([])
})

const reads = `
  const pabal = connect(process.argv[2])
  const channel = pabal.channel(process.argv[3])
  await channel.publish({ n: 1 })
  for await (const { data } of channel.entries({ since: 'all' })) {
    console.log(JSON.stringify(data))
    break
  }
  pabal.close()`

async function runs(name: string, text: string): Promise<string> {
  const path = join(project.folder, name)
  writeFileSync(path, text)
  const { stdout } = await promisify(execFile)(process.execPath, [path, server.url, name], { timeout: 20_000 })
  return stdout.trim()
}

test('a module imports it, in plain Node', async () => {
  expect(await runs('read.mjs', `import { connect } from 'pabal'\n${reads}`)).toBe('{"n":1}')
})

test('a CommonJS module requires it, in plain Node', async () => {
  expect(await runs('read.cjs', `const { connect } = require('pabal')\nvoid (async () => {${reads}\n})()`)).toBe('{"n":1}')
})

const parts = ['react', 'preact', 'vue', 'svelte']
const words = (name: string) =>
  name === 'svelte' ? 'channelStore,latestStore,presenceStore,statusStore' : 'useChannel,useLatest,usePresence,useStatus'

test.each(parts)('%s is imported and required', async (name) => {
  const says = 'console.log(Object.keys(it).sort().join())'
  expect(await runs(`${name}.mjs`, `import * as it from 'pabal/${name}'\n${says}`)).toBe(words(name))
  expect(await runs(`${name}.cjs`, `const it = require('pabal/${name}')\n${says}`)).toBe(words(name))
})

test('what is imported, or required, shows what the client reads', async () => {
  const shows = `
    const pabal = connect(process.argv[2])
    const channel = pabal.channel(process.argv[3])
    void Promise.all([channel.publish('a'), channel.publish('b')]).then(() => {
      const stop = channelStore(pabal, channel.name, { since: 'all' }).subscribe((entries) => {
        if (entries.length !== 2) return
        console.log(entries.map((entry) => entry.data).join())
        stop()
        pabal.close()
      })
    })`
  const imports = `import { connect } from 'pabal'\nimport { channelStore } from 'pabal/svelte'\n`
  expect(await runs('show.mjs', imports + shows)).toBe('a,b')
  const requires = `const { connect } = require('pabal')\nconst { channelStore } = require('pabal/svelte')\n`
  expect(await runs('show.cjs', requires + shows)).toBe('a,b')
})

test('hooks do without the client, and without each other', () => {
  for (const name of parts) {
    const all = closure(outputNamed(`dist/esm/${name}.js`))
    expect([...all].filter((output) => /(index|client|react|vue|svelte)/.test(output.split('/').at(-1)!))).toEqual(
      name === 'preact' ? [expect.stringContaining('preact.js')] : [expect.stringContaining(`${name}.js`)],
    )
  }
})

test('a page has it by a script, as the global pabal', async () => {
  const { unpkg, jsdelivr } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8')) as Record<string, string>
  expect(jsdelivr).toBe(unpkg)
  const page: Record<string, unknown> = { location: { href: `${server.url}/page` } }
  const timers = ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'queueMicrotask']
  const lent = ['fetch', 'crypto', 'URL', 'URLSearchParams', 'AbortController', 'AbortSignal', 'TextEncoder']
  for (const name of [...timers, ...lent, 'TextDecoderStream']) {
    page[name] = globalThis[name as keyof typeof globalThis]
  }
  runInNewContext(readFileSync(join(project.pabal, unpkg!), 'utf8'), page)
  const pabal = (page.pabal as typeof Package).connect()
  expect(pabal.url).toBe(server.url)
  const got: unknown[] = []
  const channel = pabal.channel('script')
  channel.subscribe((entry) => got.push(entry.data), { since: 'all' })
  await channel.publish('hello')
  await until('it is read', () => got.length === 1)
  pabal.close()
})

test('every file that package.json names is there', () => {
  const named = JSON.stringify(JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))).match(/\.\/dist\/[^"]+/g)!
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter((name) => !existsSync(join(project.pabal, name)))).toEqual([])
})

/** The path of an output, by the end of its name. */
function outputNamed(end: string | RegExp): string {
  const all = Object.keys(project.metafile.outputs)
  const found = all.filter((name) => (typeof end === 'string' ? name.endsWith(end) : end.test(name)))
  expect(found, String(end)).toHaveLength(1)
  return found[0]!
}

/** An output, and all that loading it loads. */
function closure(name: string, all = new Set<string>()): Set<string> {
  if (all.has(name)) return all
  all.add(name)
  for (const { kind, path, external } of project.metafile.outputs[name]!.imports) {
    if (kind === 'import-statement' && !external) closure(path, all)
  }
  return all
}

/** Bytes on the wire: each file compressed by itself. */
const weigh = (names: Iterable<string>): number =>
  [...names].reduce((sum, name) => sum + gzipSync(readFileSync(join(here, name)), { level: 9 }).length, 0)

/** What loading an output loads beside the core. */
const beside = (name: string): string[] => {
  const core = closure(outputNamed('dist/esm/index.js'))
  return [...closure(name)].filter((output) => !core.has(output))
}

/** What is loaded later, by the name of its source. */
const part = (name: string) => outputNamed(new RegExp(`/chunks/${name}-[A-Z0-9]{8}\\.js$`))

const readme = readFileSync(join(here, 'README.md'), 'utf8')

/** names weigh no more than limit, which the README has. */
function weighs(names: Iterable<string>, limit: number): void {
  expect(weigh(names)).toBeLessThanOrEqual(limit)
  expect(readme).toContain(`| ${limit.toLocaleString('en')} |`)
}

describe('in bytes, minified and compressed', () => {
  test('the core', () => {
    weighs(closure(outputNamed('dist/esm/index.js')), 6144)
  })

  // What was measured, and a tenth more. It counts all that is loaded beside the core.
  test.each([
    ['websocket', 3163],
    ['sse', 2231],
    ['eventsource', 3600],
    ['stream', 2067],
    ['longpoll', 2683],
    ['poll', 2596],
  ])('%s, which is loaded only when it is used', (name, budget) => {
    const output = part(name)
    expect(closure(outputNamed('dist/esm/index.js'))).not.toContain(output)
    weighs(beside(output), budget)
  })

  test.each([
    ['kit', 7900],
    ['life', 755],
    ['memory', 340],
    ['tabs', 3400],
  ])('%s, which is loaded only when it is needed', (name, budget) => {
    weighs(beside(part(name)), budget)
  })

  test.each([
    ['react', 1588],
    ['preact', 1651],
    ['vue', 1780],
    ['svelte', 1585],
  ])('the hooks for %s', (name, budget) => {
    weighs(closure(outputNamed(`dist/esm/${name}.js`)), budget)
  })
})
