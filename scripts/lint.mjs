// `npm run lint`: all checks. `npm run format`: mend what formatters can mend.
import { join } from 'node:path'
import { lint, runClangFormat } from './lib/lint.mjs'
import { printFailure, ROOT, run } from './lib/steps.mjs'

try {
  if (process.argv.includes('--fix')) {
    await run([join(ROOT, 'node_modules', '.bin', 'prettier'), '--write', '--log-level=warn', '.'])
    await runClangFormat('-i')
  } else {
    const { failed } = await lint(console.log)
    process.exitCode = failed === 0 ? 0 : 1
  }
} catch (error) {
  printFailure(error)
  process.exitCode = 1
}
