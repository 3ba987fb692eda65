// `npm run fuzz -- TARGET [SECONDS]`: one fuzz target of test/fuzz for as long as you like, after a build.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildSteps } from './build.mjs'
import { fuzzEnvironment } from './lib/fuzz.mjs'
import { performSteps, printFailure, ROOT } from './lib/steps.mjs'

const DEFAULT_SECONDS = 60
const SUFFIX = '.test.ts'

const targets = readdirSync(join(ROOT, 'test', 'fuzz'))
  .filter((name) => name.endsWith(SUFFIX))
  .map((name) => name.slice(0, -SUFFIX.length))
const [target = '', seconds = String(DEFAULT_SECONDS)] = process.argv.slice(2)

if (!targets.includes(target) || !/^[1-9]\d*$/.test(seconds)) {
  process.stderr.write(
    `usage: npm run fuzz -- ${targets.join('|')} [SECONDS]\n\n` +
      `  SECONDS       default ${DEFAULT_SECONDS}\n` +
      '  FUZZ_SEED=N   environment: begin there; a failure names its seed\n',
  )
  process.exit(2)
}
try {
  await performSteps(buildSteps())
  const file = join(ROOT, 'dist', 'test', 'fuzz', `${target}.test.js`)
  const env = fuzzEnvironment(Number(seconds))
  process.exitCode = spawnSync(process.execPath, [file], { stdio: 'inherit', env }).status ?? 1
} catch (error) {
  printFailure(error)
  process.exitCode = 1
}
