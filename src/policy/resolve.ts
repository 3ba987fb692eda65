// All rules that select an identity, resolved into the two forms in which they are enforced. Nothing in the
// result depends on the endpoint but the names of its ports, so endpoints of an identity share it.
import { isDeepStrictEqual } from 'node:util'
import { DEFAULT_ALLOW, UNENFORCED_DEFAULT_DENY, withPortsOf, type Filter } from './filter.ts'
import { MapState } from './map-state.ts'
import type { Direction, PortPolicy, RuleMode } from './network-policy.ts'
import { portPolicies } from './port-policies.ts'
import { DEFAULT_DENY_LEVEL, precedence } from './precedence.ts'
import type { PortName } from './rule-model.ts'

/** What one rule contributes to one direction. */
export interface RuleFilters {
  readonly defaultDeny: boolean
  /** Of the default deny. */
  readonly mode: RuleMode
  readonly filters: readonly Filter[]
}

/** What is known of the subject beside its rules. */
export interface Subject {
  /** Closed even without rules: an endpoint that waits for its labels. */
  readonly isClosed: boolean
  readonly ports: readonly PortName[]
  readonly portsKey: string
}

/** Immutable. */
export class ResolvedDirection {
  /** What is not allowed is denied. */
  readonly enforced: boolean
  readonly map: MapState
  readonly #filters: readonly Filter[]
  readonly #isOpen: boolean
  #portPolicies: readonly PortPolicy[] | undefined

  constructor(enforced: boolean, filters: readonly Filter[], map: MapState, isOpen = false) {
    this.enforced = enforced
    this.map = map
    this.#filters = filters
    this.#isOpen = isOpen
  }

  /** Made when first asked for. */
  get portPolicies(): readonly PortPolicy[] {
    this.#portPolicies ??= this.#isOpen ? [{ port: 0, endPort: 0, rules: [] }] : portPolicies(this.#filters)
    return this.#portPolicies
  }

  hasFilters(enforced: boolean, filters: readonly Filter[]): boolean {
    const mine = this.#filters
    if (enforced !== this.enforced || filters.length !== mine.length) return false
    return filters.every((filter, i) => isSameFilter(filter, mine[i]))
  }
}

/** @param rules in the order of the policies. @returns `old` when nothing differs. */
export function resolveDirection(
  direction: Direction,
  rules: readonly RuleFilters[],
  subject: Subject,
  old?: ResolvedDirection,
): ResolvedDirection {
  const enforced =
    subject.isClosed || rules.some(({ defaultDeny, mode }) => defaultDeny && mode === 'enforce')
  if (!enforced && rules.every(isWithoutEffect)) return OPEN[direction]
  const filters: Filter[] = []
  for (const rule of rules) {
    for (const filter of rule.filters) {
      const concrete = withPortsOf(filter, subject.ports, subject.portsKey)
      // Below a default deny nothing is ever asked.
      if (concrete.spans.length > 0 && !(enforced && isBelowDefaultDeny(concrete))) filters.push(concrete)
    }
  }
  if (!enforced) {
    for (const mode of ['audit', 'shadow'] as const) {
      if (rules.some((rule) => rule.defaultDeny && rule.mode === mode)) {
        filters.push(UNENFORCED_DEFAULT_DENY[mode])
      }
    }
    filters.push(DEFAULT_ALLOW)
  }
  if (old?.hasFilters(enforced, filters)) return old
  const map = old === undefined ? MapState.build(direction, filters) : old.map.update(filters)
  return new ResolvedDirection(enforced, filters, map)
}

function isWithoutEffect({ defaultDeny, filters }: RuleFilters): boolean {
  return !defaultDeny && filters.length === 0
}

const LOWEST_OF_DEFAULT_DENY = precedence(DEFAULT_DENY_LEVEL, 'pass')

function isBelowDefaultDeny({ rule }: Filter): boolean {
  return rule.precedence < LOWEST_OF_DEFAULT_DENY
}

function isSameFilter(a: Filter, b: Filter | undefined): boolean {
  if (a === b || b === undefined) return a === b
  if (a.rule.remoteIdentities?.length !== b.rule.remoteIdentities?.length) return false
  return isDeepStrictEqual(a, b)
}

/** No rule: the shared result of every endpoint that nothing selects. */
const OPEN: Readonly<Record<Direction, ResolvedDirection>> = {
  ingress: open('ingress'),
  egress: open('egress'),
}

function open(direction: Direction): ResolvedDirection {
  return new ResolvedDirection(false, [DEFAULT_ALLOW], MapState.build(direction, [DEFAULT_ALLOW]), true)
}
