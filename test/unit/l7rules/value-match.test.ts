import t from 'tap'
import { compileMatcher } from '../../../src/l7rules/value-match.ts'
import type { HeaderMatcher, ValueMatch } from '../../../src/policy/network-policy.ts'

const text = (
  kind: 'exact' | 'prefix' | 'suffix' | 'contains',
  value: string,
  ignoreCase = false,
): ValueMatch => {
  return { kind, text: value, ignoreCase }
}
const regex = (pattern: string): ValueMatch => ({ kind: 'regex', regex: pattern })
const range = (start: number, end: number): ValueMatch => ({ kind: 'range', start, end })
const PRESENT: ValueMatch = { kind: 'present' }

function meets(match: ValueMatch, values: readonly string[], changes: Partial<HeaderMatcher> = {}): boolean {
  return compileMatcher({ name: 'x', match, invert: false, missingAsEmpty: false, ...changes })(values)
}

const MET: [string, ValueMatch, string[], Partial<HeaderMatcher>?][] = [
  ['presence', PRESENT, ['']],
  ['absence', PRESENT, [], { invert: true }],
  ['exact', text('exact', 'a'), ['a', 'a']],
  ['exact beyond ASCII', text('exact', 'é'), ['\xc3\xa9']],
  ['exact without case', text('exact', 'aB', true), ['Ab']],
  ['prefix', text('prefix', 'a'), ['ab', 'ac']],
  ['suffix', text('suffix', 'b'), ['ab']],
  ['contains', text('contains', 'B', true), ['abc']],
  ['regex', regex('a+|b'), ['aaa', 'b']],
  ['range', range(1, 10), ['1', '9', '+5']],
  ['negative range', range(-5, 0), ['-5']],
  ['inverted', text('exact', 'a'), ['b', 'c'], { invert: true }],
  ['inverted range of no number', range(1, 10), ['x'], { invert: true }],
  ['missing as empty', regex(''), [], { missingAsEmpty: true }],
  ['missing as empty, inverted', text('exact', 'a'), [], { missingAsEmpty: true, invert: true }],
  ['host without case or port', text('exact', 'A.test'), ['a.TEST:80'], { name: ':authority' }],
  ['host by regex', regex('[A-C]\\.test'), ['B.test:80'], { name: ':authority' }],
]
const NOT_MET: [string, ValueMatch, string[], Partial<HeaderMatcher>?][] = [
  ['presence', PRESENT, []],
  ['absence', PRESENT, ['a'], { invert: true }],
  ['absence of what counts as empty', PRESENT, [], { invert: true, missingAsEmpty: true }],
  ['one of two', text('exact', 'a'), ['a', 'b']],
  ['regex of a part', regex('a'), ['ab']],
  ['range end', range(1, 10), ['10']],
  ['no number', range(0, 10), ['']],
  ['no decimal number', range(0, 100), ['0x10']],
  ['inverted, one of two', text('exact', 'a'), ['b', 'a'], { invert: true }],
  ['inverted, joined', text('exact', 'a,b'), ['a', 'b'], { invert: true }],
  ['inverted, missing', text('exact', 'a'), [], { invert: true }],
  ['missing', text('exact', ''), []],
  ['"never", as agents spell it', text('exact', ''), ['a'], { invert: true }],
  [
    'a host that hides behind case and port',
    text('exact', 'a.test'),
    ['A.Test:80'],
    { name: ':authority', invert: true },
  ],
]
for (const [what, ...given] of MET) t.test(`met: ${what}`, async (t) => void t.ok(meets(...given)))
for (const [what, ...given] of NOT_MET) t.test(`not met: ${what}`, async (t) => void t.notOk(meets(...given)))

t.test('a bad regex', async (t) => {
  t.throws(() => meets(regex('('), []), { code: 'REGEX_INVALID' })
})
