// A command that asks the agent once and prints the answer as a table or as JSON.
import { Option, type Command } from 'commander'
import { DEFAULT_STATE_DIR } from '../../lib/paths.ts'
import { outputFlag, stateDirFlag, type OutputFormat } from '../options.ts'

/** Where commands write. */
export interface CliIo {
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
}

export interface ReadOptions {
  readonly stateDir: string
  readonly output: OutputFormat
}

/** Flags of every command that talks to the agent. */
export function addReadOptions(command: Command): Command {
  return command
    .addOption(stateDirOption())
    .option('-o, --output <format>', 'table or json', outputFlag, 'table')
}

export function stateDirOption(): Option {
  return new Option('--state-dir <dir>', 'directory of the agent socket and pid files')
    .argParser(stateDirFlag)
    .default(DEFAULT_STATE_DIR)
}

/**
 * Give `command` its flags and its action. `ask` gets the positional argument, '' when absent; `format`
 * makes the text for people; JSON is the answer itself.
 */
export function addListing<Answer>(
  command: Command,
  io: CliIo,
  ask: (stateDir: string, argument: string) => Promise<Answer>,
  format: (answer: Answer, argument: string) => string,
): void {
  addReadOptions(command)
  command.action(async () => {
    exitWhenReaderLeaves(io)
    // A command above with the same flags, as `bpf policy` is to `bpf policy get`, has taken them.
    const { stateDir, output } = command.optsWithGlobals<ReadOptions>()
    const argument = command.args[0] ?? ''
    const answer = await ask(stateDir, argument)
    io.stdout.write(
      output === 'json' ? `${JSON.stringify(answer, undefined, 2)}\n` : format(answer, argument),
    )
  })
}

/** `weir ... | head` is no failure: when nobody reads any more, there is nothing left to do. */
export function exitWhenReaderLeaves(io: CliIo): void {
  io.stdout.once('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}
