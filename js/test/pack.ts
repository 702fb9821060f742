import type { Metafile } from 'esbuild'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildPackage } from '../build.mjs'

/** Where the client is. */
export const here = fileURLToPath(new URL('..', import.meta.url))

/** A project that has the package installed, as it is built from the sources. */
export interface Project {
  folder: string
  /** Where in it the package is. */
  pabal: string
  metafile: Metafile
  remove(): void
}

export async function makeProject(): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'pabal-project-'))
  const modules = join(folder, 'node_modules')
  const pabal = join(modules, 'pabal')
  mkdirSync(join(modules, '@types'), { recursive: true })
  mkdirSync(pabal)
  for (const name of ['package.json', 'README.md']) cpSync(join(here, name), join(pabal, name))
  for (const name of ['react', '@types/react', 'preact', 'vue']) {
    symlinkSync(join(here, 'node_modules', name), join(modules, name))
  }
  const metafile = await buildPackage(join(pabal, 'dist'))
  return { folder, pabal, metafile, remove: () => rmSync(folder, { recursive: true }) }
}
