// The HTTP rules of one port and peer, compiled so that all are matched together.
//
// Each distinct condition (field and pattern) is found once per request and marked in a hit set. A rule
// hangs on its rarest condition, the one that fewest rules share; only rules that hang on a condition
// which was hit are looked at. So the cost follows the rules that nearly match, not all rules.
import { WeirError } from '../lib/errors.ts'
import type { HttpRule } from '../policy/network-policy.ts'
import type { HttpRequest } from './http1/request.ts'
import { checkAction } from './header-actions.ts'
import type { HeaderConditions } from './header-conditions.ts'
import { lowerAscii, withoutPort } from './host-name.ts'
import { ConditionTable, FIELDS, parsePattern } from './http-conditions.ts'
import { HitSet } from './match/hit-set.ts'
import type { FieldMatcher } from './match/matcher.ts'
import { addPattern } from './match/multi-pattern.ts'
import { Nfa } from './match/nfa.ts'
import { parseRegex } from './match/regex-parser.ts'
import { unionOfViews, viewOf, type RequestView } from './request-view.ts'
import { compileMatcher, inField } from './value-match.ts'

export interface CompiledHttpRules {
  readonly view: RequestView
  /** Index of the first rule whose conditions hold, -1 when there is none. */
  evaluate(request: HttpRequest): number
  /** Indexes of all rules whose conditions hold, ascending. */
  matching(request: HttpRequest): number[]
}

/**
 * Compile the conditions of `rules` in their order; header actions are not its business.
 * @throws WeirError REGEX_INVALID naming rule and field. Admission (`validateHttpRule`) finds all of these earlier.
 */
export function compileHttpRules(rules: readonly HttpRule[]): CompiledHttpRules {
  return new HttpRuleSet(rules)
}

/** Check one regex as the proxy will use it. @throws WeirError REGEX_INVALID with position and mend. */
export function validateRegex(pattern: string): void {
  addPattern(new Nfa(), pattern, parseRegex(pattern), 0)
}

/** Check one rule. @throws WeirError REGEX_INVALID or POLICY_INVALID naming the rule and the field. */
export function validateHttpRule(rule: HttpRule): void {
  for (const field of FIELDS) {
    const pattern = rule[field]
    if (pattern === undefined) continue
    inField(rule.name, field, () => addPattern(new Nfa(), pattern, parsePattern(field, pattern), 0))
  }
  for (const { name } of rule.headers) validateName(rule, name)
  for (const matcher of rule.matchers ?? []) {
    if (!PSEUDO_HEADERS.has(matcher.name)) validateName(rule, matcher.name)
    inField(rule.name, matcher.name, () => compileMatcher(matcher))
  }
  for (const action of rule.headerActions ?? []) {
    if (!PSEUDO_HEADERS.has(action.name)) validateName(rule, action.name)
    inField(rule.name, 'headerActions', () => checkAction(action))
  }
}

const PSEUDO_HEADERS = new Set([':method', ':path', ':authority'])

function validateName(rule: HttpRule, name: string): void {
  if (/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) return
  throw new WeirError(
    'POLICY_INVALID',
    `rule ${rule.name}: header name ${JSON.stringify(name)} is not a lower-case field name`,
  )
}

class HttpRuleSet implements CompiledHttpRules {
  readonly view: RequestView
  readonly #ruleCount: number
  /** Rules without any condition, ascending. */
  readonly #unconditional: readonly number[]
  readonly #conditions = new ConditionTable()
  /** Per rule: all its conditions. */
  readonly #needs: readonly (readonly number[])[]
  /** Per condition: the rules that hang on it, ascending. */
  readonly #hanging: number[][]
  readonly #hits: HitSet
  readonly #method: FieldMatcher | undefined
  readonly #path: FieldMatcher | undefined
  readonly #host: FieldMatcher | undefined
  readonly #headers: readonly HeaderConditions[]

  constructor(rules: readonly HttpRule[]) {
    this.#needs = rules.map((rule) => this.#conditions.idsOf(rule))
    this.#ruleCount = rules.length
    this.#unconditional = this.#needs.flatMap((needs, rule) => (needs.length === 0 ? [rule] : []))
    this.#hanging = hangRules(this.#needs, this.#conditions.count)
    this.#hits = new HitSet(this.#conditions.count)
    this.#method = this.#conditions.fieldMatcher('method')
    this.#path = this.#conditions.fieldMatcher('path')
    this.#host = this.#conditions.fieldMatcher('host')
    this.#headers = [...this.#conditions.headers.values()]
    const fields = {
      ...viewOf([]),
      method: this.#method !== undefined,
      path: this.#path !== undefined,
      host: this.#host !== undefined,
    }
    this.view = unionOfViews([fields, viewOf([...this.#conditions.headers.keys()])])
  }

  evaluate(request: HttpRequest): number {
    this.#mark(request)
    const hits = this.#hits
    // No later rule than an unconditional one can be the first.
    let first = this.#unconditional[0] ?? this.#ruleCount
    for (let i = 0; i < hits.count; i++) {
      for (const rule of this.#hanging[hits.ids[i] as number] as readonly number[]) {
        if (rule >= first) break
        if (this.#holds(rule)) first = rule
      }
    }
    return first === this.#ruleCount ? -1 : first
  }

  matching(request: HttpRequest): number[] {
    this.#mark(request)
    const result = [...this.#unconditional]
    for (const hit of this.#hits.ids.subarray(0, this.#hits.count)) {
      for (const rule of this.#hanging[hit] as readonly number[]) if (this.#holds(rule)) result.push(rule)
    }
    return result.sort((a, b) => a - b)
  }

  /** Find all conditions that hold. */
  #mark(request: HttpRequest): void {
    const hits = this.#hits
    hits.clear()
    this.#method?.match(request.method, hits)
    this.#path?.match(request.path, hits)
    if (this.#host !== undefined) matchHost(this.#host, request.host, hits)
    for (const header of this.#headers) header.match(request, hits)
  }

  #holds(rule: number): boolean {
    for (const condition of this.#needs[rule] as readonly number[])
      if (!this.#hits.has(condition)) return false
    return true
  }
}

/** A host rule is met by the host as sent or by the host without its port. */
function matchHost(matcher: FieldMatcher, host: string, hits: HitSet): void {
  const lowerHost = lowerAscii(host)
  matcher.match(lowerHost, hits)
  const bare = withoutPort(lowerHost)
  if (bare.length !== lowerHost.length) matcher.match(bare, hits)
}

function hangRules(needs: readonly (readonly number[])[], conditionCount: number): number[][] {
  const users = new Int32Array(conditionCount)
  for (const conditions of needs) for (const id of conditions) users[id] = (users[id] ?? 0) + 1
  const hanging: number[][] = Array.from({ length: conditionCount }, () => [])
  needs.forEach((conditions, rule) => {
    let rarest = conditions[0]
    for (const id of conditions)
      if (rarest === undefined || (users[id] ?? 0) < (users[rarest] ?? 0)) rarest = id
    if (rarest !== undefined) hanging[rarest]?.push(rule)
  })
  return hanging
}
