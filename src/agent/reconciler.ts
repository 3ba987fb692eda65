// Makes kernel and proxies follow the endpoints and policies that are wanted. One change at a time, in steps of
// which none lets an endpoint admit what neither the state before nor the one after the change admits: policies
// change as a whole, identities are in policy maps before any address gets them, and leave after it lost them.
import { asRevision, type EndpointId, type Identity, type Revision } from '../lib/brands.ts'
import { errorMessage, WeirError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { portTableKey } from '../policy/filter.ts'
import type { LabelledIdentity } from '../policy/identity.ts'
import type { IdentityAllocator } from '../policy/identity-allocator.ts'
import { identityLabels } from '../policy/identity-labels.ts'
import { endpointLabels, type LabelSet } from '../policy/labels.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import type { EndpointPolicy, PolicyChange, PolicyEndpoint, PolicyRepository } from '../policy/repository.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import { PolicyTransitions } from '../policy/transition.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import type { EndpointSpec } from './endpoints-document.ts'
import type { EndpointRegistry } from './endpoint-registry.ts'
import { Ipcache } from './ipcache.ts'
import { installPolicy, readInstalled } from './policy-installer.ts'

/** ready: enforced. waiting-for-device: nothing to attach to yet. locked: closed, see the message. */
export type EndpointState = 'ready' | 'waiting-for-device' | 'locked'

export interface ManagedEndpoint {
  readonly spec: EndpointSpec
  readonly id: EndpointId
  readonly identity: Identity
  readonly labels: LabelSet
  readonly state: EndpointState
  /** Why it is not ready; '' when it is. */
  readonly message: string
}

export interface DesiredChange {
  /** All endpoints, replacing the former list. */
  readonly endpoints?: readonly EndpointSpec[]
  readonly setPolicies?: readonly ParsedPolicy[]
  readonly removePolicies?: readonly string[]
}

export interface ChangedDevices {
  readonly indexes: ReadonlySet<number>
  /** Where they are known: a new device is on no endpoint yet. */
  readonly names?: ReadonlySet<string>
}

export interface ReconcilerOptions {
  readonly datapath: Datapath
  readonly allocator: IdentityAllocator
  /** Of numbers for prefixes. */
  readonly prefixAllocator: IdentityAllocator
  readonly registry: EndpointRegistry
  /** Resolves when the proxies have the snapshot, or after a timeout. Never rejects. */
  readonly publish: (snapshot: PolicySnapshot) => Promise<unknown>
  readonly hostAddresses: () => readonly string[]
  readonly log: Logger
}

interface Managed extends ManagedEndpoint {
  spec: EndpointSpec
  identity: Identity
  labels: LabelSet
  state: EndpointState
  message: string
  /** What the kernel holds; undefined = not known. */
  installed: EndpointPolicy | undefined
}

/** By one change of the list of endpoints. */
interface Moved {
  /** New, or not as before. */
  readonly set: readonly Managed[]
  readonly removed: readonly Managed[]
}

export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #policies: PolicyTransitions
  readonly #ipcache: Ipcache
  readonly #endpoints = new Map<string, Managed>()
  readonly #byId = new Map<EndpointId, Managed>()
  /** Changes wait for the one before them, whatever became of it. */
  #queue: Promise<void> = Promise.resolve()
  /** Until the first change is in force, addresses in the kernel keep what an earlier agent gave them. */
  #isStarted = false
  #publishedRevision = 0
  readonly #firstRevision: Revision
  /** Changes that no policy knows of, but whoever shows names. */
  #renames = 0

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#policies = new PolicyTransitions(options.prefixAllocator)
    this.#ipcache = new Ipcache(options.datapath)
    // Never 0, which workers take for none: also without endpoints and policies there is something to publish.
    this.#firstRevision = asRevision(options.datapath.revision() + 1)
  }

  get repository(): PolicyRepository {
    return this.#policies.repository
  }

  /** Sorted by `namespace/name`. */
  endpoints(): ManagedEndpoint[] {
    return [...this.#endpoints.values()].sort((a, b) => (keyOf(a.spec) < keyOf(b.spec) ? -1 : 1))
  }

  endpoint(id: number): ManagedEndpoint | undefined {
    return this.#byId.get(id as EndpointId)
  }

  /** Of the policy set in force; grows across restarts. */
  get revision(): Revision {
    return asRevision(this.#firstRevision + this.repository.revision + this.#renames)
  }

  /** Queue a change. Resolves when it is in force; rejects when it could not be applied as a whole. */
  apply(change: DesiredChange): Promise<void> {
    const applied = this.#queue.then(() => this.#apply(change))
    this.#queue = applied.catch(() => undefined)
    return applied
  }

  /** Attach endpoints whose device has appeared or was replaced. `changed`: look at endpoints on these alone. */
  checkDevices(changed?: ChangedDevices): void {
    const { datapath } = this.#options
    for (const endpoint of this.#endpoints.values()) {
      if (changed !== undefined && !this.#isOn(endpoint, changed)) continue
      if (endpoint.state !== 'waiting-for-device' && datapath.hasDevices(endpoint.id)) continue
      this.#reattach(endpoint)
    }
  }

  /**
   * Put back programs of endpoints that somebody took off, or that lead to a device that is gone. `changed`: look at
   * endpoints on these alone. @returns endpoints that were open, as people call them
   */
  restorePrograms(changed?: ChangedDevices): string[] {
    const { datapath } = this.#options
    return [...this.#endpoints.values()].flatMap((endpoint) => {
      if (changed !== undefined && !this.#isOn(endpoint, changed)) return []
      // A locked one has programs, too: they are what closes it.
      if (endpoint.state === 'waiting-for-device' || datapath.isAttached(endpoint.id)) return []
      const wasOpen = datapath.lacksPrograms(endpoint.id)
      this.#reattach(endpoint)
      return wasOpen ? [keyOf(endpoint.spec)] : []
    })
  }

  /** Asks no kernel: of a thousand endpoints, each may be told of by a notification of its own. */
  #isOn({ id, spec }: Managed, { indexes, names }: ChangedDevices): boolean {
    return spec.devices.some((device) => names?.has(device)) || this.#options.datapath.isOnDevice(id, indexes)
  }

  #reattach(endpoint: Managed): void {
    const { log } = this.#options
    const before = endpoint.state
    this.#attach(endpoint)
    if (endpoint.state === 'ready') {
      log.info({ endpoint: keyOf(endpoint.spec), devices: endpoint.spec.devices }, 'endpoint attached')
    } else if (before === 'ready') {
      log.warn({ endpoint: keyOf(endpoint.spec), devices: endpoint.spec.devices }, 'device gone')
    }
  }

  /** Follow changes of the node's own addresses. */
  checkHostAddresses(): void {
    if (this.#isStarted) this.#updateIpcache()
  }

  async #apply({ endpoints, setPolicies = [], removePolicies = [] }: DesiredChange): Promise<void> {
    // Policies first: an endpoint that is new must not be open until its policies come.
    const changed = await this.#applyPolicies(setPolicies, removePolicies)
    const moved = endpoints === undefined ? undefined : await this.#applyEndpoints(endpoints)
    this.#isStarted = true
    this.#updateIpcache()
    if (this.#publishedRevision !== this.revision) await this.#publish()
    this.#options.datapath.setRevision(this.revision)
    this.#options.log.info({ revision: this.revision, endpointsChanged: changed }, 'policy in force')
    if (moved !== undefined) this.#logMoved(moved)
    // Takes longer than all the rest, and nothing that is in force by now has to wait for it.
    this.#options.datapath.prepare()
  }

  async #applyPolicies(set: readonly ParsedPolicy[], removed: readonly string[]): Promise<number> {
    if (set.length + removed.length === 0) return 0
    let changed = 0
    for (const step of this.#policies.update({ setPolicies: set, removePolicies: removed })) {
      if (step.what === 'prefixes') this.#updateIpcache()
      else {
        changed = Math.max(changed, step.change.endpoints.length)
        await this.#enforce(step.change)
      }
    }
    return changed
  }

  async #applyEndpoints(specs: readonly EndpointSpec[]): Promise<Moved> {
    const { set, removed } = this.#planEndpoints(specs)
    if (set.length + removed.length > 0) {
      const peers = this.#peersOf([...set, ...removed])
      await this.#enforce(this.repository.update({ addPeers: peers }))
      for (const group of groupMoves(set, (endpoint) => this.#endpoints.get(endpointKey(endpoint.spec)))) {
        await this.#setEndpoints(group)
      }
      for (const endpoint of removed) this.#delete(endpoint)
      this.#updateIpcache()
      for (const { id, spec } of removed) this.#forget(endpointKey(spec), id, spec.devices)
      const removeEndpoints = removed.map(({ id }) => id)
      const removePeers = peers.map(({ identity }) => identity)
      await this.#enforce(this.repository.update({ removeEndpoints, removePeers }))
      for (const identity of removePeers) {
        if (this.repository.labelsOf(identity) === undefined) this.#options.allocator.release(identity)
      }
    }
    this.#forgetLeftovers()
    return { set, removed }
  }

  /** One line each: they come and go one by one, but for the first time. */
  #logMoved({ set, removed }: Moved): void {
    const { log } = this.#options
    for (const { spec, state } of set) {
      const { devices, addresses } = spec
      log.debug({ endpoint: keyOf(spec), state, devices, addresses }, 'endpoint set')
    }
    for (const { spec } of removed) log.debug({ endpoint: keyOf(spec) }, 'endpoint removed')
  }

  /** Identities that some address has or gets in the course of the change. */
  #peersOf(moving: readonly Managed[]): LabelledIdentity[] {
    const former = moving.flatMap(({ spec }) => this.#endpoints.get(endpointKey(spec)) ?? [])
    const peers = new Map(
      [...former, ...moving].map(({ identity, labels }) => [identity, { identity, labels }]),
    )
    if (!this.#isStarted) {
      const { allocator, prefixAllocator } = this.#options
      for (const identity of this.#ipcache.identities()) {
        const labels = allocator.labelsOf(identity) ?? prefixAllocator.labelsOf(identity)
        if (labels !== undefined) peers.set(identity, { identity, labels })
      }
    }
    return [...peers.values()].filter(({ identity }) => !this.#policies.holdsPrefix(identity))
  }

  async #setEndpoints(group: readonly Managed[]): Promise<void> {
    const change = this.repository.update({
      setEndpoints: group.map((endpoint) => toPolicyEndpoint(endpoint)),
    })
    for (const endpoint of group) this.#insert(endpoint)
    await this.#enforce(change)
    // From here on policy maps know every identity that an address may get.
    this.#isStarted = true
    this.#updateIpcache()
    for (const endpoint of group) this.#attach(endpoint)
  }

  #insert(endpoint: Managed): void {
    this.#endpoints.set(endpointKey(endpoint.spec), endpoint)
    this.#byId.set(endpoint.id, endpoint)
  }

  #delete(endpoint: Managed): void {
    this.#endpoints.delete(endpointKey(endpoint.spec))
    this.#byId.delete(endpoint.id)
  }

  /** Proxies first: what the kernel steers to them they must know. */
  async #enforce(change: PolicyChange): Promise<void> {
    if (change.endpoints.length === 0) return
    await this.#publish()
    for (const { id, after } of change.endpoints) {
      const endpoint = this.#byId.get(id)
      if (endpoint !== undefined && after !== undefined) this.#install(endpoint, after)
    }
  }

  async #publish(): Promise<void> {
    this.#publishedRevision = this.revision
    await this.#options.publish(this.#snapshot())
  }

  /** Compares with what is managed; identities of all that is new are allocated at once. */
  #planEndpoints(specs: readonly EndpointSpec[] | undefined): Moved {
    if (specs === undefined) return { set: [], removed: [] }
    const fresh = specs.filter((spec) => !isSameSpec(this.#endpoints.get(endpointKey(spec))?.spec, spec))
    const labels = fresh.map((spec) =>
      identityLabels(endpointLabels(spec.namespace, spec.labels, spec.namespaceLabels)),
    )
    const identities = this.#options.allocator.allocate(labels)
    const set = fresh.map((spec, i): Managed => {
      const key = endpointKey(spec)
      const before = this.#endpoints.get(key)
      if (before !== undefined && keyOf(before.spec) !== keyOf(spec)) this.#renames++
      const registered = this.#options.registry.entries().get(key)
      const labelsOfSpec = labels[i]
      const identity = identities[i]
      if (labelsOfSpec === undefined || identity === undefined)
        throw new Error('allocator answered too little')
      if (registered !== undefined) {
        this.#detach(
          registered.id,
          registered.devices.filter((device) => !spec.devices.includes(device)),
        )
      }
      return {
        spec,
        id: this.#options.registry.register(key, spec.devices),
        identity,
        labels: labelsOfSpec,
        state: before?.state ?? 'waiting-for-device',
        message: before?.message ?? '',
        installed: before?.installed,
      }
    })
    const wanted = new Set(specs.map(endpointKey))
    const removed = [...this.#endpoints].filter(([key]) => !wanted.has(key)).map(([, endpoint]) => endpoint)
    return { set, removed }
  }

  #snapshot(): PolicySnapshot {
    return {
      revision: this.revision,
      policies: this.endpoints().flatMap(({ id }) => this.repository.endpointPolicy(id)?.networkPolicy ?? []),
      endpoints: this.endpoints().map(({ spec, id, identity }) => ({
        id,
        identity,
        name: spec.name,
        namespace: spec.namespace,
        addresses: spec.addresses,
      })),
      identities: this.repository.identities(),
    }
  }

  #install(endpoint: Managed, wanted: EndpointPolicy): void {
    const { datapath, log } = this.#options
    try {
      // A locked endpoint holds nothing: its full policy is tried again.
      const held =
        endpoint.state === 'locked' ? 'nothing' : (endpoint.installed ?? readInstalled(datapath, endpoint.id))
      installPolicy(datapath, endpoint.id, held, wanted)
    } catch (error) {
      datapath.lockEndpoint(endpoint.id)
      endpoint.state = 'locked'
      endpoint.message = errorMessage(error)
      endpoint.installed = undefined
      log.error({ endpoint: keyOf(endpoint.spec), error: endpoint.message }, 'endpoint locked: all is denied')
      return
    }
    endpoint.installed = wanted
    if (endpoint.state !== 'locked') return
    endpoint.state = 'waiting-for-device'
    this.#attach(endpoint)
  }

  #attach(endpoint: Managed): void {
    const { datapath, log } = this.#options
    const { spec, id, identity } = endpoint
    try {
      datapath.setEndpoint({ id, identity, devices: spec.devices, addresses: spec.addresses })
      if (endpoint.state === 'locked') return
      endpoint.state = 'ready'
      endpoint.message = ''
    } catch (error) {
      const isMissing = error instanceof WeirError && error.code === 'DEVICE_MISSING'
      if (!isMissing && endpoint.message !== errorMessage(error)) {
        log.error({ endpoint: keyOf(spec), error: errorMessage(error) }, 'endpoint not attached')
      }
      if (endpoint.state === 'locked') return
      endpoint.state = 'waiting-for-device'
      endpoint.message = errorMessage(error)
    }
  }

  #updateIpcache(): void {
    if (!this.#isStarted) return
    this.#ipcache.update({
      prefixes: this.#policies.prefixes(),
      host: this.#options.hostAddresses(),
      endpoints: [...this.#endpoints.values()].flatMap(({ spec, identity }) => {
        return spec.addresses.map((address) => [address, identity] as const)
      }),
    })
  }

  #forget(key: string, id: EndpointId, devices: readonly string[]): void {
    this.#detach(id, devices)
    this.#options.datapath.removeEndpoint(id)
    this.#options.registry.forget(key)
  }

  /** But for devices that another endpoint has taken over. */
  #detach(id: EndpointId, devices: readonly string[]): void {
    const isTaken = (device: string): boolean =>
      [...this.#endpoints.values()].some((other) => other.id !== id && other.spec.devices.includes(device))
    for (const device of devices) if (!isTaken(device)) this.#options.datapath.detach(device)
  }

  /** Endpoints of an earlier agent that nobody wants any more. */
  #forgetLeftovers(): void {
    for (const [key, { id, devices }] of [...this.#options.registry.entries()]) {
      if (!this.#endpoints.has(key)) this.#forget(key, id, devices)
    }
  }
}

/** By what an endpoint is still the same after a change. A container can be renamed; its connections live on. */
function endpointKey(spec: EndpointSpec): string {
  return spec.containerId === undefined ? keyOf(spec) : `container/${spec.containerId}`
}

/** As people call it. */
export function keyOf(spec: { readonly namespace: string; readonly name: string }): string {
  return `${spec.namespace}/${spec.name}`
}

/** New endpoints all at once; those that change identity one by one, so that at most one end of a flow moves. */
function* groupMoves(
  set: readonly Managed[],
  before: (endpoint: Managed) => Managed | undefined,
): Iterable<Managed[]> {
  const together: Managed[] = []
  const single: Managed[] = []
  for (const endpoint of set) {
    const old = before(endpoint)
    if (old === undefined || old.identity === endpoint.identity) together.push(endpoint)
    else single.push(endpoint)
  }
  if (together.length > 0) yield together
  for (const endpoint of single) yield [endpoint]
}

function toPolicyEndpoint({ id, identity, labels, spec }: Managed): PolicyEndpoint {
  return { id, identity, labels, addresses: spec.addresses, ports: spec.ports ?? [] }
}

function isSameSpec(a: EndpointSpec | undefined, b: EndpointSpec): boolean {
  return a !== undefined && JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))
}

function canonical(spec: EndpointSpec): unknown {
  const sorted = (map: Readonly<Record<string, string>> = {}): unknown => {
    return Object.entries(map).sort(([x], [y]) => (x < y ? -1 : 1))
  }
  const { name, namespace, devices, addresses, labels, namespaceLabels, ports = [] } = spec
  const { containerId, notes } = spec
  return [
    name,
    namespace,
    [...devices].sort(),
    [...addresses].sort(),
    sorted(labels),
    sorted(namespaceLabels),
    portTableKey(ports),
    containerId,
    notes,
  ]
}
