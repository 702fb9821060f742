import { execFileSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

// dist is committed, and Go embeds it: it must be what the sources build to.

const here = dirname(fileURLToPath(import.meta.url))
let fresh: string

beforeAll(async () => {
  fresh = await mkdtemp(join(tmpdir(), 'pabal-dist-'))
  // In a process of its own: here NODE_ENV is test, which builds something else.
  const vite = join(here, 'node_modules/vite/bin/vite.js')
  const env = { ...process.env, NODE_ENV: 'production' }
  execFileSync(process.execPath, [vite, 'build', '--logLevel', 'error', '--emptyOutDir', '--outDir', fresh], {
    cwd: here,
    env,
  })
})
afterAll(() => rm(fresh, { recursive: true }))

async function read(folder: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue
    const path = join(file.parentPath, file.name)
    files[path.slice(folder.length + 1)] = await readFile(path, 'utf8')
  }
  return files
}

test('the committed dist is what the sources build to: run npm run build', async () => {
  const [committed, built] = await Promise.all([read(join(here, 'dist')), read(fresh)])
  expect(Object.keys(committed).sort()).toEqual(Object.keys(built).sort())
  for (const name of Object.keys(built)) expect(committed[name] === built[name], name).toBe(true)
})

/** The bytes of script that a page loads before anything is asked of it: its own, and what that imports. */
function loadedBy(page: string, files: Record<string, string>): number {
  const seen = new Set<string>()
  const visit = (name: string) => {
    if (seen.has(name) || !files[name]) return
    seen.add(name)
    const imports = files[name].matchAll(/(?:from|import)\s?["']\.\/([^"']+\.js)["']/g)
    for (const [, imported] of imports) visit(`assets/${imported}`)
  }
  for (const [, asset] of files[page]!.matchAll(/"\/(assets\/[^"]+\.js)"/g)) visit(asset!)
  return [...seen].reduce((sum, name) => sum + Buffer.byteLength(files[name]!), 0)
}

test('the pages stay small', async () => {
  const built = await read(fresh)
  const pages = Object.keys(built).filter((name) => name.endsWith('.html') && name !== '404.html')
  expect(pages.length).toBe(6)
  for (const page of pages) {
    const size = loadedBy(page, built)
    expect(size, page).toBeGreaterThan(10 * 1024)
    expect(size, page).toBeLessThan(160 * 1024)
  }
})
