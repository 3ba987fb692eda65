// What the agent may ask of the kernel half. Implemented by datapath.ts; a fake of it drives the agent's unit tests.
import type { EndpointId, Identity, Revision } from '../lib/brands.ts'
import type { PolicyMapEntry } from '../policy/policy-map.ts'

export interface DatapathEndpoint {
  readonly id: EndpointId
  readonly identity: Identity
  /** Host sides of its veths. */
  readonly devices: readonly string[]
  readonly addresses: readonly string[]
}

/** An entry as found in the kernel, with where it counts. */
export interface IpcacheEntry {
  readonly prefix: string
  readonly identity: Identity
}

export interface ConnectionEntry {
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly sourceIdentity: Identity
  readonly destinationIdentity: Identity
  /** 0 = the source is no local endpoint. */
  readonly egressEndpoint: number
  /** 0 = the destination is no local endpoint. */
  readonly ingressEndpoint: number
  readonly revision: Revision
}

export interface DropCounter {
  readonly reason: string
  readonly direction: 'ingress' | 'egress'
  readonly packets: number
}

/** One drop or audited verdict (reason AUDIT_REASON) reported by the kernel. */
export interface DatapathEvent {
  readonly reason: string
  readonly direction: 'ingress' | 'egress'
  readonly protocol: number
  readonly source: string
  readonly sourcePort: number
  readonly destination: string
  readonly destinationPort: number
  readonly sourceIdentity: Identity
  readonly destinationIdentity: Identity
  /** Endpoint whose policy decided; 0 = none was reached. */
  readonly endpoint: number
}

export interface Datapath {
  /**
   * Make policy map and address entries for the endpoint, load its programs and attach them to all devices that
   * are there, replacing older ones in one step. The policy map of a new endpoint is empty: everything is denied.
   * @throws WeirError DEVICE_MISSING when one is not there, or none is known; KERNEL_CALL_FAILED
   */
  setEndpoint(endpoint: DatapathEndpoint): void
  /**
   * Load the programs of endpoints of which no device is known yet, so that they are ready when one shows itself. To be
   * called when there is time; takes some 30 ms for each. What cannot be loaded is found out by `setEndpoint`.
   */
  prepare(): void
  /** Whether the devices of `setEndpoint` are still the same, and as much ports of bridges as then. Cheap. */
  hasDevices(id: EndpointId): boolean
  /**
   * Follow what others have set up meanwhile: NAT, and put back what they took away. Costs some processes.
   * @returns what was missing
   */
  maintain(): readonly string[]
  /** Index of the device that steered packets go round through. */
  readonly steeringDevice: number
  /** Whether the programs of `setEndpoint` are still on those devices. */
  isAttached(id: EndpointId): boolean
  /** Whether a device that `setEndpoint` found had one of these indexes. Asks nobody. */
  isOnDevice(id: EndpointId, indexes: ReadonlySet<number>): boolean
  /** Whether somebody took programs of `setEndpoint` off a device that is still there: the endpoint is open. */
  lacksPrograms(id: EndpointId): boolean
  /** Take our programs off a device that no endpoint has any more. It may be gone. */
  detach(device: string): void
  /** Forget addresses, remove the policy map. Its devices are to be detached before. */
  removeEndpoint(id: EndpointId): void
  /**
   * From now on, and also without us: container ports of bridges that belong to no endpoint are closed, but for
   * `elsewhere` (interface indexes).
   * @throws WeirError KERNEL_UNSUPPORTED
   */
  closeUnknownPorts(elsewhere: readonly number[]): void
  /** Endpoints that an earlier instance left in the kernel. */
  knownEndpoints(): EndpointId[]
  /** How many entries the policy map of an endpoint can hold. */
  readonly maxPolicyEntries: number
  /** The whole policy map of an endpoint in one step. @throws WeirError POLICY_MAP_FULL: nothing has changed. */
  replacePolicy(id: EndpointId, entries: readonly PolicyMapEntry[]): void
  /**
   * Apply additions (deny, redirect, audit, allow), then deletions (allow, audit, redirect, deny), one after the
   * other. Either alone admits nothing that both ends of it deny; for both at once there is `replacePolicy`.
   * @throws WeirError POLICY_MAP_FULL: the caller must `lockEndpoint`.
   */
  applyPolicy(
    id: EndpointId,
    additions: readonly PolicyMapEntry[],
    deletions: readonly PolicyMapEntry[],
  ): void
  /** Swap in an empty policy map: everything is denied until `applyPolicy` with the full set succeeds. */
  lockEndpoint(id: EndpointId): void
  setIpcache(prefix: string, identity: Identity): void
  deleteIpcache(prefix: string): void
  setRevision(revision: Revision): void
  /** What `setRevision` set last, also by an earlier instance; 0 = never. */
  revision(): Revision
  listPolicy(id: EndpointId): PolicyMapEntry[]
  listIpcache(): IpcacheEntry[]
  listConnections(): ConnectionEntry[]
  dropCounters(): DropCounter[]
  /** Deliver events that have gathered since the last call. */
  readEvents(handler: (event: DatapathEvent) => void): void
  /** Close handles of this process. Everything in the kernel stays. */
  close(): void
}
