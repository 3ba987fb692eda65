// docs/limits.md and the code have the same limits, both ways.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/lib/paths.ts'
import { LIMIT_TABLES, limitsPage } from '../../helpers/limit-table.ts'

t.equal(
  readFileSync(join(packageRoot(), 'docs', 'limits.md'), 'utf8'),
  limitsPage(),
  'docs/limits.md is what the code says; if not, run `npm run docs`',
)

for (const { file, values, meanings } of LIMIT_TABLES) {
  t.strictSame(
    Object.keys(meanings).sort(),
    Object.keys(values).sort(),
    `each limit of src/${file} has its meaning in test/helpers/limit-table.ts`,
  )
}
