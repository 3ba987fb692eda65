// `weir observe`: who talked to whom and what became of it. `weir monitor`: the kernel's part of it alone.
import type { Command } from 'commander'
import { once } from 'node:events'
import type { ObserveResponse__Output } from '../../gen/weir/v1/ObserveResponse.ts'
import { FLOW_RING_RECORDS } from '../../lib/limits.ts'
import { withAgent } from '../agent-call.ts'
import { compactFlow } from '../flow-line.ts'
import { integerFlag } from '../options.ts'
import { addReadOptions, exitWhenReaderLeaves, type CliIo, type ReadOptions } from './listing.ts'

interface ObserveOptions extends ReadOptions {
  readonly follow?: true
  readonly last?: number
  readonly drops?: true
}

export function addObserveCommand(program: Command, io: CliIo): void {
  const command = addStreamOptions(
    program
      .command('observe')
      .description('show requests and dropped packets; json prints one record per line'),
  )
  command.action(() => observe(command.opts<ObserveOptions>(), false, io))
}

export function addMonitorCommand(program: Command, io: CliIo): void {
  const command = addStreamOptions(
    program
      .command('monitor')
      .description('show what the kernel decided: drops with reasons, audited verdicts')
      .option('--drops', 'drops only'),
  )
  command.action(() => observe(command.opts<ObserveOptions>(), true, io))
}

function addStreamOptions(command: Command): Command {
  command
    .option('-f, --follow', 'go on with each new one')
    .option(
      '--last <n>',
      'start with so many of the past (default: 20)',
      integerFlag('--last', 1, FLOW_RING_RECORDS),
    )
  return addReadOptions(command)
}

async function observe(options: ObserveOptions, kernel: boolean, io: CliIo): Promise<void> {
  exitWhenReaderLeaves(io)
  await withAgent(options.stateDir, async (client) => {
    const { follow = false, last = 0, drops: dropped = false } = options
    const stream = client.Observe({ follow, last, kernel, dropped })
    for await (const message of stream) {
      const { flow, lost } = message as ObserveResponse__Output
      if (lost > 0) io.stderr.write(`weir: ${lost} records lost here\n`)
      const line = options.output === 'json' ? flow : compactFlow(flow)
      // Waiting lets the agent feel a slow reader: it then counts what this one misses.
      if (!io.stdout.write(`${line}\n`)) await once(io.stdout, 'drain')
    }
  })
}
