// All policies and local endpoints, and what follows from them for each endpoint. A change costs as much as
// it affects: only identities whose rules or peers changed are resolved again.
import { isDeepStrictEqual } from 'node:util'
import { asRevision, type EndpointId, type Identity, type Revision } from '../lib/brands.ts'
import { ActiveRule, type ActiveRuleListener } from './active-rule.ts'
import { reservedPeers, type LabelledIdentity } from './identity.ts'
import type { LabelSet } from './labels.ts'
import type { Direction, IdentityInfo, NetworkPolicy } from './network-policy.ts'
import type { PolicyMapEntry } from './policy-map.ts'
import { resolveDirection, type ResolvedDirection } from './resolve.ts'
import type { ParsedPolicy } from './rule-model.ts'
import { SelectorCache } from './selector-cache.ts'

export interface PolicyEndpoint {
  readonly id: EndpointId
  /** The number of exactly these labels. */
  readonly identity: Identity
  readonly labels: LabelSet
  readonly addresses: readonly string[]
}

/** What is enforced for one endpoint. Immutable; equal parts are shared between endpoints and revisions. */
export interface EndpointPolicy {
  readonly identity: Identity
  readonly networkPolicy: NetworkPolicy
  readonly mapEntries: readonly PolicyMapEntry[]
  /** Whether the direction is closed by default. */
  readonly enforced: Readonly<Record<Direction, boolean>>
}

/** One admitted change; everything in it takes effect together. */
export interface RepositoryUpdate {
  /** New policies and new versions of old ones. */
  readonly setPolicies?: readonly ParsedPolicy[]
  /** Keys; unknown ones are ignored. */
  readonly removePolicies?: readonly string[]
  /** New endpoints and new versions of old ones: other labels, identity or addresses. */
  readonly setEndpoints?: readonly PolicyEndpoint[]
  /** Unknown ones are ignored. */
  readonly removeEndpoints?: readonly EndpointId[]
}

export interface EndpointChange {
  readonly id: EndpointId
  /** undefined = the endpoint is new. */
  readonly before: EndpointPolicy | undefined
  /** undefined = the endpoint is gone. */
  readonly after: EndpointPolicy | undefined
}

export interface PolicyChange {
  /** Of the policy set after the change. Unchanged when the update had no effect at all. */
  readonly revision: Revision
  /** Endpoints that are enforced differently now, by id. Others keep their very `EndpointPolicy`. */
  readonly endpoints: readonly EndpointChange[]
  /** Identities that local endpoints have now and none had before. Enter the ipcache after policy maps changed. */
  readonly addedIdentities: readonly Identity[]
  /** Identities that no local endpoint has any more. Leave the ipcache before policy maps change. */
  readonly removedIdentities: readonly Identity[]
}

/** What all endpoints of an identity share. */
interface Resolved extends Readonly<Record<Direction, ResolvedDirection>> {
  readonly mapEntries: readonly PolicyMapEntry[]
}

interface LocalIdentity {
  readonly labels: LabelSet
  readonly endpoints: Set<EndpointId>
  /** Those that protect the identity. */
  readonly rules: Set<ActiveRule>
  /** undefined until the update that brought the identity has ended. */
  resolved: Resolved | undefined
}

interface PolicyRecord {
  readonly policy: ParsedPolicy
  readonly rules: readonly ActiveRule[]
}

/** An endpoint that comes, goes or differs. */
interface Move {
  readonly id: EndpointId
  readonly before: PolicyEndpoint | undefined
  readonly after: PolicyEndpoint | undefined
}

export class PolicyRepository {
  /** Every identity that a packet can carry. */
  readonly #peers = new SelectorCache()
  /** Identities of local endpoints only, so that a change of remote ones looks at no subject selector. */
  readonly #subjects = new SelectorCache()
  readonly #policies = new Map<string, PolicyRecord>()
  readonly #identities = new Map<Identity, LocalIdentity>()
  readonly #endpoints = new Map<EndpointId, PolicyEndpoint>()
  readonly #published = new Map<EndpointId, EndpointPolicy>()
  /** Local identities to resolve before the update ends. */
  readonly #dirty = new Set<Identity>()
  readonly #listener: ActiveRuleListener
  #revision = 0

  constructor() {
    this.#peers.updateIdentities(reservedPeers(), [])
    this.#listener = {
      subjectsChanged: (rule, added, removed) => this.#assignRule(rule, added, removed),
      filtersChanged: (rule) => this.#markDirty(rule.subjects),
    }
  }

  get revision(): Revision {
    return asRevision(this.#revision)
  }

  /** Sorted by key. */
  policies(): ParsedPolicy[] {
    return [...this.#policies.values()].map(({ policy }) => policy).sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  policy(key: string): ParsedPolicy | undefined {
    return this.#policies.get(key)?.policy
  }

  endpointPolicy(id: EndpointId): EndpointPolicy | undefined {
    return this.#published.get(id)
  }

  /** Sorted by endpoint id. */
  endpointPolicies(): EndpointPolicy[] {
    return [...this.#published.values()].sort(
      (a, b) => a.networkPolicy.endpointId - b.networkPolicy.endpointId,
    )
  }

  /** Endpoints that a policy protects, sorted. */
  endpointsSelectedBy(policyKey: string): EndpointId[] {
    const identities = (this.#policies.get(policyKey)?.rules ?? []).flatMap((rule) => rule.subjects)
    const ids = identities.flatMap((identity) => [...(this.#identities.get(identity)?.endpoints ?? [])])
    return [...new Set(ids)].sort((a, b) => a - b)
  }

  /** Keys of the policies that protect an endpoint, sorted. */
  policiesSelecting(id: EndpointId): string[] {
    const endpoint = this.#endpoints.get(id)
    const local = endpoint === undefined ? undefined : this.#identities.get(endpoint.identity)
    return local === undefined ? [] : [...new Set(inPolicyOrder(local.rules).map(({ policy }) => policy.key))]
  }

  /** Reserved identities and those of local endpoints, sorted. */
  identities(): IdentityInfo[] {
    return this.#peers.identities().map(({ identity, labels }) => ({ identity, labels: labels.toStrings() }))
  }

  /**
   * Apply one change as a whole.
   * @throws Error, having changed nothing, when an identity would get other labels than it has.
   */
  update(update: RepositoryUpdate): PolicyChange {
    const moves = this.#planMoves(update)
    this.#checkIdentities(moves)
    const identities = this.#moveEndpoints(moves)
    const policiesChanged = this.#changePolicies(update.removePolicies ?? [], update.setPolicies ?? [])
    const affected = new Set(moves.map(({ id }) => id))
    for (const { endpoints } of this.#resolveDirty()) for (const id of endpoints) affected.add(id)
    const endpoints = [...affected].sort((a, b) => a - b).map((id) => this.#publish(id))
    if (moves.length > 0 || policiesChanged) this.#revision++
    return { revision: this.revision, endpoints, ...identities }
  }

  #planMoves({ setEndpoints = [], removeEndpoints = [] }: RepositoryUpdate): Move[] {
    const wanted = new Map<EndpointId, PolicyEndpoint | undefined>()
    for (const id of removeEndpoints) wanted.set(id, undefined)
    for (const endpoint of setEndpoints) wanted.set(endpoint.id, endpoint)
    const moves = [...wanted].map(([id, after]) => ({ id, before: this.#endpoints.get(id), after }))
    return moves.filter(({ before, after }) => !isSameEndpoint(before, after))
  }

  /** Numbers mean labels, for good: packets on their way carry the number only. */
  #checkIdentities(moves: readonly Move[]): void {
    const labels = new Map<Identity, string>()
    for (const { after } of moves) {
      if (after === undefined) continue
      const known = this.#peers.labelsOf(after.identity)?.key ?? labels.get(after.identity)
      if (known !== undefined && known !== after.labels.key) {
        throw new Error(`identity ${after.identity} has labels ${known} and cannot get ${after.labels.key}`)
      }
      labels.set(after.identity, after.labels.key)
    }
  }

  #moveEndpoints(moves: readonly Move[]): Pick<PolicyChange, 'addedIdentities' | 'removedIdentities'> {
    const added: LabelledIdentity[] = []
    for (const { id, before, after } of moves) {
      if (before !== undefined) this.#identities.get(before.identity)?.endpoints.delete(id)
      if (after === undefined) {
        this.#endpoints.delete(id)
        continue
      }
      this.#endpoints.set(id, after)
      const { identity, labels } = after
      const known = this.#identities.get(identity)
      if (known !== undefined) {
        known.endpoints.add(id)
        continue
      }
      this.#identities.set(identity, {
        labels,
        endpoints: new Set([id]),
        rules: new Set(),
        resolved: undefined,
      })
      this.#dirty.add(identity)
      added.push({ identity, labels })
    }
    const left = new Set(moves.flatMap(({ before }) => before?.identity ?? []))
    const removed = [...left].filter((identity) => this.#identities.get(identity)?.endpoints.size === 0)
    this.#subjects.updateIdentities(added, removed)
    this.#peers.updateIdentities(added, removed)
    for (const identity of removed) this.#identities.delete(identity)
    const numbers = added.map(({ identity }) => identity).sort((a, b) => a - b)
    return { addedIdentities: numbers, removedIdentities: removed.sort((a, b) => a - b) }
  }

  /** True when anything changed. */
  #changePolicies(removed: readonly string[], set: readonly ParsedPolicy[]): boolean {
    let isChanged = false
    for (const key of removed) {
      const record = this.#policies.get(key)
      if (record === undefined) continue
      this.#policies.delete(key)
      for (const rule of record.rules) this.#retire(rule)
      isChanged = true
    }
    for (const policy of set) {
      const old = this.#policies.get(policy.key)
      if (old?.policy === policy) continue
      // New before old, so that selectors that both use stay in the cache.
      this.#policies.set(policy.key, { policy, rules: this.#activate(policy) })
      for (const rule of old?.rules ?? []) this.#retire(rule)
      isChanged = true
    }
    return isChanged
  }

  #activate(policy: ParsedPolicy): ActiveRule[] {
    const caches = { subjects: this.#subjects, peers: this.#peers }
    const rules = policy.rules.map(
      (rule, index) => new ActiveRule(policy, index, rule, caches, this.#listener),
    )
    for (const rule of rules) this.#assignRule(rule, rule.subjects, [])
    return rules
  }

  #retire(rule: ActiveRule): void {
    this.#assignRule(rule, [], rule.subjects)
    rule.dispose()
  }

  #assignRule(rule: ActiveRule, added: readonly Identity[], removed: readonly Identity[]): void {
    for (const identity of removed) this.#identities.get(identity)?.rules.delete(rule)
    for (const identity of added) this.#identities.get(identity)?.rules.add(rule)
    this.#markDirty(added)
    this.#markDirty(removed)
  }

  #markDirty(identities: readonly Identity[]): void {
    for (const identity of identities) this.#dirty.add(identity)
  }

  /** Returns the identities whose policy differs now. */
  #resolveDirty(): LocalIdentity[] {
    const changed: LocalIdentity[] = []
    for (const identity of this.#dirty) {
      const local = this.#identities.get(identity)
      if (local === undefined) continue
      const resolved = resolve(inPolicyOrder(local.rules), local.resolved)
      if (resolved === local.resolved) continue
      local.resolved = resolved
      changed.push(local)
    }
    this.#dirty.clear()
    return changed
  }

  #publish(id: EndpointId): EndpointChange {
    const before = this.#published.get(id)
    const endpoint = this.#endpoints.get(id)
    const resolved = endpoint === undefined ? undefined : this.#identities.get(endpoint.identity)?.resolved
    if (endpoint === undefined || resolved === undefined) {
      this.#published.delete(id)
      return { id, before, after: undefined }
    }
    const after = endpointPolicy(endpoint, resolved)
    this.#published.set(id, after)
    return { id, before, after }
  }
}

function endpointPolicy({ id, identity, addresses }: PolicyEndpoint, resolved: Resolved): EndpointPolicy {
  const { ingress, egress, mapEntries } = resolved
  return {
    identity,
    networkPolicy: {
      endpointId: id,
      endpointIps: addresses,
      ingress: ingress.portPolicies,
      egress: egress.portPolicies,
    },
    mapEntries,
    enforced: { ingress: ingress.enforced, egress: egress.enforced },
  }
}

const UNSELECTED: Resolved = makeUnselected()

/** What all identities without rules share. */
function makeUnselected(): Resolved {
  const ingress = resolveDirection('ingress', [])
  const egress = resolveDirection('egress', [])
  return { ingress, egress, mapEntries: [...ingress.mapEntries, ...egress.mapEntries] }
}

/** Parts that come out the same are taken from `old`; all of it when nothing differs. */
function resolve(rules: readonly ActiveRule[], old: Resolved | undefined): Resolved {
  const direction = (name: Direction): ResolvedDirection => {
    const fresh = resolveDirection(
      name,
      rules.map((rule) => rule.filters(name)),
    )
    return old !== undefined && isDeepStrictEqual(old[name], fresh) ? old[name] : fresh
  }
  const ingress = direction('ingress')
  const egress = direction('egress')
  if (ingress === old?.ingress && egress === old.egress) return old
  if (ingress === UNSELECTED.ingress && egress === UNSELECTED.egress) return UNSELECTED
  return { ingress, egress, mapEntries: [...ingress.mapEntries, ...egress.mapEntries] }
}

/** The order does not depend on the order in which policies arrived. */
function inPolicyOrder(rules: Iterable<ActiveRule>): ActiveRule[] {
  const compare = (a: ActiveRule, b: ActiveRule): number => {
    if (a.policy.key === b.policy.key) return a.index - b.index
    return a.policy.key < b.policy.key ? -1 : 1
  }
  return [...rules].sort(compare)
}

function isSameEndpoint(a: PolicyEndpoint | undefined, b: PolicyEndpoint | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.identity === b.identity &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, i) => address === b.addresses[i])
  )
}
