// Predicates over one header value, compiled from the matchers of Envoy. Values hold one char per byte.
import { WeirError } from '../lib/errors.ts'
import type { HeaderMatcher, ValueMatch } from '../policy/network-policy.ts'
import { lowerAscii, withoutPort } from './host-name.ts'
import { HitSet } from './match/hit-set.ts'
import { FieldMatcher } from './match/matcher.ts'
import { parseRegex } from './match/regex-parser.ts'

type ValueTest = (value: string) => boolean

/** Whether the values of all occurrences of a header, in order, meet a matcher. */
export type OccurrencesTest = (values: readonly string[]) => boolean

const ALWAYS: ValueTest = () => true
const EMPTY: readonly string[] = ['']

/** @throws WeirError REGEX_INVALID */
export function compileMatcher(matcher: HeaderMatcher): OccurrencesTest {
  const { match, invert, missingAsEmpty } = matcher
  const isPresence = match.kind === 'present'
  const test = matcher.name === ':authority' ? hostTest(match) : valueTest(match, false)
  // Envoy lets an exact "" match any value: then its inversion, by which agents say "never", matches none.
  // Uninverted it matches the empty value alone, which is stricter.
  const isNever = invert && match.kind === 'exact' && match.text === ''
  return (values) => {
    let seen = values
    if (seen.length === 0) {
      if (!missingAsEmpty) return isPresence && invert
      seen = EMPTY
    }
    if (isPresence) return !invert
    if (!invert) return seen.every(test)
    return !isNever && !anyReading(seen, test)
  }
}

/**
 * Whether a server may read a value that passes `test`: one of the occurrences, or all of them joined, which
 * RFC 9110 §5.3 calls the same.
 */
export function anyReading(values: readonly string[], test: ValueTest): boolean {
  if (values.some(test)) return true
  return values.length > 1 && (test(values.join(',')) || test(values.join(', ')))
}

/** Strings of policies are Unicode, those of requests bytes. */
export function asBytes(text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** As `host` of a rule: without case, with and without port. */
function hostTest(match: ValueMatch): ValueTest {
  const test = valueTest(match, true)
  return (value) => {
    const host = lowerAscii(value)
    return test(host) || test(withoutPort(host))
  }
}

function valueTest(match: ValueMatch, isLowerCase: boolean): ValueTest {
  switch (match.kind) {
    case 'present':
      return ALWAYS
    case 'range':
      return (value) =>
        /^[+-]?[0-9]+$/.test(value) && Number(value) >= match.start && Number(value) < match.end
    case 'regex':
      return regexTest(match.regex, isLowerCase)
    default: {
      const given = asBytes(match.text)
      const ignoresCase = match.ignoreCase || isLowerCase
      const test = textTest(match.kind, ignoresCase ? lowerAscii(given) : given)
      return ignoresCase ? (value) => test(lowerAscii(value)) : test
    }
  }
}

function textTest(kind: 'exact' | 'prefix' | 'suffix' | 'contains', text: string): ValueTest {
  switch (kind) {
    case 'exact':
      return (value) => value === text
    case 'prefix':
      return (value) => value.startsWith(text)
    case 'suffix':
      return (value) => value.endsWith(text)
    case 'contains':
      return (value) => value.includes(text)
  }
}

function regexTest(regex: string, isLowerCase: boolean): ValueTest {
  const tree = parseRegex(regex, { lowerCase: isLowerCase })
  const matcher = new FieldMatcher([{ id: 0, tree, source: regex }])
  const hits = new HitSet(1)
  return (value) => {
    hits.clear()
    matcher.match(value, hits)
    return hits.has(0)
  }
}

/** Say in an error which rule and field it is about. */
export function inField<T>(rule: string, field: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (!(error instanceof WeirError)) throw error
    throw new WeirError(error.code, `rule ${rule}: ${field}: ${error.message}`, { cause: error })
  }
}
