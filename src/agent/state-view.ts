// What the command line sees of the agent, put together when it asks.
import type { ConnectionRow__Output } from '../gen/weir/v1/ConnectionRow.ts'
import type { Endpoint__Output } from '../gen/weir/v1/Endpoint.ts'
import type { IdentityEntry__Output } from '../gen/weir/v1/IdentityEntry.ts'
import type { IpcacheRow__Output } from '../gen/weir/v1/IpcacheRow.ts'
import type { PolicyMapRow__Output } from '../gen/weir/v1/PolicyMapRow.ts'
import type { PolicyObject__Output } from '../gen/weir/v1/PolicyObject.ts'
import type { Source__Output } from '../gen/weir/v1/Source.ts'
import type { Status__Output } from '../gen/weir/v1/Status.ts'
import type { WorkerStatus__Output } from '../gen/weir/v1/WorkerStatus.ts'
import type { XdsClient__Output } from '../gen/weir/v1/XdsClient.ts'
import type { SelectorRow__Output } from '../gen/weir/v1/SelectorRow.ts'
import type { TraceRequest__Output } from '../gen/weir/v1/TraceRequest.ts'
import type { TraceResponse__Output } from '../gen/weir/v1/TraceResponse.ts'
import { WeirError } from '../lib/errors.ts'
import { longestPrefix } from '../lib/longest-prefix.ts'
import { protocolName } from '../lib/protocols.ts'
import { NETWORK_POLICY_TYPE, shortType } from '../lib/rpc/discovery.ts'
import { RESERVED_IDENTITIES } from '../policy/identity.ts'
import type { NetworkPolicy } from '../policy/network-policy.ts'
import type { PolicyMapEntry } from '../policy/policy-map.ts'
import { portText } from '../policy/policy-map-text.ts'
import { conflictTexts, type ProtocolConflict } from '../policy/protocol-conflict.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import type { Redirect } from '../redirect/redirect.ts'
import type { AgentState } from './agent-server.ts'
import type { ControlServer } from './control-server.ts'
import { CONTAINER_NAMESPACE, type UnenforceableContainer } from './docker/container-endpoints.ts'
import type { EndpointSources } from './endpoint-sources.ts'
import type { FlowLog } from './flow-log.ts'
import type { PolicySource } from './policy-sources.ts'
import { keyOf, type ManagedEndpoint, type Reconciler } from './reconciler.ts'
import { tracedWorld } from './traced-world.ts'
import type { XdsServer } from './xds/xds-server.ts'

export interface StateViewOptions {
  readonly version: string
  readonly redirect: Redirect
  readonly reconciler: Reconciler
  readonly datapath: Datapath
  readonly control: ControlServer
  readonly xds: XdsServer
  readonly flows: FlowLog
  readonly endpointSources: Pick<EndpointSources, 'fileState' | 'dockerState' | 'unenforceable'>
  readonly policySources: () => readonly PolicySource[]
  /** Workers that should be there; undefined = they are started by somebody else. */
  readonly workersWanted: number | undefined
  readonly trace: (request: TraceRequest__Output, world: TraceWorld) => TraceResponse__Output
  /** Where rules for different protocols meet. */
  readonly protocolConflicts: (policy: NetworkPolicy) => readonly ProtocolConflict[]
  /** Failures of the agent's own work that are not seen elsewhere. */
  readonly failures: () => readonly string[]
}

export class StateView implements AgentState {
  readonly #options: StateViewOptions

  constructor(options: StateViewOptions) {
    this.#options = options
  }

  status(): Status__Output {
    const { version, reconciler, datapath, flows } = this.#options
    const endpoints = reconciler.endpoints()
    const { fileState, dockerState } = this.#options.endpointSources
    return {
      version,
      pid: process.pid,
      revision: reconciler.revision,
      redirect: this.#options.redirect.mode,
      workers: this.#workers(),
      policies: this.#options.policySources().map(toSource),
      endpointsFile: fileState === undefined ? null : endpointSource('endpoints', fileState.file, fileState),
      docker: dockerState === undefined ? null : endpointSource('docker', dockerState.socket, dockerState),
      endpointsReady: endpoints.filter(({ state }) => state === 'ready').length,
      endpointsTotal: endpoints.length,
      drops: datapath.dropCounters(),
      problems: this.#problems(),
      flowsLost: flows.lost,
      xdsClients: this.#xdsClients(),
    }
  }

  #xdsClients(): XdsClient__Output[] {
    return this.#options.xds.clients().map(({ node, peer, mode, typeUrl, wanted, realised, error }) => ({
      node,
      peer,
      mode,
      type: shortType(typeUrl),
      revisionWanted: wanted,
      revisionRealised: realised,
      error,
    }))
  }

  #workers(): WorkerStatus__Output[] {
    return this.#options.control.workers().map(({ slot, pid, revision, error, stats }) => ({
      slot,
      pid,
      revision,
      error,
      connectionsActive: stats?.connectionsActive ?? 0,
      connectionsTotal: stats?.connectionsTotal ?? 0,
      requestsAllowed: stats?.requestsAllowed ?? 0,
      requestsDenied: stats?.requestsDenied ?? 0,
      errors: stats?.errors ?? {},
    }))
  }

  #problems(): string[] {
    const { reconciler, control, xds, endpointSources, policySources, workersWanted, failures } =
      this.#options
    const { redirect } = this.#options
    const workers = control.workers()
    const clients = xds.clients()
    const problems = [...failures(), ...this.#proxyProblems()]
    if (this.#proxyProblems().length === 0 && workersWanted !== undefined && workers.length < workersWanted) {
      problems.push(`${workers.length} of ${workersWanted} proxy workers are connected`)
    }
    for (const { slot, error } of workers) {
      if (error !== '') problems.push(`worker ${slot} refused the policy in force: ${error}`)
    }
    for (const { node, typeUrl, error } of clients) {
      if (error !== '') problems.push(`xDS client ${node} refused ${shortType(typeUrl)}: ${error}`)
    }
    for (const { spec, state, message } of reconciler.endpoints()) {
      if (state !== 'ready') problems.push(`endpoint ${keyOf(spec)} is ${state}: ${message}`)
    }
    const endpointsError = endpointSources.fileState?.error
    if (endpointsError !== undefined) problems.push(`endpoints file is stale: ${endpointsError}`)
    const docker = endpointSources.dockerState
    if (docker?.error !== undefined) problems.push(`endpoints from Docker are stale: ${docker.error}`)
    problems.push(...(docker?.problems ?? []))
    for (const { name, isClosed, why } of endpointSources.unenforceable()) {
      if (isClosed) problems.push(`container ${name} is closed: ${why}`)
    }
    for (const { name, file, state, error } of policySources()) {
      if (state !== 'ok') problems.push(`policy ${name === '' ? file : name} is ${state}: ${error}`)
    }
    problems.push(...this.#conflicts())
    problems.push(...redirect.limits.map((limit) => `redirect ${redirect.mode}: ${limit}`))
    return problems
  }

  #conflicts(): string[] {
    const { reconciler, protocolConflicts } = this.#options
    return conflictTexts(
      reconciler.endpoints().map(({ id, spec }) => {
        const policy = reconciler.repository.endpointPolicy(id)?.networkPolicy
        return [keyOf(spec), policy === undefined ? [] : protocolConflicts(policy)]
      }),
    )
  }

  /** Why no request could be judged. */
  #proxyProblems(): string[] {
    const { control, xds } = this.#options
    const hasClient = xds.clients().some(({ typeUrl }) => typeUrl === NETWORK_POLICY_TYPE)
    if (hasClient || control.workers().length > 0) return []
    return ['no proxy worker is connected: ports under L7 policy are closed']
  }

  endpoints(): Endpoint__Output[] {
    const { reconciler, datapath, endpointSources } = this.#options
    const inKernel = datapath.revision()
    const managed = reconciler.endpoints().map((endpoint) => {
      const enforced = reconciler.repository.endpointPolicy(endpoint.id)?.enforced
      return {
        id: endpoint.id,
        name: endpoint.spec.name,
        namespace: endpoint.spec.namespace,
        identity: endpoint.identity,
        labels: endpoint.labels.toStrings(),
        devices: [...endpoint.spec.devices],
        addresses: [...endpoint.spec.addresses],
        state: endpoint.state,
        message: endpoint.message === '' ? (endpoint.spec.notes ?? []).join('; ') : endpoint.message,
        containerId: endpoint.spec.containerId ?? '',
        ingress: enforced?.ingress === true ? 'enforced' : 'open',
        egress: enforced?.egress === true ? 'enforced' : 'open',
        revisionWanted: reconciler.revision,
        revisionRealised: endpoint.state === 'ready' ? this.#realised(endpoint.id, inKernel) : 0,
      }
    })
    return [...managed, ...endpointSources.unenforceable().map(unenforceableRow)]
  }

  /** The weakest link: kernel, workers, and those xDS clients that have asked for the endpoint. */
  #realised(endpoint: number, inKernel: number): number {
    const { control, xds } = this.#options
    const proxies = control.workers().map(({ revision }) => revision)
    const client = xds.realised(endpoint)
    if (client !== undefined) proxies.push(client)
    return proxies.length === 0 ? 0 : Math.min(inKernel, ...proxies)
  }

  identities(wanted: string): IdentityEntry__Output[] {
    const { reconciler } = this.#options
    const endpoints = reconciler.endpoints()
    const reserved = (RESERVED_IDENTITIES as Readonly<Record<string, number>>)[wanted]
    const rows = reconciler.repository
      .identities()
      .filter(({ identity }) => wanted === '' || String(identity) === wanted || identity === reserved)
    if (rows.length === 0 && wanted !== '') {
      throw new WeirError('NOT_FOUND', `no identity is ${JSON.stringify(wanted)}`, {
        mend: '`weir identity list` shows those that exist',
      })
    }
    return rows.map(({ identity, labels }) => ({
      identity,
      labels: [...labels],
      endpoints: endpoints.filter((endpoint) => endpoint.identity === identity).length,
    }))
  }

  selectors(): SelectorRow__Output[] {
    return this.#options.reconciler.repository
      .selectors()
      .map((row) => ({ ...row, identities: [...row.identities] }))
  }

  trace(request: TraceRequest__Output): TraceResponse__Output {
    const { reconciler, datapath, trace } = this.#options
    return trace(request, tracedWorld(reconciler, datapath, this.#proxyProblems()))
  }

  policyRevision(): number {
    return this.#options.reconciler.revision
  }

  policies(name: string): PolicyObject__Output[] {
    const { reconciler, policySources } = this.#options
    const sources = policySources().filter((source) => name === '' || source.name === name)
    if (sources.length === 0 && name !== '') {
      throw new WeirError('NOT_FOUND', `no policy is named ${JSON.stringify(name)}`, {
        mend: '`weir policy get` lists all as namespace/name',
      })
    }
    return sources.map((source) => ({
      source: toSource(source),
      yaml: source.policy?.yaml ?? '',
      endpoints: reconciler.repository
        .endpointsSelectedBy(source.policy?.key ?? '')
        .flatMap((id) => nameOf(reconciler.endpoint(id))),
    }))
  }

  policyMap(wanted: string): PolicyMapRow__Output[] {
    const { reconciler, datapath } = this.#options
    const endpoints = reconciler.endpoints().filter((endpoint) => isNamed(endpoint, wanted))
    if (endpoints.length === 0 && wanted !== '') {
      throw new WeirError('NOT_FOUND', `no endpoint is named ${JSON.stringify(wanted)}`, {
        mend: '`weir endpoint list` shows names and ids',
      })
    }
    return endpoints.flatMap((endpoint) =>
      datapath
        .listPolicy(endpoint.id)
        .sort(byRow)
        .map((entry) => ({
          endpointId: endpoint.id,
          endpoint: keyOf(endpoint.spec),
          direction: entry.direction,
          identity: entry.identity,
          protocol: protocolName(entry.protocol),
          port: portText(entry),
          verdict: entry.verdict,
          precedence: entry.precedence,
        })),
    )
  }

  ipcache(address: string): IpcacheRow__Output[] {
    const { reconciler, datapath } = this.#options
    const all = datapath.listIpcache()
    const decisive = address === '' ? undefined : longestPrefix(address, all)
    if (address !== '' && decisive === undefined) {
      throw new WeirError('NOT_FOUND', `no entry holds ${address}`, { mend: 'its packets count as `world`' })
    }
    const labels = new Map(reconciler.repository.identities().map((info) => [info.identity, info.labels]))
    return (decisive === undefined ? all : [decisive])
      .sort((a, b) => (a.prefix < b.prefix ? -1 : 1))
      .map(({ prefix, identity }) => ({ prefix, identity, labels: [...(labels.get(identity) ?? [])] }))
  }

  connections(): ConnectionRow__Output[] {
    return this.#options.datapath.listConnections().map((connection) => ({
      source: addressAndPort(connection.source, connection.sourcePort),
      destination: addressAndPort(connection.destination, connection.destinationPort),
      sourceIdentity: connection.sourceIdentity,
      destinationIdentity: connection.destinationIdentity,
      egressEndpoint: connection.egressEndpoint,
      ingressEndpoint: connection.ingressEndpoint,
      revision: connection.revision,
    }))
  }
}

function endpointSource(
  name: string,
  file: string,
  { state, error }: { readonly state: string; readonly error: string | undefined },
): Source__Output {
  return { name, file, state, error: error ?? '' }
}

/** No endpoint, and so without a number; it is listed so that nobody takes it for one. */
function unenforceableRow({
  name,
  containerId,
  addresses,
  isClosed,
  why,
}: UnenforceableContainer): Endpoint__Output {
  const direction = isClosed ? 'closed' : 'open'
  return {
    id: 0,
    name,
    namespace: CONTAINER_NAMESPACE,
    identity: 0,
    labels: [],
    devices: [],
    addresses: [...addresses],
    state: 'not-enforceable',
    message: why,
    ingress: direction,
    egress: direction,
    revisionWanted: 0,
    revisionRealised: 0,
    containerId,
  }
}

function toSource({ name, file, state, error }: PolicySource): Source__Output {
  return { name, file, state, error }
}

function nameOf(endpoint: ManagedEndpoint | undefined): string[] {
  return endpoint === undefined ? [] : [keyOf(endpoint.spec)]
}

function isNamed({ id, spec }: ManagedEndpoint, wanted: string): boolean {
  return wanted === '' || wanted === String(id) || wanted === spec.name || wanted === keyOf(spec)
}

function byRow(a: PolicyMapEntry, b: PolicyMapEntry): number {
  if (a.direction !== b.direction) return a.direction === 'ingress' ? -1 : 1
  return a.identity - b.identity || a.protocol - b.protocol || a.port - b.port
}

function addressAndPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
