// Random regexes and texts for comparing with re2js, and the oracle itself.
import fc from 'fast-check'
import { RE2JS } from 're2js'

/** Pieces that make syntax: joined at random they are valid about half of the time. */
const SYNTAX = [
  ...Array.from('abAkKsS12.*+?{}(),[]^$|-:\\_ '),
  ...['\\d', '\\w', '\\s', '\\D', '\\W', '\\S', '\\b', '\\B', '\\A', '\\z', '\\n', '\\x41', '\\x{e9}', '\\.'],
  ...[
    '(?i)',
    '(?s)',
    '(?m)',
    '(?:',
    '(?i:',
    '(?-i)',
    '(?P<n>',
    '(?<m>',
    '(?U)',
    '\\Q',
    '\\E',
    '{2}',
    '{1,3}',
  ],
  ...['[[:alpha:]]', '[[:^word:]]', '[^a]', '[a-c]', '[^', '[:', '.*', 'ab', 'é', 'ſ', 'Ω', '\n'],
]

const TEXT = [...Array.from('abcABkKsS12_ -.:\n'), 'é', 'É', 'ſ', '\u212a', 'Ω', 'ω', '\u{1f600}', 'ab']

export const anyPattern = fc.array(fc.constantFrom(...SYNTAX), { minLength: 1, maxLength: 10 }).map(join)
export const anyText = fc.array(fc.constantFrom(...TEXT), { maxLength: 7 }).map(join)

/** Valid by construction, nested deeper than `anyPattern` gets. */
export const nestedPattern = fc.letrec<{ regex: string }>((tie) => ({
  regex: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '1', '\\b', '^', '$', ''),
    fc.tuple(tie('regex'), tie('regex')).map(join),
    fc.tuple(tie('regex'), tie('regex')).map(([left, right]) => `(?:${left}|${right})`),
    fc
      .tuple(tie('regex'), fc.constantFrom('*', '+', '?', '{2}', '{1,2}', '*?', '{0}'))
      .map(([body, op]) => `(${body})${op}`),
  ),
})).regex

function join(parts: readonly string[]): string {
  return parts.join('')
}

/** What re2js says of `pattern`; undefined: it is not a regex. */
export function oracle(pattern: string): RE2JS | undefined {
  try {
    return RE2JS.compile(pattern)
  } catch {
    return undefined
  }
}

/** Characters as the bytes that arrive on the wire, one char each. */
export function utf8(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1')
}
