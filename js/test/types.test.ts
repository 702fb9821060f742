import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { here, makeProject, type Project } from './pack.ts'

// The declarations of the built package, as the projects of others see them: test-d is compiled against them, and they are
// themselves checked (skipLibCheck is off).

let project: Project

beforeAll(async () => {
  project = await makeProject()
}, 60_000)
afterAll(() => project.remove())

const uses = readdirSync(join(here, 'test-d')).filter((name) => name.endsWith('.ts'))

type Files = [name: string, text: string][]

/** The files of test-d, whose names end otherwise. */
const usesAs = (ending: string): Files =>
  uses.map((name) => [name.replace(/\.ts$/, ending), readFileSync(join(here, 'test-d', name), 'utf8')])

function compile(folder: string, files: Files, options: object) {
  const place = join(project.folder, folder)
  mkdirSync(place)
  for (const [name, text] of files) writeFileSync(join(place, name), text)
  const compilerOptions = {
    target: 'es2022',
    lib: ['es2023', 'dom', 'dom.iterable', 'dom.asynciterable'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    ...options,
  }
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*'] }))
  return spawnSync(process.execPath, [join(here, 'node_modules/typescript/bin/tsc'), '-p', place], { encoding: 'utf8' })
}

test.each([
  ['bundler', '.ts', { module: 'esnext', moduleResolution: 'bundler' }],
  ['esm', '.mts', { module: 'node16', moduleResolution: 'node16' }],
  ['cjs', '.cts', { module: 'node16', moduleResolution: 'node16' }],
])('a project finds them: %s', (folder, ending, options) => {
  expect(uses).toHaveLength(5)
  expect(compile(folder, usesAs(ending), options)).toMatchObject({ stdout: '', status: 0 })
})

const bundler = { module: 'esnext', moduleResolution: 'bundler' }

test('a wrong use is found', () => {
  const unexpecting: Files = usesAs('.ts').map(([name, text]) => [name, text.replaceAll('@ts-expect-error', '')])
  const wrong = compile('wrong', unexpecting, bundler)
  expect(wrong.status).not.toBe(0)
  expect(wrong.stdout.match(/error TS/g)!.length).toBeGreaterThan(20)
})

test('the examples of the README are right', () => {
  const examples = [...readFileSync(join(here, 'README.md'), 'utf8').matchAll(/^```(tsx?)\n(.*?)^```/gms)]
  expect(examples.length).toBeGreaterThan(6)
  const files = examples.map(([, ending, text], i): [string, string] => {
    const given = text!.includes('const pabal =') ? '' : 'declare const pabal: import("pabal").Pabal\n'
    const line = '{ from: string; text: string }'
    const chat = text!.includes('const chat =') ? '' : `declare const chat: import("pabal").Channel<${line}>\n`
    return [`example${i}.${ending}`, `${given}${chat}${text}\nexport {}\n`]
  })
  expect(compile('examples', files, { ...bundler, jsx: 'react-jsx' })).toMatchObject({ stdout: '', status: 0 })
})
