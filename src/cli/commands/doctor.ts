// `weir doctor`: can this machine run Weir, and what stands in its way.
import type { Command } from 'commander'
import { WeirError } from '../../lib/errors.ts'
import type { Finding } from '../../lib/finding.ts'
import { outputFlag, type OutputFormat } from '../options.ts'
import { formatTable } from '../table.ts'
import { printable } from '../terminal-text.ts'
import type { CliIo } from './listing.ts'

export function addDoctorCommand(
  program: Command,
  diagnose: () => readonly Finding[] | Promise<readonly Finding[]>,
  io: CliIo,
): void {
  const command = program
    .command('doctor')
    .description('check kernel, settings and tools; fails when Weir could not work here')
    .option('-o, --output <format>', 'table or json', outputFlag, 'table')
  command.action(async () => {
    const findings = await diagnose()
    const { output } = command.opts<{ output: OutputFormat }>()
    io.stdout.write(output === 'json' ? `${JSON.stringify({ findings }, undefined, 2)}\n` : format(findings))
    const blocking = findings.filter(({ state }) => state === 'blocking')
    if (blocking.length === 0) return
    throw new WeirError(
      'MACHINE_UNFIT',
      `Weir cannot work here: ${blocking.map(({ check }) => check).join(', ')}`,
      {
        mend: 'see MEND of what is blocking',
      },
    )
  })
}

function format(findings: readonly Finding[]): string {
  return formatTable(
    [
      { title: 'CHECK', value: ({ check }) => check },
      { title: 'STATE', value: ({ state }) => state },
      { title: 'FOUND', value: ({ detail }) => printable(detail) },
      { title: 'MEND', value: ({ mend }) => printable(mend) },
    ],
    findings,
    'nothing to check',
  )
}
