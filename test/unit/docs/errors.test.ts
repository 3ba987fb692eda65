// docs/errors.md and the code name the same codes, both ways.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/lib/paths.ts'
import { CODE_TABLES } from '../../helpers/code-tables.ts'

const MEND = 'run `npm run docs`'
const page = readFileSync(join(packageRoot(), 'docs', 'errors.md'), 'utf8')

function documented(heading: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? ''
  return section.split('\n').flatMap((line) => /^- `(.*)$/.exec(line)?.[1]?.replace('`', '') ?? [])
}

for (const { name, heading, codes } of CODE_TABLES) {
  t.strictSame(
    documented(heading),
    codes.map(([code, meaning]) => `${code}: ${meaning}`),
    `section "${heading}" of docs/errors.md lists ${name}; if not, ${MEND}`,
  )
}

t.test('every table of codes in src/ is documented', async (t) => {
  const source = join(packageRoot(), 'src')
  const known = CODE_TABLES.map(({ name }) => name)
  for (const file of readdirSync(source, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.startsWith('gen/')) continue
    for (const [, name = ''] of readFileSync(join(source, file), 'utf8').matchAll(
      /^export const ([A-Z_]+_(?:CODES|REASONS))\b/gm,
    )) {
      t.ok(known.includes(name), `${name} of src/${file}: add it to test/helpers/code-tables.ts and ${MEND}`)
    }
  }
})
