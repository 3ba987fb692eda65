// `npm run demo [-- --once]`: set-up, then demo/demo.ts, as root. `npm run demo:docker [-- --once]`: the same with containers
// of a Docker engine, demo/docker/demo.ts, as whoever may use that.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildSteps } from './build.mjs'
import { installPackages } from './lib/npm.mjs'
import { performSteps, printFailure, ROOT, StepError } from './lib/steps.mjs'
import { setUp } from './setup.mjs'

const USAGE = `usage: npm run demo [-- --once], npm run demo:docker [-- --once]

  --once      end after the table; the exit code is 0 only if every outcome is right
  --no-setup  neither install nor build
`

try {
  process.exitCode = await main(readOptions())
} catch (error) {
  printFailure(error)
  process.exitCode = 1
}

async function main({ docker, once, setup }) {
  if (docker) return dockerDemo({ once, setup })
  if (setup) await setUp({ tests: false })
  if (process.getuid() !== 0) return runAsRoot(once)
  console.log('')
  return play('demo.js', once)
}

/** The image is built by the engine: here, only the demo itself is. */
async function dockerDemo({ once, setup }) {
  const steps = buildSteps().filter(({ name }) => name !== 'BPF programs')
  if (setup) await performSteps([{ name: 'npm packages', action: installPackages }, ...steps])
  return play(join('docker', 'demo.js'), once)
}

async function play(file, once) {
  const { DemoError, runDemo } = await import(join(ROOT, 'dist', 'demo', file))
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
        docker: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    return { docker: values.docker, once: values.once, setup: !values['no-setup'] }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${USAGE}`)
    process.exit(2)
  }
}
