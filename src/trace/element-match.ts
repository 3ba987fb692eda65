// Why an element of a rule covers a peer and a port, or does not: from the rule as it was written.
import { formatPort, protocolName } from '../lib/protocols.ts'
import { namedSpans } from '../policy/filter.ts'
import { ANY_SOURCE, formatLabel, type LabelSet } from '../policy/labels.ts'
import {
  ANY_PROTOCOL,
  isEveryPort,
  type PortGrant,
  type PortName,
  type PortSpan,
  type RuleElement,
} from '../policy/rule-model.ts'
import { formatRequirement, holds, selects, type Requirement, type Selector } from '../policy/selector.ts'

export interface Match {
  readonly matches: boolean
  /** For people. */
  readonly why: string
  /** How much is missing; 0 when it matches. */
  readonly distance: number
}

export interface Ports {
  readonly protocol: number
  readonly port: number
  /** What the names of ports mean: those of the subject on ingress, of the peer on egress. */
  readonly names: readonly PortName[]
}

const NOTHING = 1000

export function matchPeer({ peers }: RuleElement, labels: LabelSet): Match {
  if (peers === 'any') return { matches: true, why: 'anybody', distance: 0 }
  const selected = peers.find((selector) => selects(selector, labels))
  if (selected !== undefined) return { matches: true, why: selectorText(selected), distance: 0 }
  const misses = peers.map((selector) => missing(selector, labels)).sort((a, b) => a.length - b.length)
  const [nearest] = misses
  if (nearest === undefined) return { matches: false, why: 'nobody: the list is empty', distance: NOTHING }
  const why = nearest.map((requirement) => `${formatRequirement(requirement)}, ${had(requirement, labels)}`)
  const others = misses.length === 1 ? '' : ` (nearest of ${misses.length} selectors)`
  return { matches: false, why: `needs ${why.join('; ')}${others}`, distance: nearest.length }
}

function selectorText({ requirements }: Selector): string {
  return requirements.length === 0 ? 'everybody' : requirements.map(formatRequirement).join('; ')
}

function missing({ requirements }: Selector, labels: LabelSet): Requirement[] {
  return requirements.filter((requirement) => !holds(requirement, labels))
}

function had({ source, key }: Requirement, labels: LabelSet): string {
  const found = labels.labels.filter((label) => {
    return label.key === key && (source === ANY_SOURCE || label.source === source)
  })
  return found.length === 0 ? 'is not there' : `is ${found.map(formatLabel).join(', ')}`
}

/** The grants that cover the port, and why. */
export function matchPorts({ grants }: RuleElement, ports: Ports): Match & { readonly grants: PortGrant[] } {
  const covering = grants.filter((grant) => spansOf(grant, ports).some((span) => covers(span, ports)))
  if (covering.length > 0) {
    const spans = covering.flatMap((grant) => spansOf(grant, ports).filter((span) => covers(span, ports)))
    return { matches: true, why: unique(spans.map(spanText)), distance: 0, grants: covering }
  }
  if (grants.length === 0) {
    const why = 'the rule grants nothing: it only closes the direction'
    return { matches: false, why, distance: NOTHING, grants: [] }
  }
  const known = grants.flatMap((grant) => spansOf(grant, ports).map(spanText))
  const unresolved = grants.flatMap(({ named }) =>
    named.filter((one) => namedSpans([one], ports.names).length === 0),
  )
  const names = unresolved.map(
    ({ name, protocol }) => `${name}/${protocolName(protocol)} (a name nobody has here)`,
  )
  return {
    matches: false,
    why: `${formatPort(ports)} is not ${unique([...known, ...names])}`,
    distance: 1,
    grants: [],
  }
}

function spansOf({ spans, named }: PortGrant, { names }: Ports): readonly PortSpan[] {
  return named.length === 0 ? spans : [...spans, ...namedSpans(named, names)]
}

function covers(span: PortSpan, { protocol, port }: Ports): boolean {
  if (span.protocol !== ANY_PROTOCOL && span.protocol !== protocol) return false
  return span.firstPort <= port && port <= span.lastPort
}

function spanText(span: PortSpan): string {
  const protocol = span.protocol === ANY_PROTOCOL ? 'any protocol' : protocolName(span.protocol)
  if (isEveryPort(span))
    return span.protocol === ANY_PROTOCOL ? 'any port and protocol' : `any port of ${protocol}`
  const { firstPort, lastPort } = span
  return `${firstPort === lastPort ? String(firstPort) : `${firstPort}-${lastPort}`}/${protocol}`
}

const MAX_SHOWN = 8

function unique(texts: readonly string[]): string {
  const all = [...new Set(texts)]
  const rest = all.length - MAX_SHOWN
  return rest <= 0 ? all.join(', ') : `${all.slice(0, MAX_SHOWN).join(', ')} and ${rest} more`
}
