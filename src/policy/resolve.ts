// All rules that select an identity, resolved into the two forms in which they are enforced. Nothing in the
// result depends on the endpoint, so all endpoints of an identity share it.
import { DEFAULT_ALLOW, type Filter } from './filter.ts'
import { mapEntries } from './map-entries.ts'
import type { Direction, PortPolicy } from './network-policy.ts'
import type { PolicyMapEntry } from './policy-map.ts'
import { portPolicies } from './port-policies.ts'

/** What one rule contributes to one direction. */
export interface RuleFilters {
  readonly defaultDeny: boolean
  readonly filters: readonly Filter[]
}

export interface ResolvedDirection {
  /** What is not allowed is denied. */
  readonly enforced: boolean
  readonly portPolicies: readonly PortPolicy[]
  /** Sorted. */
  readonly mapEntries: readonly PolicyMapEntry[]
}

/** `rules` in the order of the policies. */
export function resolveDirection(direction: Direction, rules: readonly RuleFilters[]): ResolvedDirection {
  const enforced = rules.some(({ defaultDeny }) => defaultDeny)
  const filters = rules.flatMap((rule) => rule.filters)
  if (!enforced && filters.length === 0) return OPEN[direction]
  const complete = enforced ? filters : [...filters, DEFAULT_ALLOW]
  return { enforced, portPolicies: portPolicies(complete), mapEntries: mapEntries(direction, complete) }
}

/** No rule: the shared result of every endpoint that nothing selects. */
const OPEN: Readonly<Record<Direction, ResolvedDirection>> = {
  ingress: open('ingress'),
  egress: open('egress'),
}

function open(direction: Direction): ResolvedDirection {
  return {
    enforced: false,
    portPolicies: [{ port: 0, endPort: 0, rules: [] }],
    mapEntries: mapEntries(direction, [DEFAULT_ALLOW]),
  }
}
