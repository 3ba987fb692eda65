#!/usr/bin/env node
// The composition root: the only place that knows agent, proxy and command line at once. Parts are loaded by
// the command that needs them: a worker that was killed has to be back soon.
import { fileURLToPath } from 'node:url'
import type { AgentOptions as AgentRunOptions } from './agent/agent.ts'
import type { AgentOptions, ProxyOptions, RunOptions, StandaloneAgentOptions } from './cli/options.ts'
import { createProgram, runProgram } from './cli/program.ts'
import type { Finding } from './lib/finding.ts'
import { createLogger } from './lib/log.ts'
import { instancePaths } from './lib/paths.ts'
import { DEFAULT_REDIRECT } from './lib/redirect-mode.ts'
import { packageVersion } from './lib/version.ts'

/** Cilium's, which clients may know. */
const DEFAULT_DENIED_BODY = 'Access denied\r\n'

function run(options: RunOptions): Promise<void> {
  return startAgent(options, {
    count: options.workers,
    command: (slot) => [
      process.execPath,
      ...process.execArgv,
      fileURLToPath(import.meta.url),
      ...workerArguments(slot, options),
    ],
  })
}

function workerArguments(slot: number, options: RunOptions): string[] {
  const { stateDir, accessLog, denied403Body, encodedSlash } = options
  return [
    'proxy',
    ...['--slot', String(slot)],
    ...['--state-dir', stateDir],
    ...(accessLog === undefined ? [] : ['--access-log', accessLog]),
    ...(denied403Body === undefined ? [] : ['--denied-403-body', denied403Body]),
    ...(encodedSlash === undefined ? [] : ['--path-encoded-slash', encodedSlash]),
  ]
}

async function startAgent(
  options: AgentOptions & Partial<Pick<StandaloneAgentOptions, 'listen'>>,
  workers?: AgentRunOptions['workers'],
): Promise<void> {
  const { runAgent } = await import('./agent/agent.ts')
  const { ADMISSION } = await import('./l7rules/admission.ts')
  const { trace } = await import('./trace/trace.ts')
  const { protocolConflicts } = await import('./l7rules/protocol-conflicts.ts')
  await runAgent({
    paths: instancePaths(options.stateDir),
    endpointsFile: options.endpointsFile,
    dockerSocket: options.dockerSocket,
    policiesDir: options.policiesDir,
    version: packageVersion(),
    log: createLogger('agent', process.env['WEIR_LOG_LEVEL']),
    ...ADMISSION,
    trace,
    protocolConflicts,
    ...(workers === undefined ? {} : { workers }),
    ...(options.listen === undefined ? {} : { listen: options.listen }),
    ...(options.policyMapEntries === undefined ? {} : { policyMapEntries: options.policyMapEntries }),
    redirect: options.redirect ?? DEFAULT_REDIRECT,
  })
}

async function proxy(options: ProxyOptions): Promise<void> {
  const { runWorker } = await import('./proxy/worker.ts')
  await runWorker({
    paths: instancePaths(options.stateDir),
    slot: options.slot,
    version: packageVersion(),
    accessLog: options.accessLog,
    deniedBody: options.denied403Body ?? DEFAULT_DENIED_BODY,
    encodedSlash: options.encodedSlash ?? 'keep',
    ...(options.xds === undefined ? {} : { xds: options.xds }),
    log: createLogger('proxy', process.env['WEIR_LOG_LEVEL']),
  })
}

async function cleanup({ stateDir }: { readonly stateDir: string }): Promise<void> {
  const { lockInstance } = await import('./agent/instance-lock.ts')
  const { lockNetwork } = await import('./agent/network-lock.ts')
  const { removeStateDirectory } = await import('./agent/state-directory.ts')
  const { Supervisor } = await import('./agent/supervisor.ts')
  const { removeDatapath } = await import('./redirect/cleanup.ts')
  const { checkPinOwner } = await import('./redirect/pin-owner.ts')
  const { checkPrivileges } = await import('./redirect/requirements.ts')
  const paths = instancePaths(stateDir)
  checkPrivileges()
  const unlock = lockInstance(paths.stateDir)
  let unlockNetwork = (): void => {}
  try {
    unlockNetwork = await lockNetwork(paths.stateDir)
    checkPinOwner(paths)
    const log = createLogger('cleanup', 'warn')
    // Workers of an agent that was killed: to a supervisor of none, all are too many.
    const supervisor = new Supervisor({ stateDir: paths.stateDir, workers: 0, command: () => [''], log })
    supervisor.start()
    await supervisor.stop()
    for (const removed of removeDatapath(paths)) process.stdout.write(`removed ${removed}\n`)
  } finally {
    unlockNetwork()
    unlock()
  }
  removeStateDirectory(paths.stateDir)
  process.stdout.write('nothing of Weir is left on this machine\n')
}

const rehearsal = () => import('./rehearsal/commands.ts')

async function doctor(): Promise<readonly Finding[]> {
  const { diagnose } = await import('./redirect/doctor/diagnose.ts')
  const { readMachine } = await import('./redirect/doctor/machine.ts')
  return diagnose(readMachine())
}

process.exitCode = await runProgram(
  createProgram({
    run,
    proxy,
    cleanup,
    agent: (options) => startAgent(options),
    rehearsal: {
      validatePolicies: async (paths) => (await rehearsal()).validatePolicies(paths),
      traceOffline: async (request, files) => (await rehearsal()).traceOffline(request, files),
      testPolicies: async (suites) => (await rehearsal()).testPolicies(suites),
    },
    doctor,
  }),
  process.argv.slice(2),
)
