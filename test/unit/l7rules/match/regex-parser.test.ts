import fc from 'fast-check'
import t from 'tap'
import { WeirError } from '../../../../src/lib/errors.ts'
import { MultiPattern } from '../../../../src/l7rules/match/multi-pattern.ts'
import { parseRegex } from '../../../../src/l7rules/match/regex-parser.ts'
import { anyPattern, nestedPattern, oracle } from './patterns.ts'

/** Pattern, text of the reason, position. */
const REFUSED: readonly (readonly [string, string, number])[] = [
  ['*', 'missing argument to repetition operator: "*"', 0],
  ['a|*', 'missing argument to repetition operator: "*"', 2],
  ['(*)', 'missing argument to repetition operator: "*"', 1],
  ['(?i)+', 'missing argument to repetition operator: "+"', 4],
  ['\\Q\\E*', 'missing argument to repetition operator: "*"', 4],
  ['a**', 'invalid nested repetition operator: "**"', 1],
  ['a*+', 'invalid nested repetition operator: "*+"', 1],
  ['a{2}{3}', 'invalid nested repetition operator: "{2}{3}"', 1],
  ['a++', 'invalid nested repetition operator: "++"', 1],
  ['a{1001}', 'invalid repeat count: "{1001}"', 1],
  ['a{2,1}', 'invalid repeat count: "{2,1}"', 1],
  ['(a{500}){3}', 'invalid repeat count: "{3}"', 8],
  ['((a{100}){10}){2}', 'invalid repeat count: "{2}"', 14],
  ['(a', 'missing closing )', 0],
  ['a)', 'unexpected )', 1],
  ['[a', 'missing closing ]', 0],
  ['[]', 'missing closing ]', 0],
  ['[z-a]', 'invalid character class range: "z-a"', 1],
  ['[[:foo:]]', 'invalid character class range: "[:foo:]"', 1],
  ['[a-\\d]', 'invalid escape sequence: "\\\\d"', 3],
  ['\\1', 'invalid escape sequence: "\\\\1" (back-references are not regular)', 0],
  ['\\8', 'invalid escape sequence: "\\\\8" (back-references are not regular)', 0],
  ['\\C', 'invalid escape sequence: "\\\\C"', 0],
  ['\\Z', 'invalid escape sequence: "\\\\Z"', 0],
  ['\\xZZ', 'invalid escape sequence: "\\\\x"', 0],
  ['\\x{110000}', 'invalid escape sequence: "\\\\x"', 0],
  ['a\\', 'trailing backslash at end of expression', 1],
  ['(?=a)', 'invalid or unsupported Perl syntax: "(?="', 0],
  ['(?!a)', 'invalid or unsupported Perl syntax: "(?!"', 0],
  ['(?<=a)b', 'invalid or unsupported Perl syntax: "(?<="', 0],
  ['(?<!a)b', 'invalid or unsupported Perl syntax: "(?<!"', 0],
  ['(?>a)', 'invalid or unsupported Perl syntax: "(?>"', 0],
  ['(?x)a', 'invalid or unsupported Perl syntax: "(?x"', 0],
  ['(?i-)a', 'invalid or unsupported Perl syntax: "(?i"', 0],
  ['(?P<>a)', 'invalid named capture: "(?P<>"', 0],
  ['(?P<n>a)(?P<n>b)', 'duplicate capture group name: "(?P<n>"', 8],
  ['\\pN', 'Unicode classes such as \\p are not supported', 0],
  ['[\\p{Greek}]', 'Unicode classes such as \\p are not supported', 1],
  ['a\ud800', 'lone surrogate: not valid Unicode', 1],
]

t.test('refuses with reason, position and mend', async (t) => {
  for (const [pattern, reason, position] of REFUSED) {
    const error = thrown(() => parseRegex(pattern))
    t.equal(error.code, 'REGEX_INVALID', pattern)
    t.ok(
      error.message.startsWith(`regex ${JSON.stringify(pattern)}: ${reason} at position ${position}; `),
      error.message,
    )
  }
})

t.test('bounds nesting and size', async (t) => {
  t.match(thrown(() => parseRegex('('.repeat(100_000))).message, /nests too deeply/)
  t.match(thrown(() => parseRegex(`${'('.repeat(600)}a${')'.repeat(600)}`)).message, /nests too deeply/)
  t.match(thrown(() => parseRegex(`a${'(?i)*'.repeat(10_000)}`)).message, /nests too deeply/)
  t.match(
    thrown(() => new MultiPattern(['[^/]{1000}(abcdefg){500}'])).message,
    /more than 10000 automaton nodes/,
  )
  t.match(
    thrown(() => new MultiPattern(['(?:(?:a?){100}b?){9}'.repeat(40)])).message,
    /10000 automaton nodes/,
  )
  const many = Array.from({ length: 40 }, (_, i) => `${i}[^/]{800}`)
  t.match(thrown(() => new MultiPattern(many)).message, /together need more than 200000 automaton nodes/)
  t.doesNotThrow(() => new MultiPattern(['.{0,1000}', '[a-z]{1,1000}']))
})

t.test('accepts nothing that re2js refuses, and refuses only what the header names', async (t) => {
  fc.assert(
    fc.property(fc.oneof(anyPattern, nestedPattern), (pattern) => {
      let accepted = true
      try {
        new MultiPattern([pattern])
      } catch {
        accepted = false
      }
      return accepted === (oracle(pattern) !== undefined)
    }),
    { numRuns: 20_000 },
  )
  t.pass()
})

t.test('raw strings neither hang nor crash the parser', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (pattern) => {
      try {
        parseRegex(pattern)
      } catch (error) {
        return error instanceof WeirError && error.code === 'REGEX_INVALID'
      }
      return oracle(pattern) !== undefined
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

function thrown(action: () => unknown): WeirError {
  try {
    action()
  } catch (error) {
    if (error instanceof WeirError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}
