// The meaning of policies, spelt out from the documents by brute force: no selector cache, no maps, no shared
// code. Documents of Kubernetes' own kinds: policy-oracle-kubernetes.ts.
import type { Direction } from '../../src/policy/network-policy.ts'
import { clusterClaims, kubernetesClaims } from './policy-oracle-kubernetes.ts'
import type { RawClusterPolicy, RawNetworkPolicy } from './policy-oracle-kubernetes.ts'
import {
  fulfils,
  isInPrefix,
  portOf,
  type Claim,
  type OracleFlow,
  type Party,
  type RawHttp,
  type RawKafka,
  type RawSelector,
} from './policy-oracle-world.ts'
import type { AnyRequest, KafkaAsk, Request } from './policy-simulation.ts'

export type { OracleFlow, Party, RawSelector } from './policy-oracle-world.ts'

export interface RawPort {
  readonly port: string
  readonly endPort?: number
  readonly protocol?: string
}
export interface RawElement {
  readonly fromEndpoints?: readonly RawSelector[]
  readonly fromEntities?: readonly string[]
  readonly fromCIDR?: readonly string[]
  readonly fromCIDRSet?: readonly { readonly cidr: string; readonly except?: readonly string[] }[]
  readonly toEndpoints?: readonly RawSelector[]
  readonly toEntities?: readonly string[]
  readonly toCIDR?: readonly string[]
  readonly toCIDRSet?: readonly { readonly cidr: string; readonly except?: readonly string[] }[]
  readonly icmps?: readonly {
    readonly fields: readonly { readonly type: number; readonly family?: string }[]
  }[]
  readonly toPorts?: readonly {
    readonly ports: readonly RawPort[]
    readonly rules?: { readonly http: readonly RawHttp[] } | { readonly kafka: readonly RawKafka[] }
  }[]
}
export interface RawSpec {
  readonly endpointSelector: RawSelector
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean }
  readonly ingress?: readonly RawElement[]
  readonly egress?: readonly RawElement[]
  readonly ingressDeny?: readonly RawElement[]
  readonly egressDeny?: readonly RawElement[]
}
export type Mode = 'enforce' | 'audit' | 'shadow'

interface Named {
  readonly name: string
  readonly mode?: Mode
}
export interface RawPolicy extends Named {
  readonly kind?: 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy'
  /** '' when clusterwide. */
  readonly namespace: string
  readonly spec: RawSpec
}
export type RawDocument =
  | RawPolicy
  | (Named & { readonly kind: 'NetworkPolicy'; readonly namespace: string; readonly spec: RawNetworkPolicy })
  | (Named & {
      readonly kind: 'ClusterNetworkPolicy'
      readonly namespace: string
      readonly spec: RawClusterPolicy
    })

export interface Expectation {
  readonly verdict: 'deny' | 'redirect' | 'allow' | 'audit'
  /** Per request, as far as the flow is TCP. */
  readonly allowed: readonly boolean[]
}

/** What the rules of some modes come to. */
interface Outcome {
  readonly kind: 'deny' | 'redirect' | 'allow'
  readonly allowed: readonly boolean[]
}

export function expectation(
  documents: readonly RawDocument[],
  flow: OracleFlow,
  requests: readonly AnyRequest[],
): Expectation {
  const claims = documents.flatMap((document) => claimsOf(document, flow))
  const upTo = (...modes: Mode[]): Outcome => {
    return decide(
      claims.filter(({ mode }) => modes.includes(mode)),
      requests,
    )
  }
  const enforced = upTo('enforce')
  const audited = upTo('enforce', 'audit')
  const planned = upTo('enforce', 'audit', 'shadow')
  const allowed = requests.map((_, i) => enforced.allowed[i] === true || audited.allowed[i] === true)
  return { verdict: kernelVerdict(enforced.kind, audited.kind, planned.kind), allowed }
}

function kernelVerdict(
  enforced: Outcome['kind'],
  audited: Outcome['kind'],
  planned: Outcome['kind'],
): Expectation['verdict'] {
  if (enforced === 'deny' && audited === 'deny') return 'deny'
  if ([enforced, audited, planned].includes('redirect')) return 'redirect'
  return [audited, planned].includes('deny') ? 'audit' : 'allow'
}

/** Tier by tier. */
function decide(claims: readonly Claim[], requests: readonly AnyRequest[]): Outcome {
  const all = (value: boolean): boolean[] => requests.map(() => value)
  const byRank = (tier: Claim['tier']): Outcome | undefined => {
    const order = { deny: 0, allow: 1, pass: 2, close: 3 }
    const mine = claims.filter((claim) => claim.tier === tier)
    const [first] = mine.sort((a, b) => a.rank - b.rank || order[a.action] - order[b.action])
    if (first === undefined || first.action === 'pass') return undefined
    return first.action === 'deny'
      ? { kind: 'deny', allowed: all(false) }
      : { kind: 'allow', allowed: all(true) }
  }
  const admin = byRank('admin')
  if (admin !== undefined) return admin
  const normal = claims.filter(({ tier }) => tier === 'normal')
  if (normal.some(({ action }) => action === 'deny')) return { kind: 'deny', allowed: all(false) }
  const allows = normal.filter(({ action }) => action === 'allow')
  const isPlain = allows.some(({ http, kafka }) => http === undefined && kafka === undefined)
  const isHttp = allows.some(({ http }) => http !== undefined)
  const isKafka = allows.some(({ kafka }) => kafka !== undefined)
  const isClosed = normal.some(({ action }) => action === 'close')
  const below = isClosed
    ? { kind: 'deny' as const, allowed: all(false) }
    : (byRank('baseline') ?? { kind: 'allow' as const, allowed: all(true) })
  if (isHttp || isKafka) {
    const allowed = requests.map((request) => {
      if (isPlain || below.kind === 'allow') return true
      // Rules for both contradict each other.
      if (isHttp && isKafka) return false
      return allows.some(({ http, kafka }) => {
        return 'topic' in request
          ? kafka?.some((rule) => coversAsk(rule, request))
          : http?.some((rule) => fits(rule, request))
      })
    })
    return { kind: 'redirect', allowed }
  }
  if (isPlain) return { kind: 'allow', allowed: all(true) }
  return below
}

function claimsOf(document: RawDocument, flow: OracleFlow): Claim[] {
  const mode = document.mode ?? 'enforce'
  if (document.kind === 'NetworkPolicy')
    return kubernetesClaims(document.namespace, document.spec, flow, mode)
  if (document.kind === 'ClusterNetworkPolicy') return clusterClaims(document.spec, flow, mode)
  return ciliumClaims(document, flow, mode)
}

function ciliumClaims({ namespace, spec }: RawPolicy, flow: OracleFlow, mode: Mode): Claim[] {
  if (!isSelected(spec.endpointSelector, flow.subject, namespace)) return []
  const allows = spec[flow.direction] ?? []
  const denies = (flow.direction === 'ingress' ? spec.ingressDeny : spec.egressDeny) ?? []
  const isClosing = spec.enableDefaultDeny?.[flow.direction] ?? allows.length + denies.length > 0
  const claim = (action: Claim['action'], rules: RequestRules = {}): Claim => {
    return { tier: 'normal', rank: 0, action, mode, ...rules }
  }
  const result = isClosing ? [claim('close')] : []
  for (const element of denies) if (covers(element, flow, namespace).length > 0) result.push(claim('deny'))
  for (const rules of allows.flatMap((element) => covers(element, flow, namespace))) {
    const opened = Object.fromEntries(Object.keys(rules).map((protocol) => [protocol, [{}]]))
    result.push(claim('allow', isClosing ? rules : opened))
  }
  return result
}

type RequestRules = Pick<Claim, 'http' | 'kafka'>

/** The grants of an element that hold for the flow. */
function covers(element: RawElement, flow: OracleFlow, namespace: string): RequestRules[] {
  const endpoints = element.fromEndpoints ?? element.toEndpoints
  const entities = element.fromEntities ?? element.toEntities
  const cidrs = element.fromCIDR ?? element.toCIDR
  const sets = element.fromCIDRSet ?? element.toCIDRSet
  const items = element.toPorts ?? []
  const icmps = element.icmps ?? []
  const isAnybody = [endpoints, entities, cidrs, sets].every((list) => list === undefined)
  if (isAnybody && items.length + icmps.length === 0) return []
  const { peer } = flow
  const isMeant =
    isAnybody ||
    endpoints?.some((one) => isPeer(one, peer, namespace)) === true ||
    entities?.some((one) => isEntity(one, peer)) === true ||
    cidrs?.some((one) => isInPrefix(peer, one)) === true ||
    sets?.some(({ cidr, except = [] }) => {
      return isInPrefix(peer, cidr) && !except.some((one) => isInPrefix(peer, one))
    }) === true
  if (!isMeant) return []
  if (icmps.length > 0) {
    const family = flow.protocol === 'ICMP' ? 'IPv4' : flow.protocol === 'ICMPv6' ? 'IPv6' : undefined
    const fields = icmps.flatMap((item) => item.fields)
    const holds = fields.some((one) => (one.family ?? 'IPv4') === family && one.type === flow.port)
    return holds ? [{}] : []
  }
  if (items.length === 0) return [{}]
  return items
    .filter(({ ports }) => ports.some((port) => holdsPort(port, flow)))
    .map(({ rules }) => rules ?? {})
}

function holdsPort({ port, endPort, protocol = 'ANY' }: RawPort, flow: OracleFlow): boolean {
  if (flow.protocol === 'ICMP' || flow.protocol === 'ICMPv6') return false
  if (protocol !== 'ANY' && protocol !== flow.protocol) return false
  if (!/^\d+$/.test(port)) return portOf(flow, port) === flow.port
  const first = Number(port)
  return first === 0 || (first <= flow.port && flow.port <= (endPort ?? first))
}

function isEntity(entity: string, peer: Party): boolean {
  switch (entity) {
    case 'all':
      return true
    case 'cluster':
      return peer.address === undefined
    case 'world':
      return peer.address !== undefined
    case 'world-ipv4':
      return peer.address?.includes('.') === true
    case 'world-ipv6':
      return peer.address?.includes(':') === true
    case 'remote-node':
      return peer.entity === 'remote-node' || peer.entity === 'kube-apiserver'
    default:
      return entity === peer.entity
  }
}

function isPeer(selector: RawSelector, peer: Party, namespace: string): boolean {
  const keys = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key }) => key),
  ]
  const namesNamespace = keys.some((key) =>
    /io\.(kubernetes\.pod\.namespace$|cilium\.k8s\.namespace)/.test(key),
  )
  if (!namesNamespace && peer.namespace !== namespace && namespace !== '') return false
  if (!namesNamespace && peer.namespace === undefined) return false
  return fulfils(selector, peer)
}

function isSelected(selector: RawSelector, subject: Party, namespace: string): boolean {
  return (namespace === '' || subject.namespace === namespace) && fulfils(selector, subject)
}

function fits(rule: RawHttp, request: Request): boolean {
  const whole = (pattern: string | undefined, text: string): boolean => {
    return pattern === undefined || new RegExp(`^(?:${pattern})$`).test(text)
  }
  return whole(rule.method, request.method) && whole(rule.path, request.path)
}

function coversAsk(rule: RawKafka, ask: KafkaAsk): boolean {
  const { apiKey, clientID, topic, topicPrefix, group } = rule
  if (apiKey !== undefined && { produce: 0, fetch: 1 }[apiKey] !== ask.apiKey) return false
  if (clientID !== undefined && clientID !== ask.clientId) return false
  if (ask.topic !== undefined) {
    if (topic !== undefined && topic !== ask.topic) return false
    if (topicPrefix !== undefined && !ask.topic.startsWith(topicPrefix)) return false
  }
  return group === undefined || ask.group === undefined || group === ask.group
}

export type { Direction }
