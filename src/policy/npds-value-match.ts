// ValueMatch <-> the matcher inside of an envoy.config.route.v3.HeaderMatcher, in its present and its
// obsolete spellings.
import type {
  HeaderMatcher as WireMatcher,
  HeaderMatcher__Output,
} from '../gen/envoy/config/route/v3/HeaderMatcher.ts'
import type { StringMatcher__Output } from '../gen/envoy/type/matcher/v3/StringMatcher.ts'
import { WeirError } from '../lib/errors.ts'
import type { ValueMatch } from './network-policy.ts'

export function encodeValueMatch(match: ValueMatch): Partial<WireMatcher> {
  switch (match.kind) {
    case 'present':
      return { presentMatch: true }
    case 'regex':
      return { stringMatch: { safeRegex: { regex: match.regex } } }
    case 'range':
      return { rangeMatch: { start: match.start, end: match.end } }
    default:
      return { stringMatch: { [match.kind]: match.text, ignoreCase: match.ignoreCase } }
  }
}

/**
 * @returns the match; `isAbsence`: the header must be missing, so the match has to be inverted.
 * @throws WeirError POLICY_INVALID with the path of the field.
 */
export function decodeValueMatch(
  wire: HeaderMatcher__Output,
  at: string,
): { readonly match: ValueMatch; readonly isAbsence: boolean } {
  // No specifier at all means presence, too.
  if (wire.headerMatchSpecifier === undefined || wire.headerMatchSpecifier === 'presentMatch') {
    return { match: { kind: 'present' }, isAbsence: wire.presentMatch === false }
  }
  return { match: decode(wire, at), isAbsence: false }
}

function decode(wire: HeaderMatcher__Output, at: string): ValueMatch {
  if (wire.stringMatch) return decodeString(wire.stringMatch, `${at}.string_match`)
  if (wire.safeRegexMatch) return { kind: 'regex', regex: wire.safeRegexMatch.regex }
  if (wire.rangeMatch) return decodeRange(wire.rangeMatch, `${at}.range_match`)
  if (wire.exactMatch !== undefined) return text('exact', wire.exactMatch, false, `${at}.exact_match`)
  if (wire.prefixMatch !== undefined) return text('prefix', wire.prefixMatch, false, `${at}.prefix_match`)
  if (wire.suffixMatch !== undefined) return text('suffix', wire.suffixMatch, false, `${at}.suffix_match`)
  return text('contains', wire.containsMatch ?? '', false, `${at}.contains_match`)
}

function decodeString(wire: StringMatcher__Output, at: string): ValueMatch {
  if (wire.safeRegex) return { kind: 'regex', regex: wire.safeRegex.regex }
  for (const kind of ['exact', 'prefix', 'suffix', 'contains'] as const) {
    const value = wire[kind]
    if (value !== undefined) return text(kind, value, wire.ignoreCase, `${at}.${kind}`)
  }
  return refuse(at, 'matches nothing')
}

function text(
  kind: 'exact' | 'prefix' | 'suffix' | 'contains',
  value: string,
  ignoreCase: boolean,
  at: string,
): ValueMatch {
  if (value === '' && kind !== 'exact') refuse(at, 'is empty')
  return { kind, text: value, ignoreCase }
}

function decodeRange({ start, end }: { start: number; end: number }, at: string): ValueMatch {
  // int64 arrives as a number: what it cannot hold exactly would match other integers than were meant.
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end)) refuse(at, 'exceeds 2^53')
  return { kind: 'range', start, end }
}

function refuse(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: ${problem}`)
}
