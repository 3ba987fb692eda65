// Makes kernel and proxies follow the endpoints and policies that are wanted. One change at a time, in an
// order in which nothing that neither the old nor the new state allows is allowed in between:
// proxies learn first, then policy maps grow, then addresses and programs change, then policy maps shrink.
import { asRevision, type EndpointId, type Identity, type Revision } from '../lib/brands.ts'
import { formatPrefix, parsePrefix } from '../lib/address.ts'
import { errorMessage, WeirError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { HOST_IDENTITY } from '../policy/identity.ts'
import type { IdentityAllocator } from '../policy/identity-allocator.ts'
import { identityLabels } from '../policy/identity-labels.ts'
import { endpointLabels, type LabelSet } from '../policy/labels.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import { diffPolicyMap } from '../policy/policy-map-diff.ts'
import type { PolicyMapEntry } from '../policy/policy-map.ts'
import { PolicyRepository, type PolicyChange, type PolicyEndpoint } from '../policy/repository.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import type { EndpointSpec } from './endpoints-document.ts'
import type { EndpointRegistry } from './endpoint-registry.ts'

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

export interface ReconcilerOptions {
  readonly datapath: Datapath
  readonly allocator: IdentityAllocator
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
  /** What the kernel holds; undefined = to be read from it. */
  installed: readonly PolicyMapEntry[] | undefined
}

export class Reconciler {
  readonly repository = new PolicyRepository()
  readonly #options: ReconcilerOptions
  readonly #endpoints = new Map<string, Managed>()
  #ipcache: Map<string, Identity> | undefined
  /** Changes wait for the one before them, whatever became of it. */
  #queue: Promise<void> = Promise.resolve()
  #isStarted = false
  readonly #firstRevision: Revision

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#firstRevision = options.datapath.revision()
  }

  /** Sorted by `namespace/name`. */
  endpoints(): ManagedEndpoint[] {
    return [...this.#endpoints.values()].sort((a, b) => (keyOf(a.spec) < keyOf(b.spec) ? -1 : 1))
  }

  endpoint(id: number): ManagedEndpoint | undefined {
    return [...this.#endpoints.values()].find((endpoint) => endpoint.id === id)
  }

  /** Of the policy set in force; grows across restarts. */
  get revision(): Revision {
    return asRevision(this.#firstRevision + this.repository.revision)
  }

  /** Queue a change. Resolves when it is in force; rejects when it could not be applied as a whole. */
  apply(change: DesiredChange): Promise<void> {
    const applied = this.#queue.then(() => this.#apply(change))
    this.#queue = applied.catch(() => undefined)
    return applied
  }

  /** Attach endpoints whose device has appeared or was replaced. `isThorough`: look for lost programs too. */
  checkDevices(isThorough: boolean): void {
    for (const endpoint of this.#endpoints.values()) {
      if (endpoint.state === 'locked') continue
      const { datapath, log } = this.#options
      const isThere = isThorough ? datapath.isAttached(endpoint.id) : datapath.hasDevice(endpoint.id)
      if (endpoint.state === 'ready' && isThere) continue
      const before = endpoint.state
      this.#attach(endpoint)
      if (endpoint.state === 'ready') {
        log.info({ endpoint: keyOf(endpoint.spec), device: endpoint.spec.device }, 'endpoint attached')
      } else if (before === 'ready') {
        log.warn({ endpoint: keyOf(endpoint.spec), device: endpoint.spec.device }, 'device gone')
      }
    }
  }

  /** Follow changes of the node's own addresses. */
  checkHostAddresses(): void {
    if (this.#isStarted) this.#updateIpcache()
  }

  async #apply(change: DesiredChange): Promise<void> {
    const plan = this.#planEndpoints(change.endpoints)
    const update = this.repository.update({
      setPolicies: change.setPolicies ?? [],
      removePolicies: change.removePolicies ?? [],
      setEndpoints: plan.set.map((endpoint) => toPolicyEndpoint(endpoint)),
      removeEndpoints: plan.removed.map(({ id }) => id),
    })
    for (const endpoint of plan.set) this.#endpoints.set(keyOf(endpoint.spec), endpoint)
    for (const endpoint of plan.removed) this.#endpoints.delete(keyOf(endpoint.spec))
    this.#isStarted = true

    await this.#options.publish(this.#snapshot())
    const deletions = this.#growPolicyMaps(update)
    for (const endpoint of plan.set) this.#attach(endpoint)
    this.#updateIpcache()
    this.#shrinkPolicyMaps(deletions)
    for (const { id, spec } of plan.removed) this.#forget(keyOf(spec), id, spec.device)
    if (change.endpoints !== undefined) this.#forgetLeftovers()
    this.#options.datapath.setRevision(this.revision)
    this.#options.log.info(
      { revision: this.revision, endpointsChanged: update.endpoints.length },
      'policy in force',
    )
  }

  /** Compares with what is managed; identities of all that is new are allocated at once. */
  #planEndpoints(specs: readonly EndpointSpec[] | undefined): { set: Managed[]; removed: Managed[] } {
    if (specs === undefined) return { set: [], removed: [] }
    const fresh = specs.filter((spec) => !isSameSpec(this.#endpoints.get(keyOf(spec))?.spec, spec))
    const labels = fresh.map((spec) => identityLabels(endpointLabels(spec.namespace, spec.labels)))
    const identities = this.#options.allocator.allocate(labels)
    const set = fresh.map((spec, i): Managed => {
      const key = keyOf(spec)
      const before = this.#endpoints.get(key)
      const registered = this.#options.registry.entries().get(key)
      const hasMoved = registered !== undefined && registered.device !== spec.device
      const labelsOfSpec = labels[i]
      const identity = identities[i]
      if (labelsOfSpec === undefined || identity === undefined)
        throw new Error('allocator answered too little')
      if (hasMoved) this.#remove(registered.id, registered.device)
      return {
        spec,
        id: this.#options.registry.register(key, spec.device),
        identity,
        labels: labelsOfSpec,
        state: before?.state ?? 'waiting-for-device',
        message: before?.message ?? '',
        installed: hasMoved ? undefined : before?.installed,
      }
    })
    const wanted = new Set(specs.map(keyOf))
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

  /** @returns what is left to delete, by endpoint */
  #growPolicyMaps(update: PolicyChange): Map<Managed, readonly PolicyMapEntry[]> {
    const deletions = new Map<Managed, readonly PolicyMapEntry[]>()
    for (const { id, after } of update.endpoints) {
      const endpoint = [...this.#endpoints.values()].find((candidate) => candidate.id === id)
      if (endpoint === undefined || after === undefined) continue
      const diff = diffPolicyMap(this.#installedEntries(endpoint), after.mapEntries)
      if (this.#growPolicyMap(endpoint, diff.additions, after.mapEntries))
        deletions.set(endpoint, diff.deletions)
    }
    return deletions
  }

  #installedEntries(endpoint: Managed): readonly PolicyMapEntry[] {
    // A locked endpoint holds nothing: its full policy is tried again.
    if (endpoint.state === 'locked') return []
    return endpoint.installed ?? this.#options.datapath.listPolicy(endpoint.id)
  }

  #growPolicyMap(
    endpoint: Managed,
    additions: readonly PolicyMapEntry[],
    wanted: readonly PolicyMapEntry[],
  ): boolean {
    const { datapath, log } = this.#options
    try {
      datapath.applyPolicy(endpoint.id, additions, [])
    } catch (error) {
      datapath.lockEndpoint(endpoint.id)
      endpoint.state = 'locked'
      endpoint.message = errorMessage(error)
      endpoint.installed = []
      log.error({ endpoint: keyOf(endpoint.spec), error: endpoint.message }, 'endpoint locked: all is denied')
      return false
    }
    if (endpoint.state === 'locked') {
      endpoint.state = 'waiting-for-device'
      this.#attach(endpoint)
    }
    endpoint.installed = wanted
    return true
  }

  #shrinkPolicyMaps(deletions: ReadonlyMap<Managed, readonly PolicyMapEntry[]>): void {
    for (const [endpoint, entries] of deletions) {
      if (entries.length > 0) this.#options.datapath.applyPolicy(endpoint.id, [], entries)
    }
  }

  #attach(endpoint: Managed): void {
    const { datapath, log } = this.#options
    const { spec, id, identity } = endpoint
    try {
      datapath.setEndpoint({ id, identity, device: spec.device, addresses: spec.addresses })
      if (endpoint.state === 'locked') return
      endpoint.state = 'ready'
      endpoint.message = ''
    } catch (error) {
      const isMissing = error instanceof WeirError && error.code === 'DEVICE_MISSING'
      if (!isMissing && endpoint.message !== errorMessage(error)) {
        log.error({ endpoint: keyOf(spec), error: errorMessage(error) }, 'endpoint not attached')
      }
      if (endpoint.state !== 'locked') endpoint.state = 'waiting-for-device'
      endpoint.message = errorMessage(error)
    }
  }

  #updateIpcache(): void {
    const { datapath } = this.#options
    const current = this.#ipcache ?? readIpcache(datapath)
    const wanted = new Map<string, Identity>()
    for (const address of this.#options.hostAddresses()) wanted.set(hostPrefix(address), HOST_IDENTITY)
    for (const { spec, identity } of this.#endpoints.values()) {
      for (const address of spec.addresses) wanted.set(hostPrefix(address), identity)
    }
    for (const [prefix, identity] of wanted) {
      if (current.get(prefix) !== identity) datapath.setIpcache(prefix, identity)
    }
    for (const prefix of current.keys()) {
      if (!wanted.has(prefix)) datapath.deleteIpcache(prefix)
    }
    this.#ipcache = wanted
  }

  #forget(key: string, id: EndpointId, device: string): void {
    this.#remove(id, device)
    this.#options.registry.forget(key)
  }

  #remove(id: EndpointId, device: string): void {
    const isTaken = [...this.#endpoints.values()].some(
      (other) => other.id !== id && other.spec.device === device,
    )
    this.#options.datapath.removeEndpoint(id, isTaken ? undefined : device)
  }

  /** Endpoints of an earlier agent that nobody wants any more. */
  #forgetLeftovers(): void {
    for (const [key, { id, device }] of [...this.#options.registry.entries()]) {
      if (!this.#endpoints.has(key)) this.#forget(key, id, device)
    }
  }
}

export function keyOf(spec: { readonly namespace: string; readonly name: string }): string {
  return `${spec.namespace}/${spec.name}`
}

function hostPrefix(address: string): string {
  return formatPrefix(parsePrefix(address))
}

function readIpcache(datapath: Datapath): Map<string, Identity> {
  return new Map(datapath.listIpcache().map(({ prefix, identity }) => [prefix, identity]))
}

function toPolicyEndpoint({ id, identity, labels, spec }: Managed): PolicyEndpoint {
  return { id, identity, labels, addresses: spec.addresses }
}

function isSameSpec(a: EndpointSpec | undefined, b: EndpointSpec): boolean {
  return a !== undefined && JSON.stringify(canonical(a)) === JSON.stringify(canonical(b))
}

function canonical(spec: EndpointSpec): unknown {
  const labels = Object.entries(spec.labels).sort(([x], [y]) => (x < y ? -1 : 1))
  return [spec.name, spec.namespace, spec.device, [...spec.addresses].sort(), labels]
}
