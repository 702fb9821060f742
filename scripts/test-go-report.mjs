// Reads the output of "go test -json", prints a line a package and failing tests in full, and counts.
// A test with subtests is not counted itself, unless it fails with none of them failing.
// A package that fails without a failing test (it does not compile, it panics, it leaks) counts as one failure.
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const results = new Map() // package -> test -> pass | fail | skip
const output = new Map() // package, or package and test -> its lines
const counts = { packages: 0, passed: 0, failed: 0, skipped: 0 }
const failures = []
const skipped = []

const key = (e) => `${e.Package ?? e.ImportPath} ${e.Test ?? ''}`

function keep(e) {
  const lines = output.get(key(e)) ?? []
  lines.push(e.Output)
  output.set(key(e), lines)
}

// parents gives the names of the tests that the tests named were run by.
function parents(names) {
  const found = new Set()
  for (const name of names) {
    for (let i = name.indexOf('/'); i >= 0; i = name.indexOf('/', i + 1)) found.add(name.slice(0, i))
  }
  return found
}

// finish counts the tests of a package that has ended.
function finish(pkg, action) {
  const tests = results.get(pkg) ?? new Map()
  const failing = [...tests.keys()].filter((name) => tests.get(name) === 'fail')
  const hasSubtests = parents(tests.keys())
  const hasFailing = parents(failing)
  for (const [name, result] of tests) {
    if (hasSubtests.has(name)) continue
    if (result === 'pass') counts.passed++
    if (result === 'skip') skipped.push(`${pkg} ${name}`)
  }
  const failed = failing.filter((name) => !hasFailing.has(name)).map((name) => `${pkg} ${name}`)
  if (action === 'fail' && failed.length === 0) failed.push(`${pkg} (the package as a whole)`)
  failures.push(...failed)
  const own = output.get(`${pkg} `) ?? []
  if (action === 'fail' || own.some((line) => /^ok\s/.test(line))) counts.packages++ // else it has no tests

  for (const [k, lines] of [...output].filter(([k]) => k.startsWith(`${pkg} `))) {
    const test = k.slice(pkg.length + 1)
    let shown = []
    if (action === 'fail' && tests.get(test) !== 'pass') shown = lines // also of a test that never ended
    else if (test === '') {
      // What one package's tests reach of all packages says nothing: scripts/cover.sh adds it up.
      shown = lines.filter((line) => /^(ok|\?|FAIL)\s/.test(line)).map((line) => line.replace(/\tcoverage: .*/, ''))
    }
    process.stdout.write(shown.join(''))
    output.delete(k)
  }
  results.delete(pkg)
}

for await (const line of createInterface({ input: process.stdin })) {
  let e
  try {
    e = JSON.parse(line)
  } catch {
    console.log(line) // not from a test: the go command itself speaks
    continue
  }
  if (e.Action === 'output') keep(e)
  else if (e.Action === 'build-output') process.stdout.write(e.Output)
  else if (['pass', 'fail', 'skip'].includes(e.Action)) {
    if (e.Test === undefined) finish(e.Package, e.Action)
    else {
      if (!results.has(e.Package)) results.set(e.Package, new Map())
      results.get(e.Package).set(e.Test, e.Action)
    }
  }
}
for (const pkg of [...results.keys()]) finish(pkg, 'fail') // cut off in the middle

for (const name of skipped) console.log(`skipped: ${name}`)
for (const name of failures) console.log(`failed: ${name}`)
counts.skipped = skipped.length
counts.failed = failures.length
if (counts.passed + counts.failed === 0) {
  console.log('no Go test ran')
  counts.failed = 1
}
console.log(`Go: ${counts.packages} packages, ${counts.passed} tests passed, ${counts.failed} failed, ${counts.skipped} skipped`)
if (process.env.TEST_COUNTS) {
  appendFileSync(process.env.TEST_COUNTS, `Go tests in ${counts.packages} packages\t${counts.passed}\t${counts.failed}\n`)
}
process.exit(counts.failed === 0 ? 0 : 1)
