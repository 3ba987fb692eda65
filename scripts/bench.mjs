// `npm run bench [-- OPTIONS]`: set-up, then bench/e2e, or bench/kafka with `--only kafka`, as root.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findTool } from './lib/debian.mjs'
import { printFailure, ROOT, StepError } from './lib/steps.mjs'
import { setUp } from './setup.mjs'

/** Beside what the tests need. */
const TOOLS = ['wrk', 'h2load', 'haproxy', 'nginx', 'taskset', 'prlimit']

const args = process.argv.slice(2)
try {
  process.exitCode = await main(args)
} catch (error) {
  printFailure(error)
  process.exitCode = 1
}

async function main(args) {
  const isPrepared = args.includes('--no-setup')
  const rest = args.filter((arg) => arg !== '--no-setup')
  if (!isPrepared) await setUp({ tests: true, bench: true })
  const isKafka = /--only[ =]kafka/.test(rest.join(' '))
  const folder = join(ROOT, 'dist', 'bench', isKafka ? 'kafka' : 'e2e')
  const { readOptions, USAGE } = await import(join(folder, 'options.js'))
  if (rest.includes('--help')) {
    process.stdout.write(USAGE)
    return 0
  }
  let options
  try {
    options = readOptions(rest)
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    return 2
  }
  if (process.getuid() !== 0) return runAsRoot(rest)
  for (const tool of TOOLS) {
    if (findTool(tool) !== undefined) continue
    throw new StepError(`missing: ${tool}`, { mend: `install it, e.g. apt-get install ${tool}` })
  }
  const { runBench } = await import(join(folder, 'main.js'))
  await runBench(options)
  return 0
}

/** Network namespaces and BPF need root; installing and building did not. */
function runAsRoot(args) {
  console.log('the benchmark makes network namespaces and loads BPF programs: going on with sudo')
  const command = [process.execPath, fileURLToPath(import.meta.url), '--no-setup', ...args]
  const { status, error } = spawnSync('sudo', ['--', ...command], { cwd: ROOT, stdio: 'inherit' })
  if (error) throw new StepError(`sudo: ${error.message}`, { mend: 'run `npm run bench` as root' })
  return status ?? 1
}
