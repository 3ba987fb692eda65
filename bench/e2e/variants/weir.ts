// Weir on the node, one worker; the client dials the server.
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { endpointOf } from '../../../test/helpers/weir-process.ts'
import { endProcess, untilUp } from '../child.ts'
import { onOthersCore, pinProxy } from '../pinning.ts'
import { type RuleSet, ruleSetOf } from '../rules.ts'
import { type Stage } from '../stage.ts'
import { type Variant } from './variant.ts'

/** `toPorts` of a rule. */
type PortRule = Readonly<Record<string, unknown>>

/** V8 compacts the heap of an idle process after 15 to 25 seconds. */
const REST_MS = 30_000

export interface WeirOptions {
  readonly name: string
  /** A built checkout. */
  readonly root: string
  readonly hasAccessLog: boolean
  /** What the client may do at the server. */
  readonly ports: readonly PortRule[]
  /** Options of Node for all its processes. */
  readonly nodeFlags: readonly string[]
}

export interface RunningWeir {
  readonly worker: number
  /** Empty the access log. */
  tidy(): void
  stop(): Promise<void>
}

export async function startWeir(
  stage: Stage,
  options: Omit<WeirOptions, 'ports'> & { readonly sets: readonly RuleSet[] },
): Promise<Variant> {
  const weir = await launchWeir(stage, { ...options, ports: options.sets.map(portRule) })
  return {
    name: options.name,
    client: stage.client,
    workDir: stage.node.workDir,
    pids: [weir.worker],
    canDo: () => true,
    targetOf: (load) => ({ host: stage.server.v4, port: ruleSetOf(load).port }),
    restMs: REST_MS,
    tidy: () => weir.tidy(),
    stop: () => weir.stop(),
  }
}

export async function launchWeir(
  stage: Pick<Stage, 'node' | 'client' | 'server'>,
  options: WeirOptions,
): Promise<RunningWeir> {
  const { node } = stage
  const directory = join(node.workDir, 'weir')
  mkdirSync(join(directory, 'policies'), { recursive: true })
  const endpoints = [endpointOf(stage.client, { app: 'client' }), endpointOf(stage.server, { app: 'server' })]
  writeFileSync(join(directory, 'endpoints.yaml'), stringify(endpoints))
  writeFileSync(join(directory, 'policies', 'server.yaml'), stringify(policy(options.ports)))
  const accessLog = join(directory, 'access.ndjson')
  if (options.hasAccessLog) writeFileSync(accessLog, '')
  const main = join(options.root, 'dist', 'src', 'main.js')
  const command = [process.execPath, ...options.nodeFlags, main, 'run', '--workers', '1']
  command.push('--state-dir', node.stateDir)
  command.push('--endpoints', join(directory, 'endpoints.yaml'), '--policies', join(directory, 'policies'))
  if (options.hasAccessLog) command.push('--access-log', accessLog)
  const child = node.spawn(onOthersCore(command), { detached: true })
  await untilUp(child, options.name, (messages) => messages.includes('"msg":"ready"'), 60_000)
  const worker = workerOf(child.pid!)
  pinProxy(worker)
  return {
    worker,
    tidy: () => {
      if (options.hasAccessLog) truncateSync(accessLog)
    },
    stop: () => endProcess(child),
  }
}

function policy(ports: readonly PortRule[]): unknown {
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'server' },
    spec: {
      endpointSelector: { matchLabels: { app: 'server' } },
      ingress: [{ fromEndpoints: [{ matchLabels: { app: 'client' } }], toPorts: ports }],
    },
  }
}

function portRule({ port, paths, method = 'GET' }: RuleSet): PortRule {
  return {
    ports: [{ port: String(port), protocol: 'TCP' }],
    rules: { http: paths.map((path) => ({ method, path })) },
  }
}

/** The agent's child: the one process that touches requests. */
function workerOf(agent: number): number {
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const parent = Number(/\) . (\d+)/.exec(readFileSync(`/proc/${entry}/stat`, 'utf8'))?.[1])
      if (parent === agent) return Number(entry)
    } catch {
      // it has ended in between
    }
  }
  throw new Error(`weir ${agent} has no worker`)
}
