// Everything that must be there before Weir runs from a clone: Debian packages, npm packages, build results.
// Needs nothing but Node itself. Asks nothing; does only what is missing.
import { fileURLToPath } from 'node:url'
import { buildSteps } from './build.mjs'
import { installMissing } from './lib/debian.mjs'
import { installKafka } from './lib/kafka.mjs'
import { installPackages } from './lib/npm.mjs'
import { performSteps, printFailure, StepError } from './lib/steps.mjs'

const MIN_NODE = [20, 11]

/** @param {{tests: boolean, bench?: boolean}} purpose whether the tools of tests and benchmarks are wanted, too */
export async function setUp(purpose) {
  requirePlatform()
  await performSteps([
    { name: 'system packages', action: () => installMissing(purpose) },
    { name: 'npm packages', action: installPackages },
    ...(purpose.tests ? [{ name: 'Kafka for the tests (45 MB)', action: installKafka }] : []),
    ...buildSteps(),
  ])
}

function requirePlatform() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (process.platform !== 'linux') {
    throw new StepError(`Weir runs on Linux; this is ${process.platform}`, {
      mend: 'use a Linux machine or VM',
    })
  }
  if (major < MIN_NODE[0] || (major === MIN_NODE[0] && minor < MIN_NODE[1])) {
    throw new StepError(`Node.js ${process.versions.node} is too old`, {
      mend: `install Node.js ${MIN_NODE.join('.')} or newer, e.g. from nodejs.org`,
    })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await setUp({ tests: process.argv.includes('--tests') })
  } catch (error) {
    printFailure(error)
    process.exit(1)
  }
}
