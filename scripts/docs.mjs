// `npm run docs`: write the pages that are made from tables in the code. Run `npm run build` before.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from './lib/steps.mjs'

const helpers = join(ROOT, 'dist', 'test', 'helpers')
const { errorsPage } = await import(join(helpers, 'code-tables.js'))
const { limitsPage } = await import(join(helpers, 'limit-table.js'))
writeFileSync(join(ROOT, 'docs', 'errors.md'), errorsPage())
writeFileSync(join(ROOT, 'docs', 'limits.md'), limitsPage())
