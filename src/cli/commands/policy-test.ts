// `weir policy test`: expected verdicts of policies, for people and for CI.
import type { Command } from 'commander'
import { WeirError } from '../../lib/errors.ts'
import { outputFlag, type OutputFormat } from '../options.ts'
import type { CaseReport, Rehearsal, SuiteReport } from '../rehearsal.ts'
import { formatTable } from '../table.ts'
import { printable } from '../terminal-text.ts'
import { formatTrace } from '../trace-text.ts'
import { exitWhenReaderLeaves, type CliIo } from './listing.ts'

export function addPolicyTestCommand(policy: Command, rehearsal: Rehearsal, io: CliIo): void {
  const command = policy
    .command('test')
    .description('run expected verdicts written in YAML (docs/policy.md, "Tests"); needs no agent')
    .argument('<file...>', 'files of policy tests')
    .option('-o, --output <format>', 'table or json', outputFlag, 'table')
  command.action(async (files: string[]) => {
    exitWhenReaderLeaves(io)
    const suites = await rehearsal.testPolicies(files)
    const { output } = command.opts<{ output: OutputFormat }>()
    io.stdout.write(
      output === 'json'
        ? `${JSON.stringify({ suites }, undefined, 2)}\n`
        : suites.map(formatSuite).join('\n'),
    )
    fail(suites)
  })
}

/** @throws WeirError unless every case came out as expected */
function fail(suites: readonly SuiteReport[]): void {
  const problems = suites.flatMap((suite) => suite.problems).length
  if (problems > 0)
    throw new WeirError('CONFIG_INVALID', `tests did not run: ${problems} problems, see above`)
  const cases = suites.flatMap((suite) => suite.cases)
  const missed = cases.filter(({ passed }) => !passed).length
  if (missed > 0)
    throw new WeirError('EXPECTATION_MISSED', `${missed} of ${cases.length} cases came out differently`)
}

export function formatSuite({ file, cases, problems }: SuiteReport): string {
  if (problems.length > 0) return problems.map(({ text }) => `${printable(text)}\n`).join('')
  const missed = cases.filter(({ passed }) => !passed)
  const table = formatTable(
    [
      { title: '', value: ({ passed }) => (passed ? 'ok' : 'MISS') },
      { title: 'CASE', value: ({ name }) => name },
      { title: 'FROM', value: ({ from }) => from },
      { title: 'TO', value: ({ to }) => to },
      { title: 'PORT', value: ({ port }) => port },
      { title: 'REQUEST', value: ({ request }) => request },
      { title: 'EXPECTED', value: ({ expected }) => expected },
      { title: 'GOT', value: ({ got }) => got.outcome },
      { title: 'DECIDED BY', value: ({ got }) => got.rule?.name ?? got.reason },
    ],
    cases,
    'no cases',
  )
  const summary = `${printable(file)}: ${cases.length - missed.length} of ${cases.length} as expected\n`
  return [table, ...missed.map((one) => formatMiss(file, one)), summary].join('')
}

function formatMiss(file: string, { name, line, expected, expectedRule, got }: CaseReport): string {
  const rule = expectedRule === '' ? '' : ` by ${expectedRule}`
  const head = printable(`${file}:${line}: ${name}: expected ${expected}${rule}, got ${got.outcome}`)
  return `\n${head}\n${formatTrace(got).replace(/^(?=.)/gm, '  ')}\n`
}
