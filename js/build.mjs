// Builds the client. `node build.mjs` makes what the package holds, in dist/; build.mjs is also what the pages' build calls,
// for what a server gives out at /pabal.js, /pabal.mjs and /pabal-worker.mjs.
import { build } from 'esbuild'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const src = (name) => join(here, 'src', name)
/**
 * Names that only the client itself uses, of members that are private or internal: they are made short. None of them may be a
 * member of what anybody else makes or gets: of an option, a target, a frame, an object of the browser, a message
 * between tabs; nor what a part that is loaded later exports.
 */
export const internal = (
  'adopt against answered answers begin begun behind better candidate changed changing complete controller failures ' +
  'feed feeds forced forget groups hurry inquiries isAhead ladder latest letGo listeners memory network opened ' +
  'opening paused pending presences probeAfter probed probeSoon racing reach reached reader remembers reopenSoon ' +
  'running signs spots tell timers told waiting wanted works'
).split(' ')
const mangleProps = new RegExp(`^(${internal.join('|')})$`)
const common = {
  bundle: true,
  minify: true,
  mangleProps,
  target: 'es2022',
  legalComments: 'none',
  charset: 'utf8',
  absWorkingDir: here,
}

/** What has hooks, and what those import. */
const frameworks = ['react', 'preact', 'vue', 'svelte']
const external = ['react', 'preact', 'preact/hooks', 'vue']

/**
 * Puts the core into one file, which compresses better than several. Whatever is loaded later is said to need all of the core,
 * which is there by then, so that what both need is no file of its own.
 */
const oneCore = {
  name: 'one core',
  setup(build) {
    const later = new Set()
    build.onResolve({ filter: /^\.\.?\// }, ({ kind, path, resolveDir }) => {
      if (kind === 'dynamic-import') later.add(join(resolveDir, path))
      return undefined
    })
    build.onResolve({ filter: /^the core$/ }, () => ({ path: src('client.ts') }))
    build.onLoad({ filter: /\.ts$/ }, ({ path }) =>
      later.has(path) ? { contents: `${readFileSync(path, 'utf8')}\nimport 'the core'\n`, loader: 'ts' } : undefined,
    )
  },
}

/** ES modules, whose transports are chunks that are loaded when they are used. */
const modules = (options) =>
  build({
    ...common,
    format: 'esm',
    splitting: true,
    metafile: true,
    external,
    plugins: [oneCore],
    logOverride: { 'ignored-bare-import': 'silent' },
    ...options,
  })

/** One script with all of it, as the global `pabal`. */
const script = (outfile) =>
  build({ ...common, format: 'iife', globalName: 'pabal', entryPoints: [src('index.ts')], outfile })

/** What a server gives out, into folder: its parts are named by their content. */
export async function buildForServer(folder) {
  await script(join(folder, 'pabal.js'))
  const entryPoints = { pabal: src('index.ts'), 'pabal-worker': src('worker.ts') }
  const names = { outExtension: { '.js': '.mjs' }, chunkNames: 'client/[name]-[hash]' }
  const { metafile } = await modules({ entryPoints, outdir: folder, ...names })
  return metafile
}

/** What the package holds, into folder: ES modules, CommonJS, the script, and the declarations of both kinds of module. */
export async function buildPackage(folder = join(here, 'dist')) {
  rmSync(folder, { recursive: true, force: true })
  const { metafile } = await modules({
    entryPoints: [...frameworks, 'index', 'worker'].map((name) => src(`${name}.ts`)),
    outdir: join(folder, 'esm'),
    chunkNames: 'chunks/[name]-[hash]',
  })
  await build({
    ...common,
    format: 'cjs',
    platform: 'node',
    minify: false,
    external,
    entryPoints: [...frameworks, 'index'].map((name) => src(`${name}.ts`)),
    outdir: join(folder, 'cjs'),
    outExtension: { '.js': '.cjs' },
  })
  await script(join(folder, 'pabal.js'))
  const types = join(folder, 'types')
  const compiler = join(here, 'node_modules/typescript/bin/tsc')
  const project = join(here, 'tsconfig.types.json')
  execFileSync(process.execPath, [compiler, '-p', project, '--outDir', types], { stdio: 'inherit' })
  declare(types)
  return metafile
}

/** Declarations name each other by what they declare: .js in those of ES modules, .cjs in the copies of CommonJS. */
function declare(folder) {
  const names = readdirSync(folder, { recursive: true }).map(String)
  for (const name of names.filter((name) => name.endsWith('.d.ts'))) {
    const path = join(folder, name)
    const text = readFileSync(path, 'utf8')
    const naming = (ending) => text.replace(/(from '|import\(["'])(\.{1,2}\/[\w./-]+)\.ts(['"])/g, `$1$2${ending}$3`)
    writeFileSync(path, naming('.js'))
    writeFileSync(path.replace(/\.d\.ts$/, '.d.cts'), naming('.cjs'))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2]) await buildForServer(process.argv[2])
  else await buildPackage()
}
