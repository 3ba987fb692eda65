// `npm run demo [-- --once]`: set-up, then demo/demo.ts, as root.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { printFailure, ROOT, StepError } from './lib/steps.mjs'
import { setUp } from './setup.mjs'

const USAGE = `usage: npm run demo [-- --once]

  --once      end after the table; the exit code is 0 only if every outcome is right
  --no-setup  neither install nor build
`

try {
  process.exitCode = await main(readOptions())
} catch (error) {
  printFailure(error)
  process.exitCode = 1
}

async function main({ once, setup }) {
  if (setup) await setUp({ tests: false })
  if (process.getuid() !== 0) return runAsRoot(once)
  console.log('')
  const { DemoError, runDemo } = await import(join(ROOT, 'dist', 'demo', 'demo.js'))
  try {
    return await runDemo({ endsAfterTable: once })
  } catch (error) {
    if (error instanceof DemoError) throw new StepError(error.message)
    throw error
  }
}

/** Network namespaces and BPF need root; installing and building did not. */
function runAsRoot(once) {
  console.log('the demo makes network namespaces and loads BPF programs: going on with sudo')
  const command = [
    process.execPath,
    fileURLToPath(import.meta.url),
    '--no-setup',
    ...(once ? ['--once'] : []),
  ]
  const { status, error } = spawnSync('sudo', ['--', ...command], { cwd: ROOT, stdio: 'inherit' })
  if (error) throw new StepError(`sudo: ${error.message}`, { mend: 'run `npm run demo` as root' })
  return status ?? 1
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        once: { type: 'boolean', default: false },
        'no-setup': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    return { once: values.once, setup: !values['no-setup'] }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    process.exit(2)
  }
}
