// HttpRule <-> cilium.HttpNetworkPolicyRule. What Envoy says with matchers on pseudo-headers are fields of
// their own here, because nearly every rule has them and they are matched together.
import type {
  HeaderMatcher as WireMatcher,
  HeaderMatcher__Output,
} from '../gen/envoy/config/route/v3/HeaderMatcher.ts'
import type { HeaderMatch, HeaderMatch__Output } from '../gen/cilium/HeaderMatch.ts'
import type {
  HttpNetworkPolicyRule,
  HttpNetworkPolicyRule__Output,
} from '../gen/cilium/HttpNetworkPolicyRule.ts'
import { WeirError } from '../lib/errors.ts'
import type { HeaderAction, HeaderMatcher, HeaderRule, HttpRule } from './network-policy.ts'
import { decodeMode, encodeMode } from './npds-mode.ts'
import { decodeValueMatch, encodeValueMatch } from './npds-value-match.ts'

const PSEUDO_HEADERS = { method: ':method', path: ':path', host: ':authority' } as const
type PseudoField = keyof typeof PSEUDO_HEADERS
const PSEUDO_FIELDS = Object.keys(PSEUDO_HEADERS) as PseudoField[]

/** Field names of RFC 9110 §5.6.2, lower case. */
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/

export function encodeHttpRule(rule: HttpRule): HttpNetworkPolicyRule {
  const headers: WireMatcher[] = []
  for (const field of PSEUDO_FIELDS) {
    const regex = rule[field]
    if (regex !== undefined)
      headers.push({ name: PSEUDO_HEADERS[field], stringMatch: { safeRegex: { regex } } })
  }
  for (const { name, value } of rule.headers) {
    headers.push(value === undefined ? { name, presentMatch: true } : { name, stringMatch: { exact: value } })
  }
  for (const { name, match, invert, missingAsEmpty } of rule.matchers ?? []) {
    headers.push({
      name,
      ...encodeValueMatch(match),
      invertMatch: invert,
      treatMissingHeaderAsEmpty: missingAsEmpty,
    })
  }
  return {
    weirName: rule.name,
    headers,
    headerMatches: (rule.headerActions ?? []).map(encodeAction),
    ...encodeMode(rule.mode),
  }
}

const MATCH_ACTIONS = {
  continue: 'CONTINUE_ON_MATCH',
  fail: 'FAIL_ON_MATCH',
  delete: 'DELETE_ON_MATCH',
} as const
const MISMATCH_ACTIONS = {
  fail: 'FAIL_ON_MISMATCH',
  continue: 'CONTINUE_ON_MISMATCH',
  add: 'ADD_ON_MISMATCH',
  delete: 'DELETE_ON_MISMATCH',
  replace: 'REPLACE_ON_MISMATCH',
} as const

function encodeAction(action: HeaderAction): HeaderMatch {
  return {
    name: action.name,
    value: action.value,
    matchAction: MATCH_ACTIONS[action.onMatch],
    mismatchAction: MISMATCH_ACTIONS[action.onMismatch],
    weirSecret: action.isSecret === true,
  }
}

/** @throws WeirError POLICY_INVALID with the path of the field. */
export function decodeHttpRule(rule: HttpNetworkPolicyRule__Output, at: string): HttpRule {
  const pseudo: { [field in PseudoField]?: string } = {}
  const headers: HeaderRule[] = []
  const matchers: HeaderMatcher[] = []
  rule.headers.forEach((wire, i) => {
    const matcher = decodeMatcher(wire, `${at}.headers[${i}]`)
    const field = PSEUDO_FIELDS.find((key) => PSEUDO_HEADERS[key] === matcher.name)
    const regex = field === undefined ? undefined : asRegex(matcher)
    if (field !== undefined && regex !== undefined && pseudo[field] === undefined) pseudo[field] = regex
    else if (field === undefined && isHeaderRule(matcher)) headers.push(asHeaderRule(matcher))
    else matchers.push(matcher)
  })
  const headerActions = rule.headerMatches.map((wire, i) => decodeAction(wire, `${at}.header_matches[${i}]`))
  return {
    name: rule.weirName === '' ? at : rule.weirName,
    ...pseudo,
    headers,
    ...(matchers.length === 0 ? {} : { matchers }),
    ...(headerActions.length === 0 ? {} : { headerActions }),
    ...decodeMode(rule.weirMode, at),
  }
}

function decodeMatcher(wire: HeaderMatcher__Output, at: string): HeaderMatcher {
  const name = wire.name.toLowerCase()
  checkName(wire.name, at)
  const { match, isAbsence } = decodeValueMatch(wire, at)
  return {
    name,
    match,
    invert: wire.invertMatch !== isAbsence,
    missingAsEmpty: wire.treatMissingHeaderAsEmpty,
  }
}

/** The same as a regex; undefined when a field cannot say it. */
function asRegex({ match, invert, missingAsEmpty }: HeaderMatcher): string | undefined {
  if (invert || missingAsEmpty) return undefined
  if (match.kind === 'regex') return match.regex
  if (match.kind === 'exact' && !match.ignoreCase) return match.text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
  return undefined
}

function isHeaderRule({ match, invert, missingAsEmpty }: HeaderMatcher): boolean {
  if (invert || missingAsEmpty) return false
  return match.kind === 'present' || (match.kind === 'exact' && !match.ignoreCase)
}

function asHeaderRule({ name, match }: HeaderMatcher): HeaderRule {
  return { name, value: match.kind === 'exact' ? match.text : undefined }
}

function decodeAction(wire: HeaderMatch__Output, at: string): HeaderAction {
  checkName(wire.name, at)
  if (wire.valueSdsSecret !== '') refuse(at, 'value_sds_secret is not supported')
  return {
    name: wire.name.toLowerCase(),
    value: wire.value,
    onMatch: keyOf(MATCH_ACTIONS, wire.matchAction) ?? refuse(at, `match_action ${wire.matchAction}`),
    onMismatch:
      keyOf(MISMATCH_ACTIONS, wire.mismatchAction) ?? refuse(at, `mismatch_action ${wire.mismatchAction}`),
    ...(wire.weirSecret ? { isSecret: true } : {}),
  }
}

/** undefined for an enum value of a later version. */
function keyOf<Key extends string>(table: Readonly<Record<Key, string>>, value: string): Key | undefined {
  return (Object.keys(table) as Key[]).find((key) => table[key] === value)
}

function checkName(name: string, at: string): void {
  const isKnown = FIELD_NAME.test(name.toLowerCase()) || Object.values<string>(PSEUDO_HEADERS).includes(name)
  if (!isKnown) refuse(at, `header name ${JSON.stringify(name)} is not supported`)
}

function refuse(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: ${problem}`)
}
