// The distinct conditions of a list of HTTP rules, numbered.
import type { HeaderMatcher, HeaderRule, HttpRule } from '../policy/network-policy.ts'
import { HeaderConditions } from './header-conditions.ts'
import { FieldMatcher, type FieldPattern } from './match/matcher.ts'
import type { RegexNode } from './match/regex-ast.ts'
import { parseRegex } from './match/regex-parser.ts'
import { inField } from './value-match.ts'

type Field = 'method' | 'path' | 'host'
export const FIELDS: readonly Field[] = ['path', 'host', 'method']

/** Numbers the distinct conditions of a list of rules. */
export class ConditionTable {
  count = 0
  readonly headers = new Map<string, HeaderConditions>()
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
    for (const matcher of rule.matchers ?? []) ids.push(this.#matcherId(rule, matcher))
    return ids
  }

  /** undefined when no rule looks at `field`. */
  fieldMatcher(field: Field): FieldMatcher | undefined {
    return this.#patterns[field].length === 0 ? undefined : new FieldMatcher(this.#patterns[field])
  }

  #patternId(rule: HttpRule, field: Field, pattern: string): number {
    const known = this.#ids[field].get(pattern)
    if (known !== undefined) return known
    const tree = inField(rule.name, field, () => parsePattern(field, pattern))
    const id = this.count++
    this.#ids[field].set(pattern, id)
    this.#patterns[field].push({ id, tree, source: pattern })
    return id
  }

  #headerId({ name, value }: HeaderRule): number {
    return this.#numbered(this.#conditionsOn(name.toLowerCase()).add(value, this.count))
  }

  #matcherId(rule: HttpRule, matcher: HeaderMatcher): number {
    const conditions = this.#conditionsOn(matcher.name)
    return this.#numbered(inField(rule.name, matcher.name, () => conditions.addMatcher(matcher, this.count)))
  }

  #numbered(id: number): number {
    if (id === this.count) this.count++
    return id
  }

  #conditionsOn(name: string): HeaderConditions {
    let conditions = this.headers.get(name)
    if (conditions === undefined) {
      conditions = new HeaderConditions(name)
      this.headers.set(name, conditions)
    }
    return conditions
  }
}

export function parsePattern(field: Field, pattern: string): RegexNode {
  return parseRegex(pattern, { lowerCase: field === 'host' })
}
