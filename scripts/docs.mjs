// `npm run docs`: write the pages that are made from tables in the code. Run `npm run build` before.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './lib/steps.mjs'

const { errorsPage } = await import(join(ROOT, 'dist', 'test', 'helpers', 'code-tables.js'))
writeFileSync(join(ROOT, 'docs', 'errors.md'), errorsPage())
