import fc from 'fast-check'
import t from 'tap'
import { HitSet } from '../../../../src/l7rules/match/hit-set.ts'
import { literalForm } from '../../../../src/l7rules/match/literals.ts'
import { FieldMatcher } from '../../../../src/l7rules/match/matcher.ts'
import { parseRegex } from '../../../../src/l7rules/match/regex-parser.ts'
import { anyText, oracle, utf8 } from './patterns.ts'

function makeMatcher(patterns: readonly string[]): (text: string) => number[] {
  const matcher = new FieldMatcher(patterns.map((source, id) => ({ id, tree: parseRegex(source), source })))
  const hits = new HitSet(patterns.length)
  return (text) => {
    hits.clear()
    matcher.match(utf8(text), hits)
    return [...hits.ids.subarray(0, hits.count)].sort((a, b) => a - b)
  }
}

t.test('knows what is literal', async (t) => {
  const form = (pattern: string): string => {
    const found = literalForm(parseRegex(pattern))
    return found.kind === 'none' ? 'none' : `${found.kind} ${found.texts.join()}`
  }
  t.equal(form('GET'), 'exact GET')
  t.equal(form('^GET$'), 'exact GET')
  t.equal(form('GET|PO(S|O)T'), 'exact GET,POST,POOT')
  t.equal(form('/a/[bc]?'), 'exact /a/b,/a/c,/a/')
  t.equal(form('/public/.*'), 'prefix /public/')
  t.equal(form('(a|b)(?s).*'), 'prefix a,b')
  t.equal(form('.*'), 'prefix ')
  t.equal(form('(?i)a'), 'exact A,a')
  t.equal(form('/.+'), 'none')
  t.equal(form('a$b'), 'none')
  t.equal(form('[a-z]{3}'), 'none')
})

t.test('hash, trie and automaton together', async (t) => {
  const match = makeMatcher(['/a', '/a.*', '/a/[0-9]+', '.*', '/a|/b', '/b/.*'])
  t.same(match('/a'), [0, 1, 3, 4])
  t.same(match('/a/1'), [1, 2, 3])
  t.same(match('/b'), [3, 4])
  t.same(match('/b/'), [3, 5])
  t.same(match(''), [3])
  t.same(match('/a\n'), [], '.* stops at a line feed')
  t.same(match('/aé'), [1, 3])
})

t.test('bytes that are not UTF-8 after a prefix do not match .*', async (t) => {
  const matcher = new FieldMatcher([{ id: 0, tree: parseRegex('/a.*'), source: '/a.*' }])
  const hits = new HitSet(1)
  matcher.match('/a\xff', hits)
  t.equal(hits.count, 0)
})

t.test('agrees with re2js on literals, prefixes and the rest', async (t) => {
  const piece = fc.constantFrom('a', 'b', '1', 'é', '[ab]', '(a|b)', 'k?', '(?:ab|b)', '\\.')
  const pattern = fc
    .tuple(
      fc.constantFrom('', '^', '(?i)', '(?s)'),
      fc.array(piece, { maxLength: 3 }),
      fc.constantFrom('', '.*', '$', '.*$', '[0-9]+', '.*b', '|a.*', '\\b.*'),
    )
    .map(([head, pieces, tail]) => head + pieces.join('') + tail)
  const property = fc.property(
    fc.array(pattern, { minLength: 1, maxLength: 12 }),
    fc.array(anyText, { minLength: 10, maxLength: 10 }),
    (patterns, texts) => {
      const match = makeMatcher(patterns)
      const oracles = patterns.map((source) => oracle(source)!)
      for (const text of texts) {
        const expected = oracles.flatMap((regex, id) => (regex.matches(text) ? [id] : []))
        if (match(text).join() !== expected.join()) {
          throw new Error(`${JSON.stringify(patterns)} on ${JSON.stringify(text)}`)
        }
      }
    },
  )
  fc.assert(property, { numRuns: 4000 })
  t.pass()
})

t.test('more patterns than one automaton holds are spread over several', async (t) => {
  const patterns = Array.from({ length: 40 }, (_, i) => `/${i}/[^/]{800}`)
  const match = makeMatcher(patterns)
  t.same(match(`/7/${'x'.repeat(800)}`), [7])
  t.same(match(`/39/${'x'.repeat(800)}`), [39])
  t.same(match(`/39/${'x'.repeat(801)}`), [])
})
