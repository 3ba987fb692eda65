// `spec` of a CiliumNetworkPolicy, or one item of its `specs`.
import type { DirectionRules, Rule, RuleElement } from '../rule-model.ts'
import type { Direction } from '../network-policy.ts'
import type { Selector } from '../selector.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { parseEntity } from './entities.ts'
import { DEFAULT_DENY, EGRESS, INGRESS, RULE } from './fields.ts'
import type { RegexValidator } from './http.ts'
import { parseToPorts } from './ports.ts'
import { parsePeerSelector, parseSubjectSelector } from './selectors.ts'

export interface RuleContext {
  readonly validateRegex: RegexValidator
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
  const denies = parseSection(
    fields,
    direction === 'ingress' ? 'ingressDeny' : 'egressDeny',
    direction,
    context,
  )
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
  const name = context.prefix
  const endpointsAt = fields.get(direction === 'ingress' ? 'fromEndpoints' : 'toEndpoints')
  const entitiesAt = fields.get(direction === 'ingress' ? 'fromEntities' : 'toEntities')
  const portsAt = fields.get('toPorts')
  if (endpointsAt !== undefined && entitiesAt !== undefined) {
    const [, endpoints = ''] = /([a-zA-Z]+)$/.exec(endpointsAt.path) ?? []
    entitiesAt.fail(`cannot be combined with ${endpoints} in one item`, 'write two items; items are ORed')
  }
  const peers = parsePeers(endpointsAt, entitiesAt, context.namespace)
  const grants = parseToPorts(portsAt, deny, { validateRegex: context.validateRegex, name })
  if (peers === undefined || grants === undefined) return undefined
  // An item that names neither peers nor ports allows (and denies) nothing; it only closes the direction.
  const isBare = endpointsAt === undefined && entitiesAt === undefined && !hasItems(portsAt)
  return { name, deny, peers, grants: isBare ? [] : grants }
}

function hasItems(at: Cursor | undefined): boolean {
  return (at?.items()?.length ?? 0) > 0
}

/** Absent = everybody; present but empty = nobody. undefined after a problem. */
function parsePeers(
  endpointsAt: Cursor | undefined,
  entitiesAt: Cursor | undefined,
  namespace: string,
): readonly Selector[] | 'any' | undefined {
  if (endpointsAt !== undefined) {
    const selectors = endpointsAt.items()?.map((item) => parsePeerSelector(item, namespace))
    return selectors?.every((selector) => selector !== undefined) ? selectors : undefined
  }
  if (entitiesAt === undefined) return 'any'
  const entities = entitiesAt.items()?.map(parseEntity)
  if (entities === undefined || !entities.every((entity) => entity !== undefined)) return undefined
  return entities.includes('any') ? 'any' : entities.filter((entity) => entity !== 'any').flat()
}
