// Peers and subjects of ClusterNetworkPolicy.
import { prefixSelector } from '../cidr-labels.ts'
import { RESERVED_SOURCE } from '../labels.ts'
import type { Direction } from '../network-policy.ts'
import { readPrefix } from '../prefix-text.ts'
import { makeSelector, requireKey, type Selector } from '../selector.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { hasOneField } from './choices.ts'
import { CLUSTER_EGRESS_PEER, CLUSTER_INGRESS_PEER, PODS } from './fields.ts'
import { podSelector } from './selectors.ts'

const NODES = ['host', 'remote-node'].map((name) => makeSelector([requireKey(RESERVED_SOURCE, name)]))
const MAX_NETWORKS = 25

/** undefined after a problem. */
export function parseClusterPeer(at: Cursor, direction: Direction): readonly Selector[] | undefined {
  const fields = at.fields(direction === 'ingress' ? CLUSTER_INGRESS_PEER : CLUSTER_EGRESS_PEER)
  if (fields === undefined || (fields.size > 0 && !hasOneField(at))) return undefined
  const nodesAt = fields.get('nodes')
  if (nodesAt !== undefined) return parseNodes(nodesAt)
  const networksAt = fields.get('networks')
  if (networksAt !== undefined) return parseNetworks(networksAt)
  if (fields.size === 0) {
    // Silent when the mapping held something else: that is a problem of its own.
    if (at.entries()?.length === 0) at.fail('names nobody', 'write namespaces or pods')
    return undefined
  }
  const pods = parsePods(fields)
  return pods && [pods]
}

/** `namespaces` or `pods`, whichever is there. */
export function parsePods(fields: Fields): Selector | undefined {
  const namespacesAt = fields.get('namespaces')
  if (namespacesAt !== undefined) return podSelector(undefined, namespacesAt, '')
  const at = fields.get('pods')
  const pods = at?.fields(PODS)
  if (at === undefined || pods === undefined) return undefined
  const scopeAt =
    pods.get('namespaceSelector') ?? at.failMissing('namespaceSelector', 'write {} for all namespaces')
  const podsAt = pods.get('podSelector') ?? at.failMissing('podSelector', 'write {} for all pods')
  return scopeAt === undefined || podsAt === undefined ? undefined : podSelector(podsAt, scopeAt, '')
}

/** Weir does not know the labels of nodes. */
function parseNodes(at: Cursor): readonly Selector[] | undefined {
  const entries = at.entries()
  if (entries === undefined) return undefined
  return entries.length === 0
    ? NODES
    : at.fail('nodes cannot be told apart by labels yet', 'write {} for all nodes')
}

function parseNetworks(at: Cursor): readonly Selector[] | undefined {
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) return at.fail('lists no prefix', 'list at least one')
  if (items.length > MAX_NETWORKS)
    return at.fail(`lists ${items.length}, the limit is ${MAX_NETWORKS}`, 'split it')
  const prefixes = items.map((item) => readPrefix(item, false))
  return prefixes.every((prefix) => prefix !== undefined)
    ? prefixes.map((one) => prefixSelector(one))
    : undefined
}
