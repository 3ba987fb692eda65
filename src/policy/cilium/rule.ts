// `spec` of a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy, or one item of its `specs`.
import { NORMAL_LEVEL } from '../precedence.ts'
import type { DirectionRules, PortGrant, Rule, RuleElement } from '../rule-model.ts'
import type { Direction } from '../network-policy.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { DEFAULT_DENY, EGRESS, INGRESS, RULE } from './fields.ts'
import type { HttpRuleValidator, RegexValidator } from './http.ts'
import { parseIcmps } from './icmp.ts'
import { parsePeers } from './peers.ts'
import { parseToPorts } from './ports.ts'
import { parseSubjectSelector } from './selectors.ts'

export interface RuleContext {
  readonly validateRegex: RegexValidator
  readonly validateHttpRule?: HttpRuleValidator
  /** '' = the policy is clusterwide. */
  readonly namespace: string
  /** Begins the names of all parts: `default/empire-landing ` or `default/empire-landing specs[1].`. */
  readonly prefix: string
}

const SECTIONS = ['ingress', 'egress', 'ingressDeny', 'egressDeny'] as const
type Section = (typeof SECTIONS)[number]

/** The result means something only when no problem was recorded. */
export function parseRule(at: Cursor, context: RuleContext): Rule | undefined {
  const fields = at.fields(RULE)
  if (fields === undefined) return undefined
  const subjectAt =
    fields.get('endpointSelector') ??
    at.failMissing('endpointSelector', 'write {} to select the whole namespace')
  const subject = subjectAt === undefined ? undefined : parseSubjectSelector(subjectAt, context.namespace)
  fields.get('description')?.string()
  fields.get('labels')?.items()
  const sections = SECTIONS.flatMap((section) => fields.get(section) ?? [])
  if (sections.every((section) => section.isList && section.items()?.length === 0)) {
    at.fail('holds no rule', 'add ingress or egress; `ingress: [{}]` denies everything that enters')
  }
  const explicit = parseDefaultDeny(fields.get('enableDefaultDeny'))
  const ingress = parseDirection(fields, 'ingress', explicit.ingress, context)
  const egress = parseDirection(fields, 'egress', explicit.egress, context)
  return subject === undefined ? undefined : { subject, ingress, egress }
}

function parseDefaultDeny(at: Cursor | undefined): Partial<Record<Direction, boolean>> {
  const fields = at?.fields(DEFAULT_DENY)
  const ingress = fields?.get('ingress')?.boolean()
  const egress = fields?.get('egress')?.boolean()
  return { ...(ingress === undefined ? {} : { ingress }), ...(egress === undefined ? {} : { egress }) }
}

/** Without a word on it, a direction is closed by default as soon as it has a rule of either kind. */
function parseDirection(
  fields: Fields,
  direction: Direction,
  explicit: boolean | undefined,
  context: RuleContext,
): DirectionRules {
  const denySection = direction === 'ingress' ? 'ingressDeny' : 'egressDeny'
  const denies = parseSection(fields, denySection, direction, context)
  const allows = parseSection(fields, direction, direction, context)
  const elements = [...denies, ...allows]
  return {
    defaultDeny: explicit ?? elements.length > 0,
    elements: elements.filter((element) => element !== undefined),
  }
}

function parseSection(
  fields: Fields,
  section: Section,
  direction: Direction,
  context: RuleContext,
): (RuleElement | undefined)[] {
  const at = fields.get(section)
  const deny = section.endsWith('Deny')
  return (at?.items() ?? []).map((item, i) => {
    return parseElement(item, direction, deny, { ...context, prefix: `${context.prefix}${section}[${i}]` })
  })
}

function parseElement(
  at: Cursor,
  direction: Direction,
  deny: boolean,
  context: RuleContext,
): RuleElement | undefined {
  const fields = at.fields(direction === 'ingress' ? INGRESS : EGRESS)
  if (fields === undefined) return undefined
  const { selectors: peers, areNamed } = parsePeers(fields, direction, context.namespace)
  const grants = parseGrants(fields, deny, context)
  if (peers === undefined || grants === undefined) return undefined
  // An item that names neither peers nor ports allows (and denies) nothing; it only closes the direction.
  const isBare = !areNamed && !hasItems(fields.get('toPorts')) && !hasItems(fields.get('icmps'))
  const action = deny ? 'deny' : 'allow'
  return { name: context.prefix, action, level: NORMAL_LEVEL, peers, grants: isBare ? [] : grants }
}

function parseGrants(fields: Fields, deny: boolean, context: RuleContext): readonly PortGrant[] | undefined {
  const portsAt = fields.get('toPorts')
  const icmpsAt = fields.get('icmps')
  const icmps = icmpsAt === undefined ? [] : parseIcmps(icmpsAt, deny)
  const { prefix: name, ...validators } = context
  const ports = parseToPorts(portsAt, deny, { ...validators, name })
  if (hasItems(portsAt) && hasItems(icmpsAt)) {
    return icmpsAt?.fail('cannot be combined with toPorts in one item', 'write two items; items are ORed')
  }
  return icmpsAt !== undefined && (icmps === undefined || icmps.length > 0) ? icmps : ports
}

function hasItems(at: Cursor | undefined): boolean {
  return at !== undefined && at.isList && (at.items()?.length ?? 0) > 0
}
