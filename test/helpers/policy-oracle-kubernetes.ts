// The meaning of NetworkPolicy and ClusterNetworkPolicy, spelt out by brute force.
import {
  isInPrefix,
  matches,
  portOf,
  type Claim,
  type OracleFlow,
  type Party,
  type RawSelector,
} from './policy-oracle-world.ts'

export interface RawPods {
  readonly namespaceSelector?: RawSelector
  readonly podSelector?: RawSelector
}
export type RawPeer = RawPods & {
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
}
export interface RawRule {
  readonly from?: readonly RawPeer[]
  readonly to?: readonly RawPeer[]
  readonly ports?: readonly {
    readonly protocol?: string
    readonly port?: number | string
    readonly endPort?: number
  }[]
}
export interface RawNetworkPolicy {
  readonly podSelector: RawSelector
  readonly policyTypes?: readonly ('Ingress' | 'Egress')[]
  readonly ingress?: readonly RawRule[]
  readonly egress?: readonly RawRule[]
}

export interface RawClusterPeer {
  readonly namespaces?: RawSelector
  readonly pods?: Required<RawPods>
  readonly nodes?: object
  readonly networks?: readonly string[]
}
type RawDestination = {
  readonly destinationPort: { readonly number?: number; readonly range?: { start: number; end: number } }
}
export interface RawClusterRule {
  readonly action: 'Accept' | 'Deny' | 'Pass'
  readonly from?: readonly RawClusterPeer[]
  readonly to?: readonly RawClusterPeer[]
  readonly protocols?: readonly {
    readonly tcp?: RawDestination
    readonly udp?: RawDestination
    readonly destinationNamedPort?: string
  }[]
}
export interface RawClusterPolicy {
  readonly tier: 'Admin' | 'Baseline'
  readonly priority: number
  readonly subject: RawClusterPeer
  readonly ingress?: readonly RawClusterRule[]
  readonly egress?: readonly RawClusterRule[]
}

export function kubernetesClaims(
  namespace: string,
  spec: RawNetworkPolicy,
  flow: OracleFlow,
  mode: Claim['mode'],
): Claim[] {
  const { subject, peer, direction } = flow
  if (subject.namespace !== namespace || !matches(spec.podSelector, subject.labels ?? {})) return []
  const types = spec.policyTypes ?? ['Ingress', ...((spec.egress?.length ?? 0) > 0 ? ['Egress'] : [])]
  if (!types.includes(direction === 'ingress' ? 'Ingress' : 'Egress')) return []
  const admits = (spec[direction] ?? []).some((rule) => {
    const peers = rule.from ?? rule.to ?? []
    const ports = rule.ports ?? []
    const isMeant = peers.length === 0 || peers.some((one) => isRawPeer(one, peer, namespace))
    return isMeant && (ports.length === 0 || ports.some((port) => holdsPort(port, flow)))
  })
  const claim = (action: Claim['action']): Claim => ({ tier: 'normal', rank: 0, action, mode })
  return [claim('close'), ...(admits ? [claim('allow')] : [])]
}

function isRawPeer({ ipBlock, ...pods }: RawPeer, peer: Party, namespace: string): boolean {
  if (ipBlock !== undefined) {
    return isInPrefix(peer, ipBlock.cidr) && !ipBlock.except?.some((one) => isInPrefix(peer, one))
  }
  return isPod(pods, peer, namespace)
}

function isPod({ namespaceSelector, podSelector = {} }: RawPods, party: Party, namespace: string): boolean {
  if (party.namespace === undefined) return false
  const inScope =
    namespaceSelector === undefined
      ? party.namespace === namespace
      : matches(namespaceSelector, {
          'kubernetes.io/metadata.name': party.namespace,
          ...party.namespaceLabels,
        })
  return inScope && matches(podSelector, party.labels ?? {})
}

function holdsPort(
  { protocol = 'TCP', port, endPort }: NonNullable<RawRule['ports']>[number],
  flow: OracleFlow,
): boolean {
  if (protocol !== flow.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'string') return portOf(flow, port) === flow.port
  return port <= flow.port && flow.port <= (endPort ?? port)
}

export function clusterClaims(spec: RawClusterPolicy, flow: OracleFlow, mode: Claim['mode']): Claim[] {
  if (!isClusterPeer(spec.subject, flow.subject)) return []
  const tier = spec.tier === 'Admin' ? 'admin' : 'baseline'
  const actions = { Accept: 'allow', Deny: 'deny', Pass: 'pass' } as const
  return (spec[flow.direction] ?? []).flatMap((rule, index): Claim[] => {
    const peers = rule.from ?? rule.to ?? []
    if (!peers.some((one) => isClusterPeer(one, flow.peer))) return []
    if (rule.protocols?.some((one) => holdsProtocol(one, flow)) === false) return []
    return [{ tier, rank: spec.priority + index / 100, action: actions[rule.action], mode }]
  })
}

function isClusterPeer({ namespaces, pods, nodes, networks }: RawClusterPeer, party: Party): boolean {
  if (networks !== undefined) return networks.some((one) => isInPrefix(party, one))
  if (nodes !== undefined) return party.entity !== undefined
  return isPod(namespaces === undefined ? (pods ?? {}) : { namespaceSelector: namespaces }, party, '')
}

function holdsProtocol(
  { tcp, udp, destinationNamedPort }: NonNullable<RawClusterRule['protocols']>[number],
  flow: OracleFlow,
): boolean {
  if (destinationNamedPort !== undefined) return portOf(flow, destinationNamedPort) === flow.port
  const wanted = flow.protocol === 'TCP' ? tcp : flow.protocol === 'UDP' ? udp : undefined
  if (wanted === undefined) return false
  const { number, range } = wanted.destinationPort
  return range === undefined ? number === flow.port : range.start <= flow.port && flow.port <= range.end
}
