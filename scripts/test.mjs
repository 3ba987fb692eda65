// `npm test [-- --only KIND] [-- --grep PATTERN]`: set-up, lint, then all tests by tap.
// The last line is `N passed, N failed`: assertions and lint checks. Folders of test/ that need root run one file
// after the other; the others run in parallel.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, sep } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { fuzz } from './lib/fuzz.mjs'
import { lint } from './lib/lint.mjs'
import { printFailure, ROOT } from './lib/steps.mjs'
import { createTapReport } from './lib/tap-report.mjs'
import { setUp } from './setup.mjs'

const PRIVILEGED = ['bpf', 'netns']
/** With CI=true. Otherwise fuzz targets are tests like others, and run for some seconds. */
const FUZZ_SECONDS = 60
const USAGE = `usage: npm test -- [--only lint|unit|conformance|fuzz|direct|bpf|netns[,...]] [--grep PATTERN] [--no-setup]

  --only KIND     only this folder of test/, or only the lint checks
  --grep PATTERN  only test files whose path matches this regular expression
  --no-setup      neither install nor build: run what dist/ holds
`
const isCi = process.env.CI === 'true'
const isRoot = process.getuid() === 0

/** Everything that was counted so far. */
const sum = { passed: 0, failed: 0, skipped: 0 }

try {
  await main(readOptions())
} catch (error) {
  printFailure(error, console.log)
  sum.failed++
}
if (sum.skipped > 0) console.log(`${sum.skipped} skipped`)
console.log(`${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed === 0 ? 0 : 1

async function main({ only, grep, setup }) {
  if (setup) await setUp({ tests: true })
  const isWanted = (kind) => only.length === 0 || only.includes(kind)
  if (only.length === 0 ? grep === undefined : only.includes('lint')) {
    heading('lint')
    add(await lint(console.log))
  }
  const files = testFiles().filter(
    (file) => isWanted(kindOf(file)) && (grep === undefined || grep.test(file)),
  )
  const privileged = files.filter((file) => PRIVILEGED.includes(kindOf(file)))
  // In CI they run for a minute, all at once, but not beside tests with real clocks: those need a processor.
  const fuzzed = isCi ? files.filter((file) => kindOf(file) === 'fuzz') : []
  const plain = files.filter((file) => !privileged.includes(file) && !fuzzed.includes(file))
  if (plain.length > 0) {
    heading(`${plain.length} test files without privileges`)
    await runTap(plain, { jobs: availableParallelism(), timeoutSeconds: 180 })
  }
  if (fuzzed.length > 0) {
    heading(`${fuzzed.length} fuzz targets`)
    const report = await fuzz(fuzzed, FUZZ_SECONDS, console.log)
    add(report())
  }
  if (privileged.length > 0) await runPrivileged(privileged)
  if (files.length === 0 && !only.includes('lint')) throw new Error('no test file matches')
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true, default: [] },
        grep: { type: 'string' },
        'no-setup': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    const only = values.only.flatMap((list) => list.split(','))
    const known = ['lint', ...readdirSync(join(ROOT, 'test'))]
    for (const kind of only)
      if (!known.includes(kind)) throw new Error(`--only ${kind}: no such folder in test/`)
    return { only, grep: values.grep && new RegExp(values.grep), setup: !values['no-setup'] }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    process.exit(2)
  }
}

function heading(text) {
  console.log(`\n== ${text}`)
}

function add({ passed, failed, skipped = 0 }) {
  sum.passed += passed
  sum.failed += failed
  sum.skipped += skipped
}

/** Sources decide what is run: dist/ may still hold tests that are gone. Paths relative to the root. */
function testFiles() {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true })
  return files
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join('dist', 'test', file.replace(/\.ts$/, '.js')))
    .sort()
}

/** `dist/test/unit/lib/address.test.js` -> `unit` */
function kindOf(file) {
  return file.split(sep)[2]
}

async function runPrivileged(files) {
  heading(`${files.length} test files with network namespaces and BPF, one after the other`)
  if (!isRoot) {
    console.log('*'.repeat(100))
    console.log(`* NOT RUN: ${files.length} test files need root. They hold the tests of the real datapath.`)
    console.log('* Run them with `sudo npm test`.')
    console.log('*'.repeat(100))
    if (isCi) sum.failed += files.length
    else sum.skipped += files.length
    return
  }
  await removeLeftovers()
  try {
    await runTap(files, { jobs: 1, timeoutSeconds: 600 })
  } finally {
    await removeLeftovers()
  }
}

/** Namespaces, state and pins of test processes that no longer live. */
async function removeLeftovers() {
  const program = join(ROOT, 'dist', 'test', 'helpers', 'leftovers.js')
  if (!existsSync(program)) return
  const { removeLeftovers } = await import(program)
  for (const name of removeLeftovers()) console.log(`removed what a test left behind: ${name}`)
}

async function runTap(files, { jobs, timeoutSeconds }) {
  const runner = join(ROOT, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
  const args = ['run', '--reporter=tap', `--jobs=${jobs}`, `--timeout=${timeoutSeconds}`, ...files]
  const child = spawn(process.execPath, [runner, ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const forward = (signal) => child.kill(signal)
  process.on('SIGINT', forward).on('SIGTERM', forward)
  const report = createTapReport(console.log)
  const ended = new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve))
  for await (const line of createInterface({ input: child.stdout })) report.write(line)
  const code = await ended
  process.off('SIGINT', forward).off('SIGTERM', forward)
  const totals = report.totals()
  if (totals === undefined) throw new Error(`tap ended with code ${code} before its summary`)
  // A runner that fails without a failed assertion (e.g. a file without any) still fails the run.
  add({ ...totals, failed: Math.max(totals.failed, code === 0 ? 0 : 1) })
}
