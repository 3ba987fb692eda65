import fc from 'fast-check'
import { RE2JS } from 're2js'
import t from 'tap'
import { WeirError } from '../../../src/lib/errors.ts'
import { compileHttpRules, validateHttpRule, validateRegex } from '../../../src/l7rules/http-rules.ts'
import type { HttpRequest } from '../../../src/l7rules/http1/request.ts'
import type { HeaderRule, HttpRule } from '../../../src/policy/network-policy.ts'
import { makeRequest } from './requests.ts'

function rule(conditions: Partial<HttpRule>, name = 'r'): HttpRule {
  return { name, headers: [], ...conditions }
}

function first(rules: readonly HttpRule[], parts: Parameters<typeof makeRequest>[0]): number {
  return compileHttpRules(rules).evaluate(makeRequest(parts))
}

t.test('conditions are ANDed, rules ORed, the first in order wins', async (t) => {
  const rules = [
    rule({ method: 'GET', path: '/a' }),
    rule({ method: 'PUT', path: '/a' }),
    rule({ path: '/a.*' }),
    rule({ method: 'GET' }),
  ]
  t.equal(first(rules, { path: '/a' }), 0)
  t.equal(first(rules, { method: 'PUT', path: '/a' }), 1)
  t.equal(first(rules, { method: 'PUT', path: '/ab' }), 2)
  t.equal(first(rules, { path: '/b' }), 3)
  t.equal(first(rules, { method: 'PUT', path: '/b' }), -1)
})

t.test('an item without conditions matches everything, an empty list nothing', async (t) => {
  t.equal(first([rule({ path: '/x' }), rule({}), rule({ path: '/' })], { path: '/' }), 1)
  t.equal(first([], {}), -1)
})

t.test(
  'regexes match the whole string, the query belongs to the path, methods keep their case',
  async (t) => {
    t.equal(first([rule({ path: '/public' })], { path: '/public/x' }), -1)
    t.equal(first([rule({ path: '/public' })], { path: '/public?a=1' }), -1)
    t.equal(first([rule({ path: '/public\\?a=[0-9]' })], { path: '/public?a=1' }), 0)
    t.equal(first([rule({ method: 'get' })], { method: 'GET' }), -1)
  },
)

t.test('hosts match without case, with or without port', async (t) => {
  const rules = [
    rule({ host: 'API\\.example\\.com' }),
    rule({ host: '[^.]+\\.test:8080' }),
    rule({ host: '\\[::1\\]' }),
  ]
  t.equal(first(rules, { host: 'api.Example.com' }), 0)
  t.equal(first(rules, { host: 'api.example.com:80' }), 0)
  t.equal(first(rules, { host: 'api.example.com:' }), 0)
  t.equal(first(rules, { host: 'A.TEST:8080' }), 1)
  t.equal(first(rules, { host: 'a.test' }), -1)
  t.equal(first(rules, { host: 'api.example.com.evil' }), -1)
  t.equal(first(rules, { host: 'api.example.com:80@evil' }), -1)
  t.equal(first(rules, { host: '[::1]:80' }), 2)
  t.equal(first([rule({ host: '::1' })], { host: '::1:80' }), -1, 'a bare address has no port to take off')
  t.equal(first([rule({ host: '.*' })], { host: '' }), 0)
  t.equal(first([rule({ host: '[^A]' })], { host: 'a' }), -1, 'folded before it is negated')
  t.equal(first([rule({ host: '(?-i)A' })], { host: 'a' }), 0, 'host names have no case')
})

t.test('header values: present, exact, and every occurrence', async (t) => {
  const rules = [
    rule({ headers: [{ name: 'x-a', value: 'true' }] }),
    rule({ headers: [{ name: 'x-b', value: undefined }] }),
  ]
  const header = (values: Record<string, string[]>): number => first(rules, { headers: values })
  t.equal(header({ 'x-a': ['true'] }), 0)
  t.equal(header({ 'x-a': ['false'] }), -1)
  t.equal(header({ 'x-a': ['true', 'true'] }), 0)
  t.equal(header({ 'x-a': ['true', 'false'] }), -1, 'the server may read the second')
  t.equal(header({ 'x-a': ['false', 'true'] }), -1, 'or the first')
  t.equal(header({ 'x-a': ['true, false'] }), -1)
  t.equal(header({ 'x-a': ['TRUE'] }), -1)
  t.equal(header({ 'x-b': [''] }), 1)
  t.equal(header({ 'x-b': ['1', '2'] }), 1)
  t.equal(header({}), -1)
  const contradiction: HeaderRule[] = [
    { name: 'x', value: '1' },
    { name: 'x', value: '2' },
  ]
  t.equal(first([rule({ headers: contradiction })], { headers: { x: ['1', '2'] } }), -1)
})

t.test('validation names rule and field', async (t) => {
  const message = (action: () => void): string => {
    try {
      action()
    } catch (error) {
      if (error instanceof WeirError) return `${error.code} ${error.message}`
      throw error
    }
    return ''
  }
  t.equal(
    message(() => validateHttpRule(rule({ path: '*' }, 'ns/p http[0]'))),
    'REGEX_INVALID rule ns/p http[0]: path: regex "*": missing argument to repetition operator: "*" at position 0; ' +
      'write `.*` for "anything", or `\\*` for a literal star',
  )
  t.match(
    message(() => validateHttpRule(rule({ method: 'GET|(' }))),
    /method: regex .* missing closing \)/,
  )
  t.match(
    message(() => validateHttpRule(rule({ host: '[' }))),
    /host: regex/,
  )
  t.match(
    message(() => validateHttpRule(rule({ path: '[^/]{1000}(abcdefg){500}' }))),
    /10000 automaton nodes/,
  )
  t.match(
    message(() => validateHttpRule(rule({ headers: [{ name: 'X-A', value: '1' }] }))),
    /POLICY_INVALID .*lower-case/,
  )
  t.match(
    message(() => validateHttpRule(rule({ headers: [{ name: 'x a', value: '1' }] }))),
    /POLICY_INVALID/,
  )
  t.match(
    message(() => validateRegex('a**')),
    /invalid nested repetition/,
  )
  t.match(
    message(() => void compileHttpRules([rule({ path: '(' })])),
    /REGEX_INVALID rule r: path/,
  )
  t.equal(
    message(() =>
      validateHttpRule(rule({ method: 'GET', path: '/.*', host: 'a', headers: [{ name: 'x', value: '' }] })),
    ),
    '',
  )
})

t.test('agrees with one rule after the other, judged by re2js', async (t) => {
  const optional = (...values: string[]): fc.Arbitrary<string | undefined> =>
    fc.constantFrom(undefined, ...values)
  const header = fc.record({ name: fc.constantFrom('x', 'y'), value: optional('1', '2', '') })
  const anyRule = fc
    .record({
      method: optional('GET', 'PUT', 'GET|PUT', '(?i)get', '.*'),
      path: optional('/', '/a', '/a/.*', '/[ab]', '/a/[0-9]+', '.*b', '/(a|b)(/.*)?'),
      host: optional('a\\.test', '.*\\.test', '[a-z.]+', 'A\\.TEST:80', '.*'),
      headers: fc.array(header, { maxLength: 2 }),
    })
    .map(({ method, path, host, headers }) =>
      rule({
        ...(method === undefined ? {} : { method }),
        ...(path === undefined ? {} : { path }),
        ...(host === undefined ? {} : { host }),
        headers,
      }),
    )
  const values = fc.array(fc.constantFrom('1', '2', ''), { maxLength: 2 })
  const anyRequest = fc.record({
    method: fc.constantFrom('GET', 'PUT', 'get', ''),
    path: fc.constantFrom('/', '/a', '/b', '/a/', '/a/1', '/a/b', '/b/x', ''),
    host: fc.constantFrom('a.test', 'A.test:80', 'b.test:81', 'c', ''),
    headers: fc.record({ x: values, y: values }),
  })
  const property = fc.property(
    fc.array(anyRule, { maxLength: 12 }),
    fc.array(anyRequest, { minLength: 10, maxLength: 10 }),
    (rules, requests) => {
      const compiled = compileHttpRules(rules)
      for (const parts of requests) {
        const request = makeRequest(parts)
        const expected = rules.findIndex((one) => holds(one, request))
        if (compiled.evaluate(request) !== expected)
          throw new Error(JSON.stringify({ rules, parts, expected }))
      }
    },
  )
  fc.assert(property, { numRuns: 3000 })
  t.pass()
})

function holds(one: HttpRule, request: HttpRequest): boolean {
  const full = (pattern: string | undefined, ...texts: string[]): boolean =>
    pattern === undefined || texts.some((text) => RE2JS.compile(pattern).matches(text))
  const host = one.host === undefined ? undefined : `(?i)${one.host}`
  return (
    full(one.method, request.method) &&
    full(one.path, request.path) &&
    full(host, request.host, request.host.replace(/:[0-9]*$/, '')) &&
    one.headers.every(({ name, value }) => {
      const values = request.header(name)
      return values.length > 0 && (value === undefined || values.every((each) => each === value))
    })
  )
}
