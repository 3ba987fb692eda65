// The HTTP rules of one port and peer, compiled so that all are matched together.
//
// Each distinct condition (field and pattern) is found once per request and marked in a hit set. A rule
// hangs on its rarest condition, the one that fewest rules share; only rules that hang on a condition
// which was hit are looked at. So the cost follows the rules that nearly match, not all rules.
import { WeirError } from '../lib/errors.ts'
import type { HeaderRule, HttpRule } from '../policy/network-policy.ts'
import type { HttpRequest } from './http1/request.ts'
import { HitSet } from './match/hit-set.ts'
import { FieldMatcher, type FieldPattern } from './match/matcher.ts'
import { addPattern } from './match/multi-pattern.ts'
import { Nfa } from './match/nfa.ts'
import type { RegexNode } from './match/regex-ast.ts'
import { parseRegex } from './match/regex-parser.ts'

type Field = 'method' | 'path' | 'host'
const FIELDS: readonly Field[] = ['path', 'host', 'method']

/** Which parts of a request the rules look at: what a verdict can depend on. */
export interface RequestView {
  readonly method: boolean
  readonly path: boolean
  readonly host: boolean
  /** Lower case, no duplicates. */
  readonly headers: readonly string[]
}

export interface CompiledHttpRules {
  readonly view: RequestView
  /** Index of the first rule that matches, -1 when none does. */
  evaluate(request: HttpRequest): number
}

/**
 * Compile `rules` in their order.
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
    inField(rule, field, () => addPattern(new Nfa(), pattern, parse(field, pattern), 0))
  }
  for (const header of rule.headers) {
    if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(header.name)) {
      throw new WeirError(
        'POLICY_INVALID',
        `rule ${rule.name}: header name ${JSON.stringify(header.name)} is not a lower-case field name`,
      )
    }
  }
}

class HttpRuleSet implements CompiledHttpRules {
  readonly view: RequestView
  readonly #ruleCount: number
  /** First rule without any condition: no later rule can be the first match. */
  readonly #unconditional: number
  readonly #conditions = new ConditionTable()
  /** Per rule: all its conditions. */
  readonly #needs: readonly (readonly number[])[]
  /** Per condition: the rules that hang on it, ascending. */
  readonly #hanging: number[][]
  readonly #hits: HitSet
  readonly #method: FieldMatcher | undefined
  readonly #path: FieldMatcher | undefined
  readonly #host: FieldMatcher | undefined
  readonly #headers: readonly HeaderMatcher[]

  constructor(rules: readonly HttpRule[]) {
    this.#needs = rules.map((rule) => this.#conditions.idsOf(rule))
    this.#ruleCount = rules.length
    const unconditional = this.#needs.findIndex((needs) => needs.length === 0)
    this.#unconditional = unconditional < 0 ? rules.length : unconditional
    this.#hanging = hangRules(this.#needs, this.#conditions.count)
    this.#hits = new HitSet(this.#conditions.count)
    this.#method = this.#conditions.fieldMatcher('method')
    this.#path = this.#conditions.fieldMatcher('path')
    this.#host = this.#conditions.fieldMatcher('host')
    this.#headers = [...this.#conditions.headers.values()]
    this.view = {
      method: this.#method !== undefined,
      path: this.#path !== undefined,
      host: this.#host !== undefined,
      headers: [...this.#conditions.headers.keys()],
    }
  }

  evaluate(request: HttpRequest): number {
    const hits = this.#hits
    hits.clear()
    this.#method?.match(request.method, hits)
    this.#path?.match(request.path, hits)
    if (this.#host !== undefined) matchHost(this.#host, request.host, hits)
    for (const header of this.#headers) header.match(request.header(header.name), hits)
    let first = this.#unconditional
    for (let i = 0; i < hits.count; i++) {
      for (const rule of this.#hanging[hits.ids[i] as number] as readonly number[]) {
        if (rule >= first) break
        if (this.#holds(rule)) first = rule
      }
    }
    return first === this.#ruleCount ? -1 : first
  }

  #holds(rule: number): boolean {
    for (const condition of this.#needs[rule] as readonly number[])
      if (!this.#hits.has(condition)) return false
    return true
  }
}

/** Numbers the distinct conditions of a list of rules. */
class ConditionTable {
  count = 0
  readonly headers = new Map<string, HeaderMatcher>()
  readonly #ids: Readonly<Record<Field, Map<string, number>>> = {
    method: new Map(),
    path: new Map(),
    host: new Map(),
  }
  readonly #patterns: Readonly<Record<Field, FieldPattern[]>> = { method: [], path: [], host: [] }

  idsOf(rule: HttpRule): number[] {
    const ids: number[] = []
    for (const field of FIELDS) {
      const pattern = rule[field]
      if (pattern !== undefined) ids.push(this.#patternId(rule, field, pattern))
    }
    for (const header of rule.headers) ids.push(this.#headerId(header))
    return ids
  }

  /** undefined when no rule looks at `field`. */
  fieldMatcher(field: Field): FieldMatcher | undefined {
    return this.#patterns[field].length === 0 ? undefined : new FieldMatcher(this.#patterns[field])
  }

  #patternId(rule: HttpRule, field: Field, pattern: string): number {
    const known = this.#ids[field].get(pattern)
    if (known !== undefined) return known
    const tree = inField(rule, field, () => parse(field, pattern))
    const id = this.count++
    this.#ids[field].set(pattern, id)
    this.#patterns[field].push({ id, tree, source: pattern })
    return id
  }

  #headerId({ name, value }: HeaderRule): number {
    const lowerName = name.toLowerCase()
    let matcher = this.headers.get(lowerName)
    if (matcher === undefined) {
      matcher = new HeaderMatcher(lowerName)
      this.headers.set(lowerName, matcher)
    }
    const known = matcher.idOf(value)
    if (known !== undefined) return known
    matcher.add(value, this.count)
    return this.count++
  }
}

/**
 * All conditions on one header. A value condition holds when the header is present and *every*
 * occurrence equals the value: a request that says `x-a: true` and `x-a: false` must not pass a rule for
 * `true`, as the server may read the other one. (Envoy joins repeats by commas; that denies here, too.)
 */
class HeaderMatcher {
  readonly name: string
  readonly #values = new Map<string, number>()
  #presence: number | undefined

  constructor(name: string) {
    this.name = name
  }

  idOf(value: string | undefined): number | undefined {
    return value === undefined ? this.#presence : this.#values.get(value)
  }

  add(value: string | undefined, id: number): void {
    if (value === undefined) this.#presence = id
    else this.#values.set(value, id)
  }

  match(values: readonly string[], hits: HitSet): void {
    const [first] = values
    if (first === undefined) return
    if (this.#presence !== undefined) hits.add(this.#presence)
    const id = this.#values.get(first)
    if (id === undefined) return
    for (const value of values) if (value !== first) return
    hits.add(id)
  }
}

/** A host rule is met by the host as sent or by the host without its port. */
function matchHost(matcher: FieldMatcher, host: string, hits: HitSet): void {
  const lowerHost = lowerAscii(host)
  matcher.match(lowerHost, hits)
  const bare = withoutPort(lowerHost)
  if (bare.length !== lowerHost.length) matcher.match(bare, hits)
}

/** `toLowerCase` would change bytes beyond ASCII. */
function lowerAscii(text: string): string {
  if (!/[A-Z]/.test(text)) return text
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  if (colon < 0) return host
  for (let i = colon + 1; i < host.length; i++) {
    const digit = host.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return host
  }
  // A bare IPv6 address ends in digits, too; with a port it stands in brackets.
  const isAddress = host.indexOf(':') !== colon && host.charCodeAt(colon - 1) !== 0x5d
  return isAddress ? host : host.slice(0, colon)
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

function parse(field: Field, pattern: string): RegexNode {
  return parseRegex(pattern, { lowerCase: field === 'host' })
}

/** Say in an error which rule and field it is about. */
function inField<T>(rule: HttpRule, field: Field, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof WeirError)) throw error
    throw new WeirError(error.code, `rule ${rule.name}: ${field}: ${error.message}`, { cause: error })
  }
}
