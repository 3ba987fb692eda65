// Rule elements with their selectors resolved to identities: what both the kernel's and the proxy's form of
// a policy are made of.
import type { Identity } from '../lib/brands.ts'
import type { HttpRule, PortRule } from './network-policy.ts'
import type { PolicyMapVerdict } from './policy-map.ts'
import { DEFAULT_LEVEL, NORMAL_LEVEL, precedence } from './precedence.ts'
import {
  EVERYTHING,
  type DirectionRules,
  type PortGrant,
  type PortSpan,
  type RuleElement,
} from './rule-model.ts'
import type { Selector } from './selector.ts'

export interface Filter {
  readonly verdict: PolicyMapVerdict
  readonly spans: readonly PortSpan[]
  /** Peers, precedence and L7 rules. Its identities are never an empty list. */
  readonly rule: PortRule
}

/** The identities that a selector selects, sorted. */
export type Selections = (selector: Selector) => readonly Identity[]

/** Applies to what no rule closes. */
export const DEFAULT_ALLOW: Filter = {
  verdict: 'allow',
  spans: [EVERYTHING],
  rule: {
    name: 'default allow',
    precedence: precedence(DEFAULT_LEVEL, 'allow'),
    deny: false,
    remoteIdentities: undefined,
    http: undefined,
  },
}

/** Filters of one direction of one rule. Elements whose peers select nobody at present make none. */
export function makeFilters(rules: DirectionRules, selections: Selections): Filter[] {
  return rules.elements.flatMap((element) => {
    const identities = element.peers === 'any' ? undefined : union(element.peers.map(selections))
    if (identities?.length === 0) return []
    return element.grants.map((grant) => makeFilter(element, grant, identities, rules.defaultDeny))
  })
}

function makeFilter(
  element: RuleElement,
  grant: PortGrant,
  remoteIdentities: readonly Identity[] | undefined,
  defaultDeny: boolean,
): Filter {
  const verdict = element.deny ? 'deny' : grant.http === undefined ? 'allow' : 'redirect'
  return {
    verdict,
    spans: grant.spans,
    rule: {
      name: element.name,
      precedence: precedence(NORMAL_LEVEL, verdict),
      deny: element.deny,
      remoteIdentities,
      http: defaultDeny ? grant.http : withEveryRequest(element, grant.http),
    },
  }
}

/** A rule that does not close the direction must not refuse requests either: it only shows them. */
function withEveryRequest(element: RuleElement, http: readonly HttpRule[] | undefined): PortRule['http'] {
  if (http === undefined) return undefined
  return [...http, { name: `${element.name} (default deny is off)`, headers: [] }]
}

function union(lists: readonly (readonly Identity[])[]): readonly Identity[] {
  const [first = [], ...others] = lists
  if (others.every((list) => list.length === 0)) return first
  return [...new Set(lists.flat())].sort((a, b) => a - b)
}
