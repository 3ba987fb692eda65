// Rule elements with their selectors resolved to identities and their named ports to numbers: what both the
// kernel's and the proxy's form of a policy are made of.
import type { Identity } from '../lib/brands.ts'
import { inMode } from './mode.ts'
import type { HttpRule, KafkaRule, PortRule, RuleMode } from './network-policy.ts'
import {
  DEFAULT_DENY_LEVEL,
  DEFAULT_LEVEL,
  passPrecedence,
  precedence,
  type RuleVerdict,
} from './precedence.ts'
import {
  EVERYTHING,
  type NamedPort,
  type PortGrant,
  type PortName,
  type PortSpan,
  type RuleElement,
} from './rule-model.ts'
import { looksAtRequests } from './request-rules.ts'

/** Immutable. Filters of a grant before and after a change of its peers have the very same `spans`. */
export interface Filter {
  readonly verdict: RuleVerdict
  readonly spans: readonly PortSpan[]
  /** To be looked up at the subject: see `withPortsOf`. */
  readonly named: readonly NamedPort[]
  /** Peers, precedence, mode and L7 rules. Its identities are never an empty list. */
  readonly rule: PortRule
}

/** Applies to what no rule closes. */
export const DEFAULT_ALLOW = wildcard('default allow', DEFAULT_LEVEL, 'allow', undefined)

/** What a default deny would do that is not enforced. */
export const UNENFORCED_DEFAULT_DENY: Readonly<Record<Exclude<RuleMode, 'enforce'>, Filter>> = {
  audit: wildcard('default deny', DEFAULT_DENY_LEVEL, 'deny', 'audit'),
  shadow: wildcard('default deny', DEFAULT_DENY_LEVEL, 'deny', 'shadow'),
}

/**
 * Whether a rule is the end of a direction that is not closed yet, and no rule that somebody wrote: what it would
 * deny has the reasons that an enforced default deny gives. Rules of other agents have no mode.
 */
export function isUnenforcedDefaultDeny({ deny, mode, precedence }: PortRule): boolean {
  return deny && mode !== undefined && precedence === UNENFORCED_DEFAULT_DENY.audit.rule.precedence
}

function wildcard(
  name: string,
  level: number,
  verdict: 'allow' | 'deny',
  mode: RuleMode | undefined,
): Filter {
  return {
    verdict,
    spans: [EVERYTHING],
    named: [],
    rule: {
      name,
      precedence: precedence(level, verdict),
      deny: verdict === 'deny',
      remoteIdentities: undefined,
      http: undefined,
      ...inMode(mode),
    },
  }
}

/**
 * The filter of a grant for peers that are not an empty list; undefined = any peer.
 * @param defaultDeny of the rule: one that does not close the direction must not refuse requests either.
 */
export function makeFilter(
  element: RuleElement,
  grant: PortGrant,
  remoteIdentities: readonly Identity[] | undefined,
  defaultDeny: boolean,
): Filter {
  const { name, action, level, mode } = element
  const { spans, named } = grant
  const verdict = action === 'allow' && looksAtRequests(grant) ? 'redirect' : action
  return {
    verdict,
    spans,
    named,
    rule: {
      name,
      precedence: precedence(level, verdict),
      deny: action === 'deny',
      ...(action === 'pass' ? { passPrecedence: passPrecedence(level) } : {}),
      remoteIdentities,
      ...(defaultDeny ? restricted(grant) : opened(grant, name)),
      ...inMode(mode),
    },
  }
}

type RequestRules = Pick<PortRule, 'http' | 'kafka'>

function restricted({ http, kafka }: PortGrant): RequestRules {
  return kafka === undefined ? { http } : { http, kafka }
}

/** With a rule for every request at the end. */
function opened({ http, kafka }: PortGrant, element: string): RequestRules {
  const name = `${element} (default deny is off)`
  return {
    http: http === undefined ? undefined : openHttp(http, { name, headers: [] }),
    ...(kafka === undefined ? {} : { kafka: openKafka(kafka, { name }) }),
  }
}

const openHttp = makeOpener<HttpRule>()
const openKafka = makeOpener<KafkaRule>()

/** The same list each time, so that filters of one grant stay comparable. */
function makeOpener<Rule>(): (rules: readonly Rule[], last: Rule) => readonly Rule[] {
  const openLists = new WeakMap<readonly Rule[], readonly Rule[]>()
  return (rules, last) => {
    const known = openLists.get(rules)
    if (known !== undefined) return known
    const open = [...rules, last]
    openLists.set(rules, open)
    return open
  }
}

export function isForAnyPeer({ rule }: Filter): boolean {
  return rule.remoteIdentities === undefined
}

/** Names as the spans of the table's ports; those that are not in it grant nothing. */
export function namedSpans(named: readonly NamedPort[], table: readonly PortName[]): PortSpan[] {
  return named.flatMap(({ name, protocol }) => {
    const ports = table.filter((entry) => entry.name === name && entry.protocol === protocol)
    return ports.map(({ port }) => ({ protocol, firstPort: port, lastPort: port }))
  })
}

/** Key of a table of port names: equal for equal tables. */
export function portTableKey(table: readonly PortName[]): string {
  return table
    .map(({ name, protocol, port }) => `${name}=${port}/${protocol}`)
    .sort()
    .join()
}

const resolvedByTable = new WeakMap<Filter, Map<string, Filter>>()

/** Named ports of the subject resolved. Equal arguments give the same object. May end up without spans. */
export function withPortsOf(filter: Filter, table: readonly PortName[], tableKey: string): Filter {
  if (filter.named.length === 0) return filter
  let known = resolvedByTable.get(filter)
  if (known === undefined) resolvedByTable.set(filter, (known = new Map<string, Filter>()))
  let resolved = known.get(tableKey)
  if (resolved === undefined) {
    resolved = { ...filter, spans: [...filter.spans, ...namedSpans(filter.named, table)], named: [] }
    known.set(tableKey, resolved)
  }
  return resolved
}
