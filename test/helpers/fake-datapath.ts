// The kernel half in memory. Whoever watches is told after every single change that packets could see.
import { contains, formatAddress, parseAddress, parsePrefix } from '../../src/lib/address.ts'
import {
  asIdentity,
  asRevision,
  type EndpointId,
  type Identity,
  type Revision,
} from '../../src/lib/brands.ts'
import { WeirError } from '../../src/lib/errors.ts'
import { WORLD_IDENTITY } from '../../src/policy/identity.ts'
import { policyMapKey, type PolicyMapEntry, type PolicyMapVerdict } from '../../src/policy/policy-map.ts'
import type { Datapath, DatapathEndpoint, IpcacheEntry } from '../../src/redirect/datapath-api.ts'

const ADD_ORDER: readonly PolicyMapVerdict[] = ['deny', 'redirect', 'audit', 'allow']
const DELETE_ORDER: readonly PolicyMapVerdict[] = ['allow', 'audit', 'redirect', 'deny']

export class FakeDatapath implements Datapath {
  readonly maxPolicyEntries: number
  readonly endpoints = new Map<EndpointId, DatapathEndpoint>()
  readonly ipcache = new Map<string, Identity>()
  /** Names of the calls that changed something. */
  readonly calls: string[] = []
  readonly steeringDevice = 0
  /** Endpoints whose programs somebody took off. */
  readonly bare = new Set<EndpointId>()
  /** How often the kernel was asked whether an endpoint is attached. */
  looks = 0
  onChange: () => void = () => {}
  readonly #policies = new Map<EndpointId, readonly PolicyMapEntry[]>()
  #revision = asRevision(0)

  constructor(maxPolicyEntries = 16_384) {
    this.maxPolicyEntries = maxPolicyEntries
  }

  /** As a packet with this address is seen. */
  identityOf(address: string): Identity {
    const wanted = formatAddress(parseAddress(address))
    for (const endpoint of this.endpoints.values()) {
      if (endpoint.addresses.includes(wanted)) return endpoint.identity
    }
    let best: { bits: number; identity: Identity } | undefined
    for (const [prefix, identity] of this.ipcache) {
      const parsed = parsePrefix(prefix)
      if (parsed.bits > (best?.bits ?? -1) && contains(parsed, parsePrefix(wanted))) {
        best = { bits: parsed.bits, identity }
      }
    }
    return best?.identity ?? WORLD_IDENTITY
  }

  setEndpoint(endpoint: DatapathEndpoint): void {
    if (!this.#policies.has(endpoint.id)) this.#policies.set(endpoint.id, [])
    this.endpoints.set(endpoint.id, endpoint)
    this.bare.delete(endpoint.id)
    this.#changed('setEndpoint')
  }

  hasDevices(id: EndpointId): boolean {
    this.looks++
    return this.endpoints.has(id)
  }

  isAttached(id: EndpointId): boolean {
    this.looks++
    return this.endpoints.has(id) && !this.bare.has(id)
  }

  /** A device is numbered as its endpoint. */
  isOnDevice(id: EndpointId, indexes: ReadonlySet<number>): boolean {
    return this.endpoints.has(id) && indexes.has(id)
  }

  lacksPrograms(id: EndpointId): boolean {
    return this.bare.has(id)
  }

  prepare(): void {}

  detach(): void {}

  closeUnknownPorts(): void {}

  removeEndpoint(id: EndpointId): void {
    this.endpoints.delete(id)
    this.#policies.delete(id)
    this.#changed('removeEndpoint')
  }

  knownEndpoints(): EndpointId[] {
    return [...this.#policies.keys()]
  }

  replacePolicy(id: EndpointId, entries: readonly PolicyMapEntry[]): void {
    if (entries.length > this.maxPolicyEntries) throw new WeirError('POLICY_MAP_FULL', `endpoint ${id}`)
    this.#policies.set(id, entries)
    this.#changed('replacePolicy')
  }

  applyPolicy(
    id: EndpointId,
    additions: readonly PolicyMapEntry[],
    deletions: readonly PolicyMapEntry[],
  ): void {
    const write = (entry: PolicyMapEntry, isThere: boolean): void => {
      const others = this.listPolicy(id).filter((one) => policyMapKey(one) !== policyMapKey(entry))
      if (isThere && others.length >= this.maxPolicyEntries)
        throw new WeirError('POLICY_MAP_FULL', `endpoint ${id}`)
      this.#policies.set(id, isThere ? [...others, entry] : others)
      this.#changed(isThere ? 'addEntry' : 'deleteEntry')
    }
    for (const verdict of ADD_ORDER) {
      for (const entry of additions) if (entry.verdict === verdict) write(entry, true)
    }
    for (const verdict of DELETE_ORDER) {
      for (const entry of deletions) if (entry.verdict === verdict) write(entry, false)
    }
  }

  lockEndpoint(id: EndpointId): void {
    this.#policies.set(id, [])
    this.#changed('lockEndpoint')
  }

  setIpcache(prefix: string, identity: Identity): void {
    this.ipcache.set(prefix, identity)
    this.#changed('setIpcache')
  }

  deleteIpcache(prefix: string): void {
    this.ipcache.delete(prefix)
    this.#changed('deleteIpcache')
  }

  setRevision(revision: Revision): void {
    this.#revision = revision
  }

  revision(): Revision {
    return this.#revision
  }

  listPolicy(id: EndpointId): PolicyMapEntry[] {
    return [...(this.#policies.get(id) ?? [])]
  }

  /** The very list, so that it can be a key. */
  policyOf(id: EndpointId): readonly PolicyMapEntry[] {
    return this.#policies.get(id) ?? NONE
  }

  listIpcache(): IpcacheEntry[] {
    return [...this.ipcache].map(([prefix, identity]) => ({ prefix, identity: asIdentity(identity) }))
  }

  listConnections(): [] {
    return []
  }

  dropCounters(): [] {
    return []
  }

  readEvents(): void {}

  maintain(): readonly string[] {
    return []
  }

  close(): void {}

  #changed(call: string): void {
    this.calls.push(call)
    this.onChange()
  }
}

const NONE: readonly PolicyMapEntry[] = []
