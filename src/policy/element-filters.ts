// Filters of one rule element, for the peers and ports of the moment.
import type { Identity } from '../lib/brands.ts'
import { makeFilter, namedSpans, portTableKey, type Filter } from './filter.ts'
import type { Direction } from './network-policy.ts'
import type { PortGrant, PortName, PortSpan, RuleElement } from './rule-model.ts'
import type { Selector } from './selector.ts'

export interface PeerView {
  /** The identities that a selector selects, sorted. */
  selection(selector: Selector): readonly Identity[]
  /** Named ports of the endpoints of an identity. */
  portsOf(identity: Identity): readonly PortName[]
  /** Identities whose endpoints name ports, sorted. */
  withPorts(): readonly Identity[]
}

/** None when the peers are nobody at present. */
export function elementFilters(
  element: RuleElement,
  direction: Direction,
  defaultDeny: boolean,
  view: PeerView,
): Filter[] {
  const { peers } = element
  const identities = peers === 'any' ? undefined : union(peers.map((selector) => view.selection(selector)))
  if (identities?.length === 0) return []
  const filters: Filter[] = []
  for (const grant of element.grants) {
    const isOfPeers = direction === 'egress' && grant.named.length > 0
    const own = isOfPeers ? { ...grant, named: [] } : grant
    if (hasPorts(own)) filters.push(makeFilter(element, own, identities, defaultDeny))
    if (!isOfPeers) continue
    for (const [spans, group] of byPorts(grant, identities ?? view.withPorts(), view)) {
      filters.push(makeFilter(element, { ...grant, spans, named: [] }, group, defaultDeny))
    }
  }
  return filters
}

function hasPorts({ spans, named }: PortGrant): boolean {
  return spans.length > 0 || named.length > 0
}

/** On egress a name means what each peer calls so: peers by the numbers that come out. */
function byPorts(
  { named }: PortGrant,
  identities: readonly Identity[],
  view: PeerView,
): [readonly PortSpan[], readonly Identity[]][] {
  const groups = new Map<string, [readonly PortSpan[], Identity[]]>()
  for (const identity of identities) {
    const table = view.portsOf(identity)
    const spans = namedSpans(named, table)
    if (spans.length === 0) continue
    const key = portTableKey(table)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [spans, [identity]])
    else group[1].push(identity)
  }
  return [...groups.values()]
}

/** Sorted, without repetitions. */
function union(lists: readonly (readonly Identity[])[]): readonly Identity[] {
  const filled = lists.filter((list) => list.length > 0)
  const [first = []] = filled
  // The very list of the selector: rules that share it are recognised by that.
  if (filled.every((list) => list === first)) return first
  return [...new Set(filled.flat())].sort((a, b) => a - b)
}
