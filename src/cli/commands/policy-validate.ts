// `weir policy validate`: would an agent admit these files?
import type { Command } from 'commander'
import { WeirError } from '../../lib/errors.ts'
import { outputFlag, type OutputFormat } from '../options.ts'
import type { Rehearsal, ValidationReport } from '../rehearsal.ts'
import { printable } from '../terminal-text.ts'
import { exitWhenReaderLeaves, type CliIo } from './listing.ts'

export function addValidateCommand(policy: Command, rehearsal: Rehearsal, io: CliIo): void {
  const command = policy
    .command('validate')
    .description('check policy files as the agent would; needs none')
    .argument('<path...>', 'files, or folders of them')
    .option('-o, --output <format>', 'table or json', outputFlag, 'table')
  command.action(async (paths: string[]) => {
    exitWhenReaderLeaves(io)
    const report = await rehearsal.validatePolicies(paths)
    const { output } = command.opts<{ output: OutputFormat }>()
    io.stdout.write(output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : formatReport(report))
    const count = report.problems.length
    if (count === 0) return
    throw new WeirError(
      'POLICY_INVALID',
      `${counted(count, 'problem')} in ${counted(report.files, 'file')}; what is broken would not come into force`,
    )
  })
}

export function formatReport({ files, policies, problems, warnings }: ValidationReport): string {
  const warned = warnings.map(({ code, text }) => `warning: ${code}: ${printable(text)}\n`).join('')
  if (problems.length > 0) return warned + problems.map(({ text }) => `${printable(text)}\n`).join('')
  return `${warned}ok: ${counted(policies.length, 'policy', 'policies')} in ${counted(files, 'file')}\n`
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
