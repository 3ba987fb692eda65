// One proxy worker: its listeners, its policy, its records. Runs until SIGTERM.
import type { WorkerStats } from '../gen/weir/v1/WorkerStats.ts'
import { parseAddress } from '../lib/address.ts'
import type { EncodedSlash } from '../lib/encoded-slash.ts'
import { errorMessage, WeirError } from '../lib/errors.ts'
import { hasIPv6 } from '../lib/ipv6.ts'
import type { Logger } from '../lib/log.ts'
import type { InstancePaths } from '../lib/paths.ts'
import { xdsChannel } from '../lib/rpc/channel.ts'
import type { XdsMode } from '../lib/rpc/discovery.ts'
import type { XdsTarget } from '../lib/rpc/target.ts'
import { readTlsFiles, type TlsFiles } from '../lib/rpc/tls.ts'
import { terminationSignal } from '../lib/signals.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import { MARK_DOWNSTREAM, PROXY_PORT } from '../redirect/layouts.ts'
import { ProxyMaps } from '../redirect/proxy-maps.ts'
import { AccessLog, type RecordSink } from './access-log.ts'
import { AgentClient } from './agent-client.ts'
import { agentSink } from './agent-sink.ts'
import { Enforcer } from './enforcer.ts'
import { FileSink } from './file-sink.ts'
import { TcpNetwork } from './io/tcp-network.ts'
import { ProxyListener } from './listener.ts'
import { translated } from './translated.ts'
import { XdsClient } from './xds/xds-client.ts'

/** Counted beside the reasons of connections and requests. */
export const WORKER_REASONS = {
  ACCESS_LOG_LOST: 'Access-log records that were dropped because the file or the agent was slow.',
} as const
const MAPS_RETRY_MS = 200

export interface WorkerOptions {
  readonly paths: InstancePaths
  /** Listener slot, 0-based. */
  readonly slot: number
  readonly version: string
  /** File, `-` for standard output, undefined for none. */
  readonly accessLog: string | undefined
  /** Body of the 403; ends as given. */
  readonly deniedBody: string
  /** What `%2F` in a path means. */
  readonly encodedSlash: EncodedSlash
  /** Where policies come from; undefined = from the agent of the state directory, with names and records. */
  readonly xds?: XdsSource
  readonly log: Logger
}

export interface XdsSource {
  readonly target: XdsTarget
  readonly mode: XdsMode
  /** For TCP. */
  readonly tls: TlsFiles | undefined
}

/** Resolves after SIGTERM or SIGINT, when everything is closed. @throws WeirError when it cannot start */
export async function runWorker(options: WorkerOptions): Promise<void> {
  const { log, slot, version, xds } = options
  const channel = xds === undefined ? undefined : xdsChannel(xds.target, xds.tls && readTlsFiles(xds.tls))
  const sinks: RecordSink[] = []
  if (options.accessLog !== undefined) sinks.push(new FileSink({ target: options.accessLog, log }))
  const accessLog = new AccessLog({ sinks })
  // Early: without a handler the signal would end the process.
  process.on('SIGHUP', () => accessLog.reopen())
  const maps = await openMaps(options)
  const network = new TcpNetwork()
  const enforcer = new Enforcer({
    maps,
    accessLog,
    deniedBody: Buffer.from(options.deniedBody),
    encodedSlash: options.encodedSlash,
    findsByAddress: xds !== undefined,
  })
  let listener: ProxyListener | undefined
  /** Only with a policy: SO_REUSEPORT gives a new member its share of connections, registered or not. */
  const listen = (): ProxyListener => {
    const redirect = maps.redirect()
    const families = redirect.listen.filter(([family]) => family === 'ipv4' || hasIPv6())
    const { isTransparent } = redirect
    const opened = new ProxyListener({
      network,
      resolve: isTransparent ? enforcer.resolve : translated(maps, enforcer.resolve),
      listen: families.map(([, address]) => ({
        address: parseAddress(address),
        port: PROXY_PORT,
        isTransparent,
        mark: MARK_DOWNSTREAM,
        isShared: true,
      })),
    })
    opened.sockets.forEach(({ fd }, i) => maps.registerListener(slot, families[i]?.[0] ?? 'ipv4', fd))
    return opened
  }
  const apply = (snapshot: PolicySnapshot): string | undefined => {
    const refusal = enforcer.apply(snapshot)
    if (refusal !== undefined || listener !== undefined) return refusal
    // It may have been rotated since it was opened: the agent tells only workers that it knows.
    accessLog.reopen()
    listener = listen()
    log.info({ slot, revision: snapshot.revision }, 'worker ready')
    return undefined
  }
  const stats = (): WorkerStats => ({
    connectionsActive: listener?.counters.active ?? 0,
    connectionsTotal: listener?.counters.total ?? 0,
    requestsAllowed: enforcer.counters.allowed,
    requestsDenied: enforcer.counters.denied,
    errors: Object.fromEntries([
      ...(listener?.counters.refused ?? []),
      ...enforcer.counters.errors,
      ...counted('ACCESS_LOG_LOST', accessLog.lost),
    ]),
  })
  const agentClient = (): AgentClient => {
    const { agentSocket } = options.paths
    const flushFlows = (): void => accessLog.flush()
    const client = new AgentClient({ socketPath: agentSocket, slot, version, log, apply, flushFlows, stats })
    sinks.push(agentSink(client))
    return client
  }
  const client =
    xds === undefined || channel === undefined
      ? agentClient()
      : new XdsClient({ channel, mode: xds.mode, slot, version, log, apply })
  client.start()

  await terminationSignal()
  log.info({ connections: listener?.counters.active ?? 0 }, 'worker stops')
  await listener?.stop()
  await accessLog.close()
  client.close()
  network.close()
}

/** The agent may still be on its way: its maps are waited for. */
async function openMaps(options: WorkerOptions): Promise<ProxyMaps> {
  for (let attempt = 0; ; attempt++) {
    try {
      return new ProxyMaps(options.paths.bpffsDir)
    } catch (error) {
      if (!(error instanceof WeirError) || error.code !== 'KERNEL_UNSUPPORTED') throw error
      if (attempt === 0) options.log.warn({ reason: errorMessage(error) }, 'waiting for the datapath')
      await new Promise((resolve) => setTimeout(resolve, MAPS_RETRY_MS))
    }
  }
}

function counted(reason: keyof typeof WORKER_REASONS, count: number): [string, number][] {
  return count === 0 ? [] : [[reason, count]]
}
