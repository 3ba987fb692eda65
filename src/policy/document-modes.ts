// Modes of rules in documents: annotations, because none of the formats has a field for them and a field that
// others do not know would be dropped there without a word.
import { nearestName } from './nearest-name.ts'
import type { RuleMode } from './network-policy.ts'
import type { DirectionRules, PortGrant, Rule, RuleElement } from './rule-model.ts'
import type { Cursor } from './yaml-cursor.ts'

const PREFIX = 'weir/'
/** Of the policy as a whole. */
export const MODE_ANNOTATION = 'weir/mode'
/** Of single rules: `ingress[0]=audit, specs[1].egress[0].toPorts[0].rules.http[2]=shadow`. */
export const RULE_MODES_ANNOTATION = 'weir/rule-modes'
const ANNOTATIONS = [MODE_ANNOTATION, RULE_MODES_ANNOTATION]
const MODES: readonly RuleMode[] = ['enforce', 'audit', 'shadow']

export interface PolicyModes {
  readonly mode: RuleMode
  /** By path of the rule within the policy. */
  readonly byPath: ReadonlyMap<string, RuleMode>
  readonly at: Cursor | undefined
}

/** @param annotationsAt undefined = there are none. Annotations of others mean nothing here. */
export function parseModes(annotationsAt: Cursor | undefined): PolicyModes {
  let mode: RuleMode = 'enforce'
  let byPath: ReadonlyMap<string, RuleMode> = new Map()
  let at: Cursor | undefined
  for (const [name, value] of annotationsAt?.isNull === false ? (annotationsAt.entries() ?? []) : []) {
    if (!name.startsWith(PREFIX)) continue
    if (name === MODE_ANNOTATION) mode = parseMode(value, value.string()) ?? mode
    else if (name === RULE_MODES_ANNOTATION) {
      byPath = parseList(value)
      at = value
    } else {
      const near = nearestName(name, ANNOTATIONS)
      const mend = near === undefined ? `known are ${ANNOTATIONS.join(', ')}` : `did you mean "${near}"?`
      value.failKey(`unknown annotation "${name}"`, mend)
    }
  }
  return { mode, byPath, at }
}

function parseMode(at: Cursor, text: string | undefined): RuleMode | undefined {
  if (text === undefined) return undefined
  const mode = MODES.find((known) => known === text)
  return mode ?? at.fail(`unknown mode "${text}"`, `use ${MODES.join(', ')}`)
}

function parseList(at: Cursor): ReadonlyMap<string, RuleMode> {
  const modes = new Map<string, RuleMode>()
  for (const item of at.string()?.split(',') ?? []) {
    const [path, text, ...rest] = item.trim().split('=')
    if (path === undefined || path === '' || text === undefined || rest.length > 0) {
      at.fail(
        `${JSON.stringify(item.trim())} is not rule=mode`,
        'e.g. ingress[0]=audit, egressDeny[1]=shadow',
      )
      continue
    }
    const mode = parseMode(at, text.trim())
    if (mode !== undefined) modes.set(path.trim(), mode)
  }
  return modes
}

/** The rules in their modes. @param prefix that begins the names of all rules, before their path. */
export function withModes(rules: readonly Rule[], modes: PolicyModes, prefix: string): readonly Rule[] {
  if (modes.mode === 'enforce' && modes.byPath.size === 0) return rules
  const unused = new Set(modes.byPath.keys())
  const modeOf = (name: string): RuleMode | undefined => {
    // What follows a blank is a name that people gave the rule.
    const [path = ''] = name.slice(prefix.length).split(' ')
    unused.delete(path)
    return modes.byPath.get(path)
  }
  const ofRequests = <T extends { readonly name: string }>(rule: T): T => {
    const mode = modeOf(rule.name)
    return mode === undefined ? rule : { ...rule, mode }
  }
  const ofGrant = (grant: PortGrant): PortGrant => ({
    ...grant,
    http: grant.http?.map(ofRequests),
    ...(grant.kafka === undefined ? {} : { kafka: grant.kafka.map(ofRequests) }),
  })
  const ofElement = (element: RuleElement): RuleElement => {
    const mode = modeOf(element.name) ?? modes.mode
    return { ...element, grants: element.grants.map(ofGrant), ...(mode === 'enforce' ? {} : { mode }) }
  }
  const ofDirection = (direction: DirectionRules): DirectionRules => ({
    ...direction,
    elements: direction.elements.map(ofElement),
    ...(modes.mode === 'enforce' ? {} : { mode: modes.mode }),
  })
  const result = rules.map(({ subject, ingress, egress }) => {
    return { subject, ingress: ofDirection(ingress), egress: ofDirection(egress) }
  })
  for (const path of unused)
    modes.at?.fail(`the policy has no rule ${path}`, 'write its path, e.g. ingress[0]')
  return result
}
