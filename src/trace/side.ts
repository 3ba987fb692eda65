// What one endpoint says to the kernel about a flow, and why.
import type { PolicyMapRow__Output } from '../gen/weir/v1/PolicyMapRow.ts'
import type { TraceRule__Output } from '../gen/weir/v1/TraceRule.ts'
import { protocolName, type ProtocolPort } from '../lib/protocols.ts'
import { RESERVED_SOURCE } from '../policy/labels.ts'
import type { Direction } from '../policy/network-policy.ts'
import { lookupPolicy } from '../policy/policy-lookup.ts'
import type { PolicyMapEntry, PolicyMapVerdict } from '../policy/policy-map.ts'
import { portText } from '../policy/policy-map-text.ts'
import { requestRulesOf } from '../policy/request-rules.ts'
import type { Rule, RuleElement } from '../policy/rule-model.ts'
import { selects } from '../policy/selector.ts'
import type { TracedEndpoint, TraceWorld } from '../policy/trace-world.ts'
import { matchPeer, matchPorts, type Match } from './element-match.ts'
import type { Party } from './party.ts'
import { decide, rank, verdictOf, type Candidate, type Closing, type Decisions } from './rule-decision.ts'
import type { RuleBook } from './rule-book.ts'

export interface Side {
  readonly direction: Direction
  readonly endpoint: TracedEndpoint
  readonly peer: Party
  readonly enforced: boolean
  readonly closing: readonly Closing[]
  /** Of the policy map. */
  readonly verdict: PolicyMapVerdict
  readonly entry: PolicyMapEntry | undefined
  /** What the rules come to; the verdict is the same unless a change is on its way. */
  readonly decision: Decisions
  /** Of the direction, in the order of the policies. */
  readonly elements: readonly TracedElement[]
}

interface TracedElement {
  readonly element: RuleElement
  readonly peer: Match
  readonly ports: Match
  /** One for each grant that covers the flow; none = the element does not cover it. */
  readonly candidates: readonly Candidate[]
}

export function traceSide(
  world: TraceWorld,
  direction: Direction,
  endpoint: TracedEndpoint,
  peer: Party,
  flow: ProtocolPort,
): Side {
  const rules = world.repository.policies().flatMap((policy) => policy.rules)
  const selecting = rules.filter(({ subject }) => selects(subject, endpoint.labels))
  const named = direction === 'ingress' ? endpoint.ports : portsOf(world, peer)
  const elements = selecting.flatMap((rule) => {
    return rule[direction].elements.map((element) => traceElement(element, peer, { ...flow, names: named }))
  })
  const closing = closingRules(selecting, direction, endpoint, world)
  const entry = lookupPolicy(world.mapEntries(endpoint.id), { direction, peer: peer.identity, ...flow })
  return {
    direction,
    endpoint,
    peer,
    enforced: world.repository.endpointPolicy(endpoint.id)?.enforced[direction] ?? true,
    closing,
    verdict: entry?.verdict ?? 'deny',
    entry,
    decision: decide(
      elements.flatMap(({ candidates }) => candidates),
      closing,
    ),
    elements,
  }
}

/** Names that endpoints of the peer give to ports. */
function portsOf({ endpoints }: TraceWorld, peer: Party): TracedEndpoint['ports'] {
  return endpoints.filter(({ identity }) => identity === peer.identity).flatMap(({ ports }) => ports)
}

function traceElement(
  element: RuleElement,
  { labels }: Party,
  ports: Parameters<typeof matchPorts>[1],
): TracedElement {
  const peer = matchPeer(element, labels)
  const { grants, ...match } = matchPorts(element, ports)
  const candidates = peer.matches
    ? grants.map((grant) => ({ name: element.name, element, requests: requestRulesOf(grant) }))
    : []
  return { element, peer, ports: match, candidates }
}

function closingRules(
  rules: readonly Rule[],
  direction: Direction,
  { labels }: TracedEndpoint,
  world: TraceWorld,
): Closing[] {
  const policies = world.repository.policies()
  const closing = rules.flatMap((rule): Closing[] => {
    const { defaultDeny, mode = 'enforce' } = rule[direction]
    const key = policies.find((policy) => policy.rules.includes(rule))?.key ?? ''
    return defaultDeny ? [{ name: key, mode }] : []
  })
  if (labels.has(RESERVED_SOURCE, 'init')) closing.push({ name: 'reserved:init', mode: 'enforce' })
  return [...new Map(closing.map((one) => [`${one.name} ${one.mode}`, one])).values()]
}

/** Rules that are shown beside those that match. */
const MAX_MISSES = 8
const MAX_MATCHES = 40

export function describeElements(
  side: Side,
  book: RuleBook,
): { rules: TraceRule__Output[]; leftOut: number } {
  const matching = side.elements.filter(({ candidates }) => candidates.length > 0)
  matching.sort((a, b) => rankOf(b) - rankOf(a))
  const missing = side.elements.filter(({ candidates }) => candidates.length === 0)
  missing.sort((a, b) => distance(a) - distance(b))
  const shown = [...matching.slice(0, MAX_MATCHES), ...missing.slice(0, MAX_MISSES)]
  return {
    rules: shown.map(({ element, peer, ports, candidates }) => ({
      rule: book.reference(element.name),
      action: actionOf(
        element,
        candidates.length > 0
          ? candidates.map(({ requests }) => requests)
          : element.grants.map(requestRulesOf),
      ),
      mode: element.mode ?? 'enforce',
      peerMatches: peer.matches,
      peer: peer.why,
      portMatches: ports.matches,
      ports: ports.why,
    })),
    leftOut: side.elements.length - shown.length,
  }
}

function rankOf({ candidates }: TracedElement): number {
  return Math.max(...candidates.map(rank))
}

function distance({ peer, ports }: TracedElement): number {
  return peer.distance + ports.distance
}

/** `redirect` when any of the grants has rules for requests. */
function actionOf(element: RuleElement, grants: readonly Candidate['requests'][]): string {
  return verdictOf(
    element,
    grants.find((requests) => requests !== undefined),
  )
}

export function describeEntry({ entry, endpoint }: Side): PolicyMapRow__Output | null {
  if (entry === undefined) return null
  return {
    endpointId: endpoint.id,
    endpoint: `${endpoint.namespace}/${endpoint.name}`,
    direction: entry.direction,
    identity: entry.identity,
    protocol: protocolName(entry.protocol),
    port: portText(entry),
    verdict: entry.verdict,
    precedence: entry.precedence,
  }
}
