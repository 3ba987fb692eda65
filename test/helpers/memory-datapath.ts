// The kernel half of an agent, in memory: maps that hold what is written into them, devices that are all there.
import { asRevision, type EndpointId, type Identity, type Revision } from '../../src/lib/brands.ts'
import { policyMapKey, type PolicyMapEntry } from '../../src/policy/policy-map.ts'
import type { Datapath } from '../../src/redirect/datapath-api.ts'

export class MemoryDatapath implements Datapath {
  readonly maxPolicyEntries = 16_384
  readonly steeringDevice = 0
  readonly #policies = new Map<EndpointId, Map<string, PolicyMapEntry>>()
  readonly #ipcache = new Map<string, Identity>()
  #revision = asRevision(0)

  setEndpoint(): void {}
  prepare(): void {}
  detach(): void {}
  closeUnknownPorts(): void {}
  hasDevices(): boolean {
    return true
  }
  maintain(): readonly string[] {
    return []
  }
  isAttached(): boolean {
    return true
  }
  isOnDevice(): boolean {
    return false
  }
  lacksPrograms(): boolean {
    return false
  }
  removeEndpoint(id: EndpointId): void {
    this.#policies.delete(id)
  }
  knownEndpoints(): EndpointId[] {
    return [...this.#policies.keys()]
  }
  replacePolicy(id: EndpointId, entries: readonly PolicyMapEntry[]): void {
    this.#policies.set(id, new Map(entries.map((entry) => [policyMapKey(entry), entry])))
  }
  applyPolicy(
    id: EndpointId,
    additions: readonly PolicyMapEntry[],
    deletions: readonly PolicyMapEntry[],
  ): void {
    const map = this.#policies.get(id) ?? new Map<string, PolicyMapEntry>()
    for (const entry of additions) map.set(policyMapKey(entry), entry)
    for (const entry of deletions) map.delete(policyMapKey(entry))
    this.#policies.set(id, map)
  }
  lockEndpoint(id: EndpointId): void {
    this.replacePolicy(id, [])
  }
  setIpcache(prefix: string, identity: Identity): void {
    this.#ipcache.set(prefix, identity)
  }
  deleteIpcache(prefix: string): void {
    this.#ipcache.delete(prefix)
  }
  setRevision(revision: Revision): void {
    this.#revision = revision
  }
  revision(): Revision {
    return this.#revision
  }
  listPolicy(id: EndpointId): PolicyMapEntry[] {
    return [...(this.#policies.get(id)?.values() ?? [])]
  }
  listIpcache(): { prefix: string; identity: Identity }[] {
    return [...this.#ipcache].map(([prefix, identity]) => ({ prefix, identity }))
  }
  listConnections(): [] {
    return []
  }
  dropCounters(): [] {
    return []
  }
  readEvents(): void {}
  close(): void {}
}
