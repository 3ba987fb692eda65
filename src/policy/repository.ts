// All policies and local endpoints, and what follows from them for each endpoint. A change costs as much as
// it affects: only identities whose rules or peers changed are resolved again.
import { asRevision, type EndpointId, type Identity, type Revision } from '../lib/brands.ts'
import { ActiveRule, type RuleSurroundings } from './active-rule.ts'
import { shownLabels } from './cidr-labels.ts'
import { EndpointPolicy, Resolved } from './endpoint-policy.ts'
import { portTableKey } from './filter.ts'
import { reservedPeers, type LabelledIdentity } from './identity.ts'
import { RESERVED_SOURCE, type LabelSet } from './labels.ts'
import type { Direction, IdentityInfo } from './network-policy.ts'
import { PortNames } from './port-names.ts'
import { resolveDirection, type RuleFilters, type Subject } from './resolve.ts'
import type { ParsedPolicy, PortName } from './rule-model.ts'
import { SelectorCache } from './selector-cache.ts'

export { EndpointPolicy } from './endpoint-policy.ts'

export interface PolicyEndpoint {
  readonly id: EndpointId
  /** The number of exactly these labels. */
  readonly identity: Identity
  readonly labels: LabelSet
  readonly addresses: readonly string[]
  /** Ports that the endpoint names. Absent = none. */
  readonly ports?: readonly PortName[]
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
  /** Identities to know whether or not a local endpoint has them: prefixes, other nodes' endpoints. */
  readonly addPeers?: readonly LabelledIdentity[]
  /** Those of `addPeers` to know no longer, unless a local endpoint has them. */
  readonly removePeers?: readonly Identity[]
}

export interface SelectorInfo {
  /** Whether it says whom rules protect, or whom they admit and deny. */
  readonly role: 'subject' | 'peer'
  /** Canonical; '' selects everything. */
  readonly selector: string
  /** Sorted. */
  readonly identities: readonly Identity[]
  /** Rules that share it. */
  readonly users: number
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
  /** Identities that are known now and were not before, sorted. Enter the ipcache after policy maps changed. */
  readonly addedIdentities: readonly Identity[]
  /** Identities that are no longer known, sorted. Leave the ipcache before policy maps change. */
  readonly removedIdentities: readonly Identity[]
}

interface LocalIdentity {
  readonly labels: LabelSet
  readonly endpoints: Set<EndpointId>
  /** Those that protect the identity. */
  readonly rules: Set<ActiveRule>
  /** The same in the order of the policies; undefined = to be sorted. */
  ordered: OrderedRules | undefined
  /** By the port names of endpoints, as far as rules look at them; empty until the update has ended. */
  resolved: ReadonlyMap<string, Resolved>
}

/** By direction: those that say something there. */
interface OrderedRules extends Readonly<Record<Direction, readonly ActiveRule[]>> {
  readonly all: readonly ActiveRule[]
  readonly useOwnPorts: boolean
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
  /** Identities of `addPeers`. */
  readonly #held = new Set<Identity>()
  readonly #ports = new PortNames()
  readonly #around: RuleSurroundings
  #revision = 0

  constructor() {
    this.#peers.updateIdentities(reservedPeers(), [])
    this.#around = {
      subjects: this.#subjects,
      peers: this.#peers,
      ports: this.#ports,
      listener: {
        subjectsChanged: (rule, added, removed) => this.#assignRule(rule, added, removed),
        filtersChanged: (rule) => this.#markDirty(rule.subjects),
      },
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
    return local === undefined ? [] : [...new Set(orderedRules(local).all.map(({ policy }) => policy.key))]
  }

  /** All that is known, sorted. Of the labels of a prefix only those that tell something. */
  identities(): IdentityInfo[] {
    return this.#peers.identities().map(({ identity, labels }) => ({ identity, labels: shownLabels(labels) }))
  }

  labelsOf(identity: Identity): LabelSet | undefined {
    return this.#peers.labelsOf(identity)
  }

  /** Distinct selectors that are evaluated, sorted. Rules that protect nobody at present have no peers here. */
  selectors(): SelectorInfo[] {
    const infos = (['subject', 'peer'] as const).flatMap((role) => {
      const cache = role === 'subject' ? this.#subjects : this.#peers
      return [...cache.selectors()].map(({ selector, selection, users }) => {
        return { role, selector: selector.key, identities: selection, users }
      })
    })
    return infos.sort((a, b) => (a.selector < b.selector ? -1 : a.selector > b.selector ? 1 : 0))
  }

  /**
   * Apply one change as a whole.
   * @throws Error, having changed nothing, when an identity would get other labels than it has.
   */
  update(update: RepositoryUpdate): PolicyChange {
    const { addPeers = [], removePeers = [] } = update
    const moves = this.#planMoves(update)
    this.#checkIdentities([...moves.flatMap(({ after }) => after ?? []), ...addPeers])
    const identities = this.#changeIdentities(moves, addPeers, removePeers)
    const policiesChanged = this.#changePolicies(update.removePolicies ?? [], update.setPolicies ?? [])
    const affected = new Set(moves.map(({ id }) => id))
    for (const { endpoints } of this.#resolveDirty()) for (const id of endpoints) affected.add(id)
    const endpoints = [...affected].sort((a, b) => a - b).map((id) => this.#publish(id))
    const { addedIdentities, removedIdentities } = identities
    const hasEffect = moves.length + addedIdentities.length + removedIdentities.length > 0 || policiesChanged
    if (hasEffect) this.#revision++
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
  #checkIdentities(wanted: readonly LabelledIdentity[]): void {
    const fresh = new Map<Identity, string>()
    for (const { identity, labels } of wanted) {
      const known = this.#peers.labelsOf(identity)?.key ?? fresh.get(identity)
      if (known !== undefined && known !== labels.key) {
        throw new Error(`identity ${identity} has labels ${known} and cannot get ${labels.key}`)
      }
      fresh.set(identity, labels.key)
    }
  }

  #changeIdentities(
    moves: readonly Move[],
    addPeers: readonly LabelledIdentity[],
    removePeers: readonly Identity[],
  ): Pick<PolicyChange, 'addedIdentities' | 'removedIdentities'> {
    const labels = new Map<Identity, LabelSet>()
    const wanted = [...addPeers, ...moves.flatMap(({ after }) => after ?? [])]
    for (const peer of wanted) labels.set(peer.identity, peer.labels)
    const left = moves.flatMap(({ before }) => before?.identity ?? [])
    const concerned = [...new Set([...labels.keys(), ...left, ...removePeers])].sort((a, b) => a - b)
    const wasLocal = new Set(concerned.filter((identity) => this.#identities.has(identity)))
    for (const { identity } of addPeers) this.#held.add(identity)
    for (const identity of removePeers) this.#held.delete(identity)
    // Their addresses may have the identity for a while: until then a rule for a named port must cover it.
    this.#ports.hold(addPeers.map(({ identity }) => identity))
    const haveNamesMoved = this.#moveEndpoints(moves)
    const haveNamesGone = this.#ports.release(removePeers)
    if (haveNamesMoved || haveNamesGone) this.#peerPortsChanged()

    const isLocal = (identity: Identity): boolean => {
      return (this.#identities.get(identity)?.endpoints.size ?? 0) > 0
    }
    const labelled = (identity: Identity): LabelledIdentity[] => {
      const set = labels.get(identity) ?? this.#peers.labelsOf(identity)
      return set === undefined ? [] : [{ identity, labels: set }]
    }
    const come = concerned.filter((identity) => !wasLocal.has(identity) && isLocal(identity))
    const gone = concerned.filter((identity) => wasLocal.has(identity) && !isLocal(identity))
    this.#subjects.updateIdentities(come.flatMap(labelled), gone)

    const isWanted = (one: Identity): boolean => isLocal(one) || this.#held.has(one) || RESERVED.has(one)
    const isKnown = (one: Identity): boolean => this.#peers.labelsOf(one) !== undefined
    const addedIdentities = concerned.filter((one) => isWanted(one) && !isKnown(one))
    const removedIdentities = concerned.filter((one) => !isWanted(one) && isKnown(one))
    this.#peers.updateIdentities(addedIdentities.flatMap(labelled), removedIdentities)
    for (const identity of gone) this.#identities.delete(identity)
    return { addedIdentities, removedIdentities }
  }

  /** True when an identity names other ports now. */
  #moveEndpoints(moves: readonly Move[]): boolean {
    let portsChanged = false
    for (const { id, before, after } of moves) {
      if (before !== undefined) {
        this.#identities.get(before.identity)?.endpoints.delete(id)
        this.#dirty.add(before.identity)
      }
      portsChanged = this.#ports.move(before, after) || portsChanged
      if (after === undefined) {
        this.#endpoints.delete(id)
        continue
      }
      this.#endpoints.set(id, after)
      this.#dirty.add(after.identity)
      const known = this.#identities.get(after.identity)
      if (known !== undefined) known.endpoints.add(id)
      else this.#identities.set(after.identity, makeLocal(after.labels, id))
    }
    return portsChanged
  }

  #peerPortsChanged(): void {
    for (const { rules } of this.#policies.values()) {
      for (const rule of rules) if (rule.usesPeerPorts) rule.peerPortsChanged()
    }
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
    const rules = policy.rules.map((rule, index) => new ActiveRule(policy, index, rule, this.#around))
    for (const rule of rules) this.#assignRule(rule, rule.subjects, [])
    return rules
  }

  #retire(rule: ActiveRule): void {
    this.#assignRule(rule, [], rule.subjects)
    rule.dispose()
  }

  #assignRule(rule: ActiveRule, added: readonly Identity[], removed: readonly Identity[]): void {
    for (const identity of [...removed, ...added]) {
      const local = this.#identities.get(identity)
      if (local !== undefined) local.ordered = undefined
    }
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
      const resolved = this.#resolve(local)
      if (isSameMap(resolved, local.resolved)) continue
      local.resolved = resolved
      changed.push(local)
    }
    this.#dirty.clear()
    return changed
  }

  #resolve(local: LocalIdentity): Map<string, Resolved> {
    const rules = orderedRules(local)
    const isClosed = local.labels.has(RESERVED_SOURCE, 'init')
    const variants = new Map<string, Resolved>()
    for (const id of local.endpoints) {
      const key = variantOf(rules, this.#endpoints.get(id)?.ports)
      if (variants.has(key)) continue
      const ports = key === NO_PORTS ? [] : (this.#endpoints.get(id)?.ports ?? [])
      variants.set(key, resolve(rules, { isClosed, ports, portsKey: key }, local.resolved.get(key)))
    }
    return variants
  }

  #publish(id: EndpointId): EndpointChange {
    const before = this.#published.get(id)
    const endpoint = this.#endpoints.get(id)
    const local = endpoint === undefined ? undefined : this.#identities.get(endpoint.identity)
    const resolved =
      local === undefined ? undefined : local.resolved.get(variantOf(orderedRules(local), endpoint?.ports))
    if (endpoint === undefined || resolved === undefined) {
      this.#published.delete(id)
      return { id, before, after: undefined }
    }
    const after = new EndpointPolicy(id, endpoint.identity, endpoint.addresses, resolved)
    this.#published.set(id, after)
    return { id, before, after }
  }
}

const RESERVED: ReadonlySet<Identity> = new Set(reservedPeers().map(({ identity }) => identity))

function makeLocal(labels: LabelSet, id: EndpointId): LocalIdentity {
  return { labels, endpoints: new Set([id]), rules: new Set(), ordered: undefined, resolved: new Map() }
}

const NO_PORTS = ''

/** Endpoints of an identity share what is resolved, unless a rule looks at ports that they name differently. */
function variantOf({ useOwnPorts }: OrderedRules, ports: readonly PortName[] = []): string {
  return useOwnPorts ? portTableKey(ports) : NO_PORTS
}

/** What all identities without rules share. */
const UNSELECTED = new Resolved(
  resolveDirection('ingress', [], { isClosed: false, ports: [], portsKey: NO_PORTS }),
  resolveDirection('egress', [], { isClosed: false, ports: [], portsKey: NO_PORTS }),
)

/** Parts that come out the same are taken from `old`; all of it when nothing differs. */
function resolve(rules: OrderedRules, subject: Subject, old: Resolved | undefined): Resolved {
  const filters = (direction: Direction): RuleFilters[] => {
    return rules[direction].map((rule) => rule.filters(direction))
  }
  const ingress = resolveDirection('ingress', filters('ingress'), subject, old?.ingress)
  const egress = resolveDirection('egress', filters('egress'), subject, old?.egress)
  if (old !== undefined && ingress === old.ingress && egress === old.egress) return old
  if (ingress === UNSELECTED.ingress && egress === UNSELECTED.egress) return UNSELECTED
  return new Resolved(ingress, egress)
}

/** The order does not depend on the order in which policies arrived. */
function orderedRules(local: LocalIdentity): OrderedRules {
  return (local.ordered ??= inOrder(local.rules))
}

function inOrder(rules: Iterable<ActiveRule>): OrderedRules {
  const compare = (a: ActiveRule, b: ActiveRule): number => {
    if (a.policy.key === b.policy.key) return a.index - b.index
    return a.policy.key < b.policy.key ? -1 : 1
  }
  const all = [...rules].sort(compare)
  return {
    all,
    ingress: all.filter((rule) => rule.concerns('ingress')),
    egress: all.filter((rule) => rule.concerns('egress')),
    useOwnPorts: all.some((rule) => rule.usesOwnPorts),
  }
}

function isSameMap<K, V>(a: ReadonlyMap<K, V>, b: ReadonlyMap<K, V>): boolean {
  return a.size === b.size && [...a].every(([key, value]) => b.get(key) === value)
}

function isSameEndpoint(a: PolicyEndpoint | undefined, b: PolicyEndpoint | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return (
    a.identity === b.identity &&
    portTableKey(a.ports ?? []) === portTableKey(b.ports ?? []) &&
    a.addresses.length === b.addresses.length &&
    a.addresses.every((address, i) => address === b.addresses[i])
  )
}
