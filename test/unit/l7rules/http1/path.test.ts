// The normal form of paths: examples, and what must hold for all of them.
import fc from 'fast-check'
import t from 'tap'
import { normalisePath } from '../../../../src/l7rules/http1/path.ts'
import { ENCODED_SLASH, type EncodedSlash } from '../../../../src/lib/encoded-slash.ts'

const outcome = (target: string, encodedSlash?: EncodedSlash): string => {
  const result = normalisePath(target, encodedSlash)
  return result.ok ? result.path : result.code
}

/** RFC 3986 §6.2.2 and §5.4, and the choices beyond it. */
const EXAMPLES: readonly (readonly [given: string, expected: string])[] = [
  ['/', '/'],
  ['/a/b/c', '/a/b/c'],
  ['/a/b/', '/a/b/'],
  ['/a/./b', '/a/b'],
  ['/a/b/.', '/a/b/'],
  ['/a/b/..', '/a/'],
  ['/a/b/../', '/a/'],
  ['/a/..', '/'],
  ['/./', '/'],
  ['/...', '/...'],
  ['/..a', '/..a'],
  ['/a..', '/a..'],
  ['/a/b/../../c', '/c'],
  ['/a//b', '/a/b'],
  ['/a//', '/a/'],
  ['//', '/'],
  ['/a//../b', '/a/b'],
  ['//..', '/'],
  ['/%7Euser/%2d', '/~user/-'],
  ['/%2e/%2E%2e', 'HTTP_PATH_ABOVE_ROOT'],
  ['/a%2fb%3a', '/a%2Fb%3A'],
  ['/a/%2e%2e%2fb', 'HTTP_PATH_HIDDEN_DOTS'],
  ['/a/%2f..', 'HTTP_PATH_HIDDEN_DOTS'],
  ['/a/..;', 'HTTP_PATH_HIDDEN_DOTS'],
  ['/a/.;x=y/b', 'HTTP_PATH_HIDDEN_DOTS'],
  ['/a/..%3bx/b', 'HTTP_PATH_HIDDEN_DOTS'],
  ['/a;x=..', '/a;x=..'],
  ['/a/..', '/'],
  ['/..', 'HTTP_PATH_ABOVE_ROOT'],
  ['/a/../..', 'HTTP_PATH_ABOVE_ROOT'],
  ['/%252e%252e/', '/%252e%252e/'],
  ['/%', 'HTTP_BAD_PERCENT_ENCODING'],
  ['/%4', 'HTTP_BAD_PERCENT_ENCODING'],
  ['/%4g', 'HTTP_BAD_PERCENT_ENCODING'],
  ['/%%41', 'HTTP_BAD_PERCENT_ENCODING'],
  ['/%00', 'HTTP_PATH_NUL'],
  ['/\\..\\', 'HTTP_PATH_BACKSLASH'],
  ['/%5C', 'HTTP_PATH_BACKSLASH'],
  ['/<>^`{|}"[]', '/%3C%3E%5E%60%7B%7C%7D%22%5B%5D'],
  ['/%0d%0a', '/%0D%0A'],
  ['/a/../b?c/../d//%2e%zz', '/b?c/../d//%2e%zz'],
  ['/?', '/?'],
]
t.test('examples', async (t) => {
  for (const [given, expected] of EXAMPLES) t.equal(outcome(given), expected, given)
})

t.test('%2F by setting', async (t) => {
  for (const [given, keep, reject, decode] of [
    ['/a%2fb', '/a%2Fb', 'HTTP_PATH_ENCODED_SLASH', '/a/b'],
    ['/a%2F%2fb%2F', '/a%2F%2Fb%2F', 'HTTP_PATH_ENCODED_SLASH', '/a/b/'],
    ['/a/b%2F..%2F..%2fc', 'HTTP_PATH_HIDDEN_DOTS', 'HTTP_PATH_ENCODED_SLASH', '/c'],
    ['/..%2fa', 'HTTP_PATH_HIDDEN_DOTS', 'HTTP_PATH_ENCODED_SLASH', 'HTTP_PATH_ABOVE_ROOT'],
    ['/%2f..;x', 'HTTP_PATH_HIDDEN_DOTS', 'HTTP_PATH_ENCODED_SLASH', 'HTTP_PATH_HIDDEN_DOTS'],
    ['/a%252fb', '/a%252fb', '/a%252fb', '/a%252fb'],
    ['/a?b=%2f', '/a?b=%2f', '/a?b=%2f', '/a?b=%2f'],
  ] as const) {
    t.equal(outcome(given, 'keep'), keep, given)
    t.equal(outcome(given, 'reject'), reject, given)
    t.equal(outcome(given, 'decode'), decode, given)
  }
})

const piece = fc.constantFrom(
  '/',
  '.',
  '..',
  '%2e',
  '%2F',
  '%2f',
  'a',
  ';',
  '%3B',
  '%41',
  '%25',
  '?',
  '|',
  '%c3',
  '//',
)
const target = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

t.test('laws', async (t) => {
  fc.assert(
    fc.property(target, fc.constantFrom(...ENCODED_SLASH), (given, encodedSlash) => {
      const result = normalisePath(given, encodedSlash)
      if (!result.ok) return
      t.equal(outcome(result.path, encodedSlash), result.path, 'idempotent')
      if (encodedSlash !== 'keep') t.notMatch(result.path.split('?')[0], /%2F/)
      const [path = '', ...query] = result.path.split('?')
      t.match(path, /^\/(?:[^/]+\/)*[^/]*$/, 'no empty segments')
      t.notMatch(path, /%(?![0-9A-F]{2})|%(?:2[DE]|3\d|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/, 'escapes')
      for (const seen of path.split(/\/|%2F/)) t.notMatch(seen, /^\.\.?(?:;|%3B|$)/, 'no dot segments')
      t.equal(query.join('?'), given.split('?').slice(1).join('?'), 'query as it was')
    }),
    { numRuns: 2000 },
  )
})
