// The kernel half as the agent sees it: endpoints, their policy maps, the ipcache, and what is to be read back.
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { formatAddress, formatPrefix, parsePrefix } from '../lib/address.ts'
import {
  asEndpointId,
  asIdentity,
  asRevision,
  type EndpointId,
  type Identity,
  type Revision,
} from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { InstancePaths } from '../lib/paths.ts'
import type { PolicyMapEntry } from '../policy/policy-map.ts'
import { Attachments } from './attachments.ts'
import { BpfMap } from './bpf-map.ts'
import { BpfObject } from './bpf-object.ts'
import type {
  ConnectionEntry,
  Datapath,
  DatapathEndpoint,
  DatapathEvent,
  DropCounter,
  IpcacheEntry,
} from './datapath-api.ts'
import { EndpointAddresses } from './endpoint-addresses.ts'
import { DatapathEvents } from './events.ts'
import {
  AUDIT_REASON,
  configLayout,
  connectionLayout,
  DROP_REASONS,
  ENDPOINT_HAS_MASTER,
  endpointConfigLayout,
  ipcacheKeyLayout,
  tupleLayout,
  UNKNOWN_PORT_REASON,
} from './layouts.ts'
import { findLink, setLinkGroup } from './links.ts'
import { ensureNetfilter, isTracking, type NetfilterState } from './netfilter.ts'
import { checkPinOwner, recordPinOwner } from './pin-owner.ts'
import { PolicyMaps } from './policy-map.ts'
import {
  changeElsewhere,
  checkPortGate,
  hasPortGate,
  installPortGate,
  JUDGED_GROUP,
  portGateDrops,
  removePortGate,
} from './port-gate.ts'
import { checkRequirements } from './requirements.ts'
import { ensureSteering, mendSteering, type Steering } from './steering.ts'
import { redirectByNumber, type Redirect } from './redirect.ts'
import { attachedProgram, attachTc, interfaceIndex } from './tc.ts'

const IDENTITY_BYTES = 4
const COUNTER_BYTES = 8
const DIRECTIONS = ['ingress', 'egress'] as const

export interface DatapathOptions {
  readonly paths: InstancePaths
  readonly policyMapEntries?: number
  readonly redirect: Redirect
  /** `closeUnknownPorts` is going to be called; without, what an earlier instance has closed is opened. */
  readonly closesUnknownPorts?: boolean
}

/**
 * Load programs and maps, or take over those that an earlier instance left, and set up steering.
 * @throws WeirError NOT_PRIVILEGED, KERNEL_UNSUPPORTED, LAYOUT_MISMATCH, PINNED_ELSEWHERE, KERNEL_CALL_FAILED
 */
export function openDatapath(options: DatapathOptions): Datapath {
  checkRequirements(options.paths.bpffsDir)
  checkPinOwner(options.paths)
  checkRedirect(options)
  // Once for nobody: a kernel that refuses it must be found out before anything is said to be enforced.
  BpfObject.load('tc_endpoint', { bpffsDir: options.paths.bpffsDir }).close()
  if (options.closesUnknownPorts !== true) removePortGate()
  else checkPortGate()
  recordPinOwner(options.paths)
  return new KernelDatapath(options, ensureSteering(options.paths, options.redirect))
}

/** Programs and workers of one redirect do not understand those of another. */
function checkRedirect({ paths, redirect }: DatapathOptions): void {
  if (!existsSync(join(paths.bpffsDir, 'weir_config'))) return
  const map = BpfMap.openPinned(paths.bpffsDir, 'weir_config', 4, configLayout.bytes)
  const value = map.lookup(Buffer.alloc(4))
  map.close()
  const before = value === undefined ? redirect : redirectByNumber(configLayout.decode(value).redirect)
  if (before === redirect || (value !== undefined && configLayout.decode(value).revision === 0n)) return
  throw new WeirError(
    'CONFIG_INVALID',
    `--redirect ${redirect.mode}: the state directory ${paths.stateDir} was set up with ${before.mode}`,
    {
      mend: 'use that one, or run `weir cleanup` first, which lets traffic pass without policy for a moment',
    },
  )
}

interface AttachedDevice {
  readonly device: string
  readonly ifindex: number
  readonly hasMaster: boolean
  /** Constants of the programs on it. */
  readonly config: Buffer
}

class KernelDatapath implements Datapath {
  private readonly paths: InstancePaths
  private redirectIfindex: number
  /** Their programs lead to a device that is gone. */
  private readonly outdated = new Set<EndpointId>()
  private readonly redirect: Redirect
  private netfilter: NetfilterState
  private readonly policies: PolicyMaps
  private readonly ipcache: BpfMap
  private readonly addresses: EndpointAddresses
  private readonly connections: BpfMap
  private readonly metrics: BpfMap
  private readonly config: BpfMap
  private readonly events: DatapathEvents
  private readonly eventsMap: BpfMap
  private readonly attachments: Attachments
  private readonly closesUnknownPorts: boolean
  /** Constants of the programs of endpoints that have no device yet: those to be loaded, and those that are. */
  private readonly unprepared = new Map<EndpointId, Buffer>()
  private readonly prepared = new Map<EndpointId, { readonly config: Buffer; readonly object: BpfObject }>()
  /** In force; undefined = unknown ports are not closed (by this instance). */
  private elsewhere: readonly number[] | undefined
  private readonly attached = new Map<EndpointId, readonly AttachedDevice[]>()

  constructor(options: DatapathOptions, steering: Steering) {
    const { bpffsDir, stateDir } = options.paths
    this.paths = options.paths
    this.redirectIfindex = steering.redirectIfindex
    this.netfilter = steering.netfilter
    this.redirect = options.redirect
    this.policies = new PolicyMaps(bpffsDir, options.policyMapEntries)
    this.ipcache = BpfMap.openPinned(bpffsDir, 'weir_ipcache', ipcacheKeyLayout.bytes, IDENTITY_BYTES)
    this.addresses = new EndpointAddresses(bpffsDir)
    this.connections = BpfMap.openPinned(bpffsDir, 'weir_conns', tupleLayout.bytes, connectionLayout.bytes)
    this.metrics = BpfMap.openPinned(bpffsDir, 'weir_metrics', 4, COUNTER_BYTES * possibleCpus())
    this.config = BpfMap.openPinned(bpffsDir, 'weir_config', 4, configLayout.bytes)
    this.eventsMap = BpfMap.openPinned(bpffsDir, 'weir_events', 0, 0)
    this.events = new DatapathEvents(this.eventsMap.fd)
    this.attachments = new Attachments(stateDir)
    this.closesUnknownPorts = options.closesUnknownPorts ?? false
    this.setRevision(this.revision())
  }

  setEndpoint(endpoint: DatapathEndpoint): void {
    const devices = endpoint.devices.map((device) => ({ device, ifindex: interfaceIndex(device) }))
    const missing = devices.filter(({ ifindex }) => ifindex === 0).map(({ device }) => device)
    const present = devices
      .filter(({ ifindex }) => ifindex !== 0)
      .map((one): AttachedDevice => {
        const hasMaster = (findLink(one.ifindex)?.master ?? 0) !== 0
        return { ...one, hasMaster, config: this.configOf(endpoint, hasMaster) }
      })
    if (!this.policies.has(endpoint.id)) this.policies.reset(endpoint.id)
    this.addresses.set(endpoint.id, endpoint.identity, endpoint.addresses)
    for (const device of present) this.attach(endpoint.id, device)
    this.attached.set(endpoint.id, present)
    this.outdated.delete(endpoint.id)
    if (present.length > 0 && missing.length === 0) return
    // A container that is about to run: its device shows itself a moment before its first packet.
    if (devices.length === 0 && this.closesUnknownPorts)
      this.unprepared.set(endpoint.id, this.configOf(endpoint, true))
    const what =
      missing.length === 0 ? 'no device of it is known' : `device ${missing.join(', ')} does not exist`
    throw new WeirError('DEVICE_MISSING', `endpoint ${endpoint.id}: ${what}`, {
      mend: 'it is attached as soon as the device appears',
    })
  }

  private load(config: Buffer): BpfObject {
    return BpfObject.load('tc_endpoint', { bpffsDir: this.paths.bpffsDir, config })
  }

  private configOf(endpoint: DatapathEndpoint, hasMaster: boolean): Buffer {
    return endpointConfigLayout.encode({
      endpoint: endpoint.id,
      identity: endpoint.identity,
      redirect_ifindex: this.redirectIfindex,
      flags: hasMaster ? ENDPOINT_HAS_MASTER : 0,
      redirect: this.redirect.number,
    })
  }

  prepare(): void {
    for (const [id, config] of this.unprepared) {
      if (this.prepared.get(id)?.config.equals(config) === true) continue
      this.discard(id)
      try {
        this.prepared.set(id, { config, object: this.load(config) })
      } catch (error) {
        if (!(error instanceof WeirError)) throw error
      }
    }
    this.unprepared.clear()
  }

  private discard(id: EndpointId): void {
    this.prepared.get(id)?.object.close()
    this.prepared.delete(id)
  }

  private takePrepared(id: EndpointId, config: Buffer): BpfObject | undefined {
    const prepared = this.prepared.get(id)
    if (prepared?.config.equals(config) !== true) return undefined
    this.prepared.delete(id)
    return prepared.object
  }

  private attach(id: EndpointId, { device, ifindex, config }: AttachedDevice): void {
    const before = this.attached.get(id)?.find((one) => one.ifindex === ifindex)
    if (before?.config.equals(config) === true && hasPrograms(ifindex)) {
      if (this.closesUnknownPorts) setLinkGroup(ifindex, JUDGED_GROUP)
      return
    }
    const object = this.takePrepared(id, config) ?? this.load(config)
    this.unprepared.delete(id)
    this.discard(id)
    try {
      this.attachments.ensure(device, ifindex)
      // What reaches the endpoint first: a packet that it sends is answered only when this hook is there.
      attachTc(ifindex, 'egress', object.programFd('weir_to_endpoint'))
      attachTc(ifindex, 'ingress', object.programFd('weir_from_endpoint'))
      if (this.closesUnknownPorts) setLinkGroup(ifindex, JUDGED_GROUP)
    } finally {
      object.close()
    }
  }

  hasDevices(id: EndpointId): boolean {
    const isSame = ({ device, ifindex, hasMaster }: AttachedDevice): boolean => {
      const link = findLink(ifindex)
      if (link?.name !== device || (link.master !== 0) !== hasMaster) return false
      return !this.closesUnknownPorts || link.group === JUDGED_GROUP
    }
    return this.attached.get(id)?.every(isSame) ?? false
  }

  closeUnknownPorts(elsewhere: readonly number[]): void {
    const before = this.elsewhere
    if (before === undefined) installPortGate(elsewhere)
    else {
      const added = elsewhere.filter((ifindex) => !before.includes(ifindex))
      const removed = before.filter((ifindex) => !elsewhere.includes(ifindex))
      const isChanged = added.length + removed.length > 0
      // Somebody may have flushed the rules of others.
      if (isChanged && !changeElsewhere(added, removed)) installPortGate(elsewhere)
    }
    this.elsewhere = elsewhere
  }

  maintain(): readonly string[] {
    const isGateMissing = this.elsewhere !== undefined && !hasPortGate()
    if (isGateMissing) installPortGate(this.elsewhere ?? [])
    if (this.netfilter === 'untracked' && isTracking())
      this.netfilter = ensureNetfilter(true, this.redirect.usesTproxy)
    const { paths, redirect, redirectIfindex: before, netfilter } = this
    const { missing, redirectIfindex } = mendSteering(paths, redirect, { redirectIfindex: before, netfilter })
    this.redirectIfindex = redirectIfindex
    // Programs know the device by its number.
    if (redirectIfindex !== before) for (const id of this.attached.keys()) this.outdated.add(id)
    return isGateMissing ? [...missing, 'rules that close unknown ports'] : missing
  }

  get steeringDevice(): number {
    return this.redirectIfindex
  }

  isOnDevice(id: EndpointId, indexes: ReadonlySet<number>): boolean {
    return this.attached.get(id)?.some(({ ifindex }) => indexes.has(ifindex)) ?? false
  }

  lacksPrograms(id: EndpointId): boolean {
    const devices = this.attached.get(id) ?? []
    return this.hasDevices(id) && !devices.every(({ ifindex }) => hasPrograms(ifindex))
  }

  isAttached(id: EndpointId): boolean {
    const devices = this.attached.get(id)
    if (devices === undefined || !this.hasDevices(id)) return false
    return !this.outdated.has(id) && devices.every(({ ifindex }) => hasPrograms(ifindex))
  }

  detach(device: string): void {
    const ifindex = this.closesUnknownPorts ? interfaceIndex(device) : 0
    // First: what belongs to nobody must not be open while the programs go.
    if (ifindex !== 0) setLinkGroup(ifindex, 0)
    this.attachments.remove(device)
  }

  removeEndpoint(id: EndpointId): void {
    this.unprepared.delete(id)
    this.discard(id)
    this.attached.delete(id)
    this.outdated.delete(id)
    this.addresses.remove(id)
    this.policies.remove(id)
  }

  knownEndpoints(): EndpointId[] {
    return this.policies.endpoints().map(asEndpointId)
  }

  applyPolicy(
    id: EndpointId,
    additions: readonly PolicyMapEntry[],
    deletions: readonly PolicyMapEntry[],
  ): void {
    this.policies.apply(id, additions, deletions)
  }

  get maxPolicyEntries(): number {
    return this.policies.maxEntries
  }

  replacePolicy(id: EndpointId, entries: readonly PolicyMapEntry[]): void {
    this.policies.replace(id, entries)
  }

  lockEndpoint(id: EndpointId): void {
    this.policies.reset(id)
  }

  setIpcache(prefix: string, identity: Identity): void {
    const value = Buffer.alloc(IDENTITY_BYTES)
    value.writeUInt32LE(identity)
    this.ipcache.update(ipcacheKey(prefix), value)
  }

  deleteIpcache(prefix: string): void {
    this.ipcache.delete(ipcacheKey(prefix))
  }

  setRevision(revision: Revision): void {
    const { number } = this.redirect
    this.config.update(Buffer.alloc(4), configLayout.encode({ revision: BigInt(revision), redirect: number }))
  }

  revision(): Revision {
    const value = this.config.lookup(Buffer.alloc(4))
    return asRevision(value === undefined ? 0 : Number(configLayout.decode(value).revision))
  }

  listPolicy(id: EndpointId): PolicyMapEntry[] {
    return this.policies.list(id)
  }

  listIpcache(): IpcacheEntry[] {
    return this.ipcache.entries().map(([key, value]) => {
      const { prefix_bits: bits, address } = ipcacheKeyLayout.decode(key)
      return { prefix: formatPrefix({ address, bits }), identity: asIdentity(value.readUInt32LE(0)) }
    })
  }

  listConnections(): ConnectionEntry[] {
    return this.connections.entries().map(([key, value]) => {
      const tuple = tupleLayout.decode(key)
      const connection = connectionLayout.decode(value)
      return {
        source: formatAddress(tuple.source),
        sourcePort: tuple.source_port,
        destination: formatAddress(tuple.destination),
        destinationPort: tuple.destination_port,
        sourceIdentity: asIdentity(connection.source_identity),
        destinationIdentity: asIdentity(connection.destination_identity),
        egressEndpoint: connection.egress_endpoint,
        ingressEndpoint: connection.ingress_endpoint,
        revision: asRevision(Number(connection.revision)),
      }
    })
  }

  dropCounters(): DropCounter[] {
    const counters = DROP_REASONS.flatMap(([reason], index) =>
      DIRECTIONS.map((direction, d) => ({ reason, direction, packets: this.readCounter(index * 2 + d) })),
    )
    const closed = this.elsewhere === undefined ? { ingress: 0, egress: 0 } : portGateDrops()
    const atGate = DIRECTIONS.map((direction) => {
      return { reason: UNKNOWN_PORT_REASON, direction, packets: closed[direction] }
    })
    return [...counters, ...atGate].filter(({ reason, packets }) => packets > 0 && reason !== AUDIT_REASON)
  }

  private readCounter(index: number): number {
    const key = Buffer.alloc(4)
    key.writeUInt32LE(index)
    const value = this.metrics.lookup(key) ?? Buffer.alloc(0)
    let sum = 0
    for (let offset = 0; offset < value.length; offset += COUNTER_BYTES)
      sum += Number(value.readBigUInt64LE(offset))
    return sum
  }

  readEvents(handler: (event: DatapathEvent) => void): void {
    this.events.consume(handler)
  }

  close(): void {
    for (const id of [...this.prepared.keys()]) this.discard(id)
    this.events.close()
    this.policies.close()
    for (const map of [
      this.ipcache,
      this.addresses,
      this.connections,
      this.metrics,
      this.config,
      this.eventsMap,
    ]) {
      map.close()
    }
  }
}

function hasPrograms(ifindex: number): boolean {
  return DIRECTIONS.every((direction) => attachedProgram(ifindex, direction) !== undefined)
}

function ipcacheKey(prefix: string): Buffer {
  const { address, bits } = parsePrefix(prefix)
  return ipcacheKeyLayout.encode({ prefix_bits: bits, address })
}

/** Per-CPU values hold one element for each *possible* CPU, which may be more than are online. */
function possibleCpus(): number {
  const path = '/sys/devices/system/cpu/possible'
  if (!existsSync(path)) return availableParallelism()
  const last = readFileSync(path, 'utf8').trim().split(/[-,]/).at(-1)
  return Number(last) + 1
}
