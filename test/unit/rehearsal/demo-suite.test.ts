// The demo's own policy tests, and the page that explains the format, as users run them.
import { readFileSync, mkdtempSync, writeFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { packageRoot } from '../../../src/lib/paths.ts'
import { testPolicies, validatePolicies } from '../../../src/rehearsal/commands.ts'

for (const file of ['policy-tests.yaml', 'kafka/policy-tests.yaml']) {
  t.test(`policies do what demo/${file} says`, async (t) => {
    const [report] = await testPolicies([join(packageRoot(), 'demo', file)])
    t.same(report?.problems, [])
    t.ok((report?.cases.length ?? 0) > 10)
    for (const { name, passed, got } of report?.cases ?? []) t.ok(passed, `${name}: ${got.outcome}`)
  })
}

t.test('the policies of the demo are valid', async (t) => {
  const report = await validatePolicies([join(packageRoot(), 'demo', 'policies')])
  t.match(report, { policies: ['default/empire-landing'], problems: [] })
})

t.test('the example of docs/policy.md runs', async (t) => {
  const page = readFileSync(join(packageRoot(), 'docs', 'policy.md'), 'utf8')
  const [, section = ''] = page.split('\n## Tests\n')
  const [, example = ''] = /```yaml\n([^]*?)```/.exec(section) ?? []
  const folder = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'tests.yaml')
  writeFileSync(file, example)
  const [report] = await testPolicies([file])
  t.same(report?.problems, [])
  for (const { name, passed, got } of report?.cases ?? []) t.ok(passed, `${name}: ${got.outcome}`)
})
