// `spec` of a ClusterNetworkPolicy (policy.networking.k8s.io/v1alpha2).
import type { Direction } from '../network-policy.ts'
import { LAST_PRIORITY, MAX_RULES_PER_DIRECTION, tierLevel } from '../precedence.ts'
import {
  EVERY_PORT,
  type DirectionRules,
  type PortGrant,
  type Rule,
  type RuleElement,
} from '../rule-model.ts'
import type { Selector } from '../selector.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { parseClusterPeer, parsePods } from './cluster-peers.ts'
import { parseProtocol } from './cluster-protocols.ts'
import { hasOneField, oneOf } from './choices.ts'
import { CLUSTER_EGRESS_RULE, CLUSTER_INGRESS_RULE, CLUSTER_POLICY, SUBJECT } from './fields.ts'

const TIERS: Readonly<Record<string, 'admin' | 'baseline'>> = { Admin: 'admin', Baseline: 'baseline' }
const ACTIONS: Readonly<Record<string, RuleElement['action']>> = {
  Accept: 'allow',
  Deny: 'deny',
  Pass: 'pass',
}
const MAX_ITEMS = 25
const NAME_MAX = 100

interface Rank {
  readonly tier: 'admin' | 'baseline'
  readonly priority: number
}

/** @param prefix begins the names of all parts. */
export function parseClusterNetworkPolicy(root: Cursor, fields: Fields, prefix: string): Rule[] {
  const at = fields.get('spec') ?? root.failMissing('spec', 'add spec with tier, priority and subject')
  const spec = at?.fields(CLUSTER_POLICY)
  if (at === undefined || spec === undefined) return []
  const tierAt = spec.get('tier') ?? at.failMissing('tier', 'write Admin or Baseline')
  const tier = tierAt === undefined ? undefined : oneOf(tierAt, TIERS)
  const priorityAt = spec.get('priority') ?? at.failMissing('priority', `write 0 (first) to ${LAST_PRIORITY}`)
  const priority = priorityAt === undefined ? undefined : parsePriority(priorityAt)
  const subjectAt =
    spec.get('subject') ?? at.failMissing('subject', 'write namespaces: {} to select all pods')
  const subject = subjectAt === undefined ? undefined : parseSubject(subjectAt)
  // With a guess for what is wrong, so that all problems are found at once.
  const rank = { tier: tier ?? 'admin', priority: priority ?? 0 }
  const ingress = parseDirection(spec.get('ingress'), 'ingress', rank, prefix)
  const egress = parseDirection(spec.get('egress'), 'egress', rank, prefix)
  return subject === undefined ? [] : [{ subject, ingress, egress }]
}

function parsePriority(at: Cursor): number | undefined {
  const priority = at.integer()
  if (priority === undefined || (priority >= 0 && priority <= LAST_PRIORITY)) return priority
  return at.fail(`priority must be 0 to ${LAST_PRIORITY}`, 'lower numbers come first')
}

function parseSubject(at: Cursor): Selector | undefined {
  const fields = at.fields(SUBJECT)
  return fields === undefined || !hasOneField(at) ? undefined : parsePods(fields)
}

/** Never closes the direction: what no rule decides is left to the next tier. */
function parseDirection(
  at: Cursor | undefined,
  direction: Direction,
  rank: Rank,
  prefix: string,
): DirectionRules {
  const items = at?.items() ?? []
  if (items.length > MAX_RULES_PER_DIRECTION) {
    at?.fail(`has ${items.length} rules, the limit is ${MAX_RULES_PER_DIRECTION}`, 'split the policy')
  }
  const elements = items.map((item, i) => parseElement(item, direction, rank, i, prefix))
  return { defaultDeny: false, elements: elements.filter((element) => element !== undefined) }
}

function parseElement(
  at: Cursor,
  direction: Direction,
  { tier, priority }: Rank,
  index: number,
  prefix: string,
): RuleElement | undefined {
  const fields = at.fields(direction === 'ingress' ? CLUSTER_INGRESS_RULE : CLUSTER_EGRESS_RULE)
  if (fields === undefined) return undefined
  const nameAt = fields.get('name')
  const label = nameAt?.string() ?? ''
  if (label.length > NAME_MAX) nameAt?.fail(`has ${label.length} characters, the limit is ${NAME_MAX}`)
  const actionAt = fields.get('action') ?? at.failMissing('action', 'write Accept, Deny or Pass')
  const action = actionAt === undefined ? undefined : oneOf(actionAt, ACTIONS)
  const peersName = direction === 'ingress' ? 'from' : 'to'
  const peersAt = fields.get(peersName) ?? at.failMissing(peersName, 'list at least one peer')
  const peers =
    peersAt === undefined ? undefined : parseItems(peersAt, (item) => parseClusterPeer(item, direction))
  const protocolsAt = fields.get('protocols')
  const grants = protocolsAt === undefined ? [EVERY_PORT] : parseItems(protocolsAt, parseProtocol)
  if (direction === 'egress') checkNames(peersAt, protocolsAt, grants)
  if (action === undefined || peers === undefined || grants === undefined) return undefined
  const place = `${prefix}${direction}[${index}]`
  return {
    name: label === '' ? place : `${place} (${label})`,
    action,
    level: tierLevel(tier, priority, index),
    peers: peers.flat(),
    grants,
  }
}

/** Nodes and networks name no ports. */
function checkNames(
  peersAt: Cursor | undefined,
  protocolsAt: Cursor | undefined,
  grants: readonly PortGrant[] | undefined,
): void {
  if (grants?.some(({ named }) => named.length > 0) !== true) return
  const fields = (peersAt?.items() ?? []).flatMap((item) => item.entries() ?? []).map(([name]) => name)
  if (!fields.some((name) => name === 'networks' || name === 'nodes')) return
  protocolsAt?.fail('a port by name beside networks or nodes, which name no ports', 'write its number')
}

function parseItems<T>(at: Cursor, parse: (item: Cursor) => T | undefined): T[] | undefined {
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) return at.fail('lists nothing', 'list at least one, or remove it')
  if (items.length > MAX_ITEMS)
    return at.fail(`lists ${items.length}, the limit is ${MAX_ITEMS}`, 'split the rule')
  const parsed = items.map(parse)
  return parsed.every((item) => item !== undefined) ? parsed : undefined
}
