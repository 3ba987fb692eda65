// The command line. Commands that need a running agent are here; those that are one come from src/main.ts.
import { Command, CommanderError } from 'commander'
import type { EncodedSlash } from '../lib/encoded-slash.ts'
import { WeirError, errorMessage } from '../lib/errors.ts'
import { MAX_POLICY_MAP_ENTRIES, MAX_WORKERS, MIN_POLICY_MAP_ENTRIES } from '../lib/limits.ts'
import type { Finding } from '../lib/finding.ts'
import { DEFAULT_REDIRECT, REDIRECT_MODES, type RedirectMode } from '../lib/redirect-mode.ts'
import { packageVersion } from '../lib/version.ts'
import { addBpfCommands } from './commands/bpf.ts'
import { addInventoryCommands } from './commands/inventory.ts'
import { addPolicyCommands } from './commands/policy.ts'
import { stateDirOption, type CliIo } from './commands/listing.ts'
import type { Rehearsal } from './rehearsal.ts'
import { addDoctorCommand } from './commands/doctor.ts'
import { addMonitorCommand, addObserveCommand } from './commands/observe.ts'
import { addStatusCommand } from './commands/status.ts'
import {
  accessLogFlag,
  defaultWorkers,
  deniedBodyFlag,
  directoryFlag,
  encodedSlashFlag,
  fileFlag,
  integerFlag,
  redirectFlag,
  listenOptions,
  xdsOptions,
  type AgentOptions,
  type CleanupOptions,
  type ProxyOptions,
  type RunOptions,
  type StandaloneAgentOptions,
  type TlsFlags,
  type XdsFlags,
} from './options.ts'

/** What src/main.ts does with options that are parsed and checked. A promise that resolves ends the command. */
export interface Handlers {
  readonly run: (options: RunOptions) => Promise<void>
  readonly agent: (options: StandaloneAgentOptions) => Promise<void>
  readonly proxy: (options: ProxyOptions) => Promise<void>
  readonly cleanup: (options: CleanupOptions) => Promise<void>
  readonly rehearsal: Rehearsal
  /** What it finds on the machine; needs no agent. */
  readonly doctor: () => readonly Finding[] | Promise<readonly Finding[]>
}

export type { CliIo, Rehearsal }

export function createProgram(handlers: Handlers, io: CliIo = process): Command {
  const program = new Command('weir')
    .description('transparent L7 policy proxy')
    .version(packageVersion())
    .exitOverride()
    // Errors are printed in one place and form: runProgram.
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => {},
    })
  addDaemonCommands(program, handlers)
  addStatusCommand(program, io)
  addInventoryCommands(program, io)
  addPolicyCommands(program, handlers.rehearsal, io)
  addBpfCommands(program, io)
  addObserveCommand(program, io)
  addMonitorCommand(program, io)
  addDoctorCommand(program, handlers.doctor, io)
  return program
}

/**
 * Run one command. `args` without node and script. Never rejects: an error becomes one line
 * `weir: CODE: message` on standard error. @returns the exit code
 */
export async function runProgram(
  program: Command,
  args: readonly string[],
  io: CliIo = process,
): Promise<number> {
  try {
    await program.parseAsync([...args], { from: 'user' })
    return 0
  } catch (thrown) {
    if (thrown instanceof CommanderError && isHelp(thrown)) return thrown.exitCode
    io.stderr.write(`weir: ${describe(thrown)}\n`)
    return 1
  }
}

function addDaemonCommands(program: Command, handlers: Handlers): void {
  addRequestOptions(addPolicyOptions(program.command('run').description('agent and workers in one command')))
    .option(
      '--workers <n>',
      'proxy processes (default: one per CPU, at most 4)',
      integerFlag('--workers', 1, MAX_WORKERS),
    )
    .action((flags: PolicyFlags & RequestFlags & { workers?: number }) =>
      handlers.run({
        ...agentOptions(flags),
        ...requestOptions(flags),
        workers: flags.workers ?? defaultWorkers(),
      }),
    )
  addTlsOptions(
    addPolicyOptions(program.command('agent').description('decide: endpoints, policies, kernel maps')).option(
      '--listen <host:port>',
      'serve xDS on TCP, too; needs all of --tls-*',
    ),
  ).action((flags: PolicyFlags & TlsFlags & { listen?: string }) =>
    handlers.agent({ ...agentOptions(flags), listen: listenOptions(flags) }),
  )
  addTlsOptions(
    addRequestOptions(program.command('proxy').description('one worker: enforce what the agent decides'))
      .option('--slot <n>', 'listener slot', integerFlag('--slot', 0, MAX_WORKERS - 1), 0)
      .option('--xds <address>', 'policies from this xDS server: unix:PATH, or host:port with --tls-*')
      .option('--xds-mode <mode>', 'split = one stream per type, ads = aggregated (default: split)'),
  )
    .addOption(stateDirOption())
    .action((flags: RequestFlags & StateFlags & XdsFlags & { slot: number }) =>
      handlers.proxy({
        slot: flags.slot,
        stateDir: flags.stateDir,
        xds: xdsOptions(flags),
        ...requestOptions(flags),
      }),
    )
  program
    .command('cleanup')
    .description('remove programs, maps and pid files of an agent that is gone')
    .addOption(stateDirOption())
    .action(({ stateDir }: StateFlags) => handlers.cleanup({ stateDir }))
}

const DOCKER_SOCKET = '/var/run/docker.sock'

interface StateFlags {
  readonly stateDir: string
}
interface PolicyFlags extends StateFlags {
  readonly endpoints?: string
  /** true: without a value. */
  readonly docker?: string | true
  readonly policies: string
  readonly policyMapEntries?: number
  readonly redirect?: RedirectMode
}
/** Named by commander: --denied-403-body becomes denied403Body. */
interface RequestFlags {
  readonly accessLog?: string
  readonly denied403Body?: string
  readonly pathEncodedSlash?: EncodedSlash
}

function addPolicyOptions(command: Command): Command {
  return command
    .option('--endpoints <file>', 'YAML file that names endpoints', fileFlag('--endpoints'))
    .option('--docker [socket]', `containers of this Docker engine are endpoints (default: ${DOCKER_SOCKET})`)
    .requiredOption('--policies <dir>', 'folder of policy files, watched', directoryFlag('--policies'))
    .option(
      '--policy-map-entries <n>',
      "size of each endpoint's policy map; an endpoint that needs more is closed (default: 16384)",
      integerFlag('--policy-map-entries', MIN_POLICY_MAP_ENTRIES, MAX_POLICY_MAP_ENTRIES),
    )
    .option(
      '--redirect <mode>',
      `how connections get to the proxy: ${REDIRECT_MODES.join(', ')} (default: ${DEFAULT_REDIRECT})`,
      redirectFlag,
    )
    .addOption(stateDirOption())
}

function addRequestOptions(command: Command): Command {
  return command
    .option('--access-log <file>', 'one JSON line per request; - = standard output', accessLogFlag)
    .option('--denied-403-body <text>', 'body of denials', deniedBodyFlag)
    .option(
      '--path-encoded-slash <mode>',
      '%2F in paths: keep it, reject the request, or decode it to a slash (default: keep)',
      encodedSlashFlag,
    )
}

function addTlsOptions(command: Command): Command {
  return command
    .option('--tls-cert <file>', 'own certificate, PEM', fileFlag('--tls-cert'))
    .option('--tls-key <file>', 'its key, PEM', fileFlag('--tls-key'))
    .option('--tls-ca <file>', "authorities of the other side's certificate, PEM", fileFlag('--tls-ca'))
}

function agentOptions(flags: PolicyFlags): AgentOptions {
  const { endpoints, docker, policies, stateDir, policyMapEntries, redirect } = flags
  if (endpoints === undefined && docker === undefined) {
    throw new WeirError('CONFIG_INVALID', 'no endpoints are named', {
      mend: 'give --endpoints FILE, --docker, or both',
    })
  }
  const dockerSocket = docker === true ? DOCKER_SOCKET : docker
  return {
    endpointsFile: endpoints,
    dockerSocket,
    policiesDir: policies,
    stateDir,
    policyMapEntries,
    redirect,
  }
}

function requestOptions({
  accessLog,
  denied403Body,
  pathEncodedSlash,
}: RequestFlags): Pick<RunOptions, 'accessLog' | 'denied403Body' | 'encodedSlash'> {
  return { accessLog, denied403Body, encodedSlash: pathEncodedSlash }
}

function isHelp(error: CommanderError): boolean {
  return error.code === 'commander.version' || error.code.startsWith('commander.help')
}

function describe(thrown: unknown): string {
  if (thrown instanceof WeirError) return `${thrown.code}: ${thrown.message}`
  if (thrown instanceof CommanderError)
    return `CONFIG_INVALID: ${thrown.message.replace(/^error: /, '').replaceAll('\n', ' ')}`
  return `INTERNAL: ${errorMessage(thrown)}`
}
