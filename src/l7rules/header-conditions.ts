// All conditions on one header, or pseudo-header, of a list of rules.
import type { HeaderMatcher } from '../policy/network-policy.ts'
import type { HttpRequest } from './http1/request.ts'
import type { HitSet } from './match/hit-set.ts'
import { asBytes, compileMatcher, type OccurrencesTest } from './value-match.ts'

/**
 * Exact values and presence, which nearly all rules ask for, are looked up; other matchers are asked one after
 * the other. A value condition holds when the header is present and *every* occurrence equals the value: a
 * request that says `x-a: true` and `x-a: false` must not pass a rule for `true`, as the server may read the
 * other one. (Envoy joins repeats by commas; that denies here, too.)
 */
export class HeaderConditions {
  readonly name: string
  readonly #values = new Map<string, number>()
  #presence: number | undefined
  readonly #others = new Map<string, { readonly id: number; readonly test: OccurrencesTest }>()

  constructor(name: string) {
    this.name = name
  }

  /** @returns the number of the condition; `fresh` when it is new. */
  add(value: string | undefined, fresh: number): number {
    if (value === undefined) return (this.#presence ??= fresh)
    const bytes = asBytes(value)
    const known = this.#values.get(bytes)
    if (known !== undefined) return known
    this.#values.set(bytes, fresh)
    return fresh
  }

  /** As `add`. @throws WeirError REGEX_INVALID */
  addMatcher(matcher: HeaderMatcher, fresh: number): number {
    const key = JSON.stringify(matcher)
    const known = this.#others.get(key)
    if (known !== undefined) return known.id
    this.#others.set(key, { id: fresh, test: compileMatcher(matcher) })
    return fresh
  }

  match(request: HttpRequest, hits: HitSet): void {
    const values = occurrences(request, this.name)
    for (const { id, test } of this.#others.values()) if (test(values)) hits.add(id)
    const [first] = values
    if (first === undefined) return
    if (this.#presence !== undefined) hits.add(this.#presence)
    const id = this.#values.get(first)
    if (id === undefined) return
    for (const value of values) if (value !== first) return
    hits.add(id)
  }
}

/** Values of a header or of `:method`, `:path`, `:authority`; a request without host or path has none. */
export function occurrences(request: HttpRequest, name: string): readonly string[] {
  switch (name) {
    case ':method':
      return [request.method]
    case ':path':
      return request.path === '' ? NONE : [request.path]
    case ':authority':
      return request.host === '' ? NONE : [request.host]
    default:
      return request.header(name)
  }
}

const NONE: readonly string[] = []
