import fc from 'fast-check'
import t from 'tap'
import { MultiPattern } from '../../../../src/l7rules/match/multi-pattern.ts'
import { anyPattern, anyText, nestedPattern, oracle, utf8 } from './patterns.ts'

function matches(pattern: string, text: string): boolean {
  return new MultiPattern([pattern]).match(utf8(text)).length === 1
}

t.test('matches the whole string', async (t) => {
  t.notOk(matches('/public', '/public/x'))
  t.ok(matches('/public', '/public'))
  t.ok(matches('/public(/.*)?', '/public/x'))
  t.ok(matches('a|ab', 'ab'), 'not the leftmost alternative')
  t.ok(matches('', ''))
  t.notOk(matches('', 'a'))
})

t.test('anchors and boundaries mean what RE2 says, wherever they stand', async (t) => {
  t.ok(matches('^a$', 'a'))
  t.ok(matches('(^a|b$)', 'b'))
  t.notOk(matches('a^b', 'ab'))
  t.notOk(matches('a$b', 'ab'))
  t.ok(matches('a$b|c', 'c'), 'the other branch lives')
  t.ok(matches('(?m)a$\n^b', 'a\nb'))
  t.ok(matches('\\ba\\b.*', 'a b'))
  t.notOk(matches('a\\bb', 'ab'))
  t.ok(matches('a\\Bb', 'ab'))
  t.ok(matches('^*a', 'a'))
})

t.test('flags end with their group', async (t) => {
  t.ok(matches('((?i)a)b', 'Ab'))
  t.notOk(matches('((?i)a)b', 'AB'))
  t.ok(matches('(?i)a|b', 'B'))
  t.notOk(matches('(?i:a)b', 'aB'))
  t.notOk(matches('(?i)a(?-i)b', 'AB'))
  t.notOk(matches('.', '\n'))
  t.ok(matches('(?s).', '\n'))
})

t.test('characters beyond ASCII are UTF-8, and other bytes match no class', async (t) => {
  t.ok(matches('é', 'é'))
  t.ok(matches('.', 'é'))
  t.notOk(matches('..', 'é'))
  t.ok(matches('[^a]', '\u{1f600}'))
  const anything = new MultiPattern(['(?s).*'])
  t.same(anything.match('\xff'), [])
  t.same(anything.match('\xc3'), [])
  t.same(anything.match('\xed\xa0\x80'), [], 'a surrogate is not UTF-8')
  t.same(anything.match('\xc0\x80'), [], 'overlong forms are not UTF-8')
  t.same(anything.match('\u0100'), [], 'not a byte')
})

t.test('lists every pattern that matches, ascending', async (t) => {
  const patterns = new MultiPattern(['a.*', 'b', 'ab?', '.*', 'abc'])
  t.same(patterns.match('ab'), [0, 2, 3])
  t.same(patterns.match('abc'), [0, 3, 4])
  t.same(patterns.match('b'), [1, 3])
  t.same(patterns.match('\n'), [])
})

t.test(
  'agrees with re2js on random patterns and texts, also while the cache is flushed all the time',
  async (t) => {
    const property = fc.property(
      fc.array(fc.oneof(anyPattern, nestedPattern), { minLength: 1, maxLength: 4 }),
      fc.array(anyText, { minLength: 8, maxLength: 8 }),
      fc.constantFrom(2, 3, 5, undefined),
      (patterns, texts, maxStates) => {
        const valid = patterns.flatMap((pattern) => (oracle(pattern) === undefined ? [] : [pattern]))
        const oracles = valid.map((pattern) => oracle(pattern)!)
        const ours = new MultiPattern(valid, maxStates)
        for (const text of texts) {
          const expected = oracles.flatMap((regex, id) => (regex.matches(text) ? [id] : []))
          const actual = ours.match(utf8(text))
          if (actual.join() !== expected.join()) {
            throw new Error(
              `${JSON.stringify(valid)} on ${JSON.stringify(text)}: ${actual.join()} not ${expected.join()}`,
            )
          }
        }
      },
    )
    fc.assert(property, { numRuns: 6000 })
    t.pass()
  },
)

t.test('patterns that hang backtracking engines take linear time', async (t) => {
  const nested = new MultiPattern(['(a+)+$', '(a|aa)+b', '(.*)*x', '(a?){50}a{50}'])
  const start = process.hrtime.bigint()
  t.same(nested.match(`${'a'.repeat(50_000)}!`), [])
  t.same(nested.match('a'.repeat(50_000)), [0])
  t.ok(Number(process.hrtime.bigint() - start) < 2e9, 'seconds would be exponential')
})

t.test('the cache stays within its bound when the subset construction would explode', async (t) => {
  const explosive = new MultiPattern(['(a|b)*a(a|b){16}'])
  let seed = 1
  const bits = Array.from({ length: 200_000 }, () => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 16) & 1 ? 'a' : 'b'
  }).join('')
  t.same(explosive.match(bits), bits.at(-17) === 'a' ? [0] : [])
  t.ok(explosive.stateCount <= 4096, `${explosive.stateCount} states`)
})
