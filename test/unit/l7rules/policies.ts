// Random policies and requests of a small world, in which most rules meet most requests.
import fc from 'fast-check'
import { asIdentity } from '../../../src/lib/brands.ts'
import type {
  HeaderAction,
  HeaderMatcher,
  HttpRule,
  KafkaRule,
  PortPolicy,
  PortRule,
  RuleMode,
  ValueMatch,
} from '../../../src/policy/network-policy.ts'
import type { NaiveAccess, NaiveFlow, NaiveRequest } from './naive-judge.ts'

const some = <T>(...values: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
/** Absent in most cases. */
const rarely = <Key extends string, T>(key: Key, value: fc.Arbitrary<T>): fc.Arbitrary<{ [K in Key]?: T }> =>
  fc.option(value, { nil: undefined, freq: 2 }).map((given) => {
    return (given === undefined ? {} : { [key]: given }) as { [K in Key]?: T }
  })
const NAMES = ['x', 'y'] as const
const VALUES = ['1', '2', '', '1,2', '10'] as const

const valueMatch: fc.Arbitrary<ValueMatch> = fc.oneof(
  fc.constant<ValueMatch>({ kind: 'present' }),
  fc.record({
    kind: some('exact' as const, 'prefix' as const, 'suffix' as const, 'contains' as const),
    text: some(...VALUES, 'a', 'A', '/a'),
    ignoreCase: fc.boolean(),
  }),
  some('[12]', '.*', '/a?', '').map((regex): ValueMatch => ({ kind: 'regex', regex })),
  some([1, 2], [0, 11], [-5, 1]).map(([start = 0, end = 0]): ValueMatch => ({ kind: 'range', start, end })),
)
const matcher: fc.Arbitrary<HeaderMatcher> = fc.record({
  name: some(...NAMES, ':path', ':method'),
  match: valueMatch,
  invert: fc.boolean(),
  missingAsEmpty: fc.boolean(),
})
const headerAction: fc.Arbitrary<HeaderAction> = fc.record({
  name: some(...NAMES),
  value: some('1', '2', '', '1,2'),
  onMatch: some('continue' as const, 'continue' as const, 'fail' as const, 'delete' as const),
  onMismatch: some(
    'fail' as const,
    'continue' as const,
    'add' as const,
    'delete' as const,
    'replace' as const,
  ),
})

/** Parts of a record, put together; the caller knows that none is missing. */
function merged(parts: readonly object[]): object {
  return Object.assign({}, ...parts) as object
}

export interface WorldOptions {
  readonly modes: readonly RuleMode[]
  readonly protocol?: 'http' | 'kafka'
}

export interface World {
  readonly http: fc.Arbitrary<HttpRule>
  readonly rule: fc.Arbitrary<PortRule>
  /** One direction of an endpoint. */
  readonly ports: fc.Arbitrary<PortPolicy[]>
}

export function world({ modes, protocol = 'http' }: WorldOptions): World {
  const mode = some<RuleMode>(...modes)
  const http: fc.Arbitrary<HttpRule> = fc
    .tuple(
      fc.record({ name: some('h1', 'h2', 'h3'), headers: fc.constant([]) }),
      rarely('path', some('/a', '/[ab]', '/.*')),
      rarely('method', some('GET', 'GET|PUT')),
      rarely('host', some('a\\.test', 'a\\.test:80', 'b.*')),
      rarely(
        'headers',
        fc.array(fc.record({ name: some(...NAMES), value: some(undefined, ...VALUES) }), { maxLength: 2 }),
      ),
      rarely('matchers', fc.array(matcher, { maxLength: 2 })),
      rarely('headerActions', fc.array(headerAction, { maxLength: 3 })),
      rarely('mode', mode),
    )
    .map((parts) => merged(parts) as HttpRule)
  const kafka: fc.Arbitrary<KafkaRule> = fc
    .tuple(
      fc.record({ name: some('k1', 'k2', 'k3') }),
      rarely('apiKeys', some([0], [1], [0, 3], [])),
      rarely('apiVersion', some(0, 9)),
      rarely('clientId', some('c', '')),
      fc.oneof(rarely('topic', some('a', 'ab', 'b')), rarely('topicPrefix', some('a', 'ab', 'abc'))),
      rarely('group', some('g', 'h', '')),
      rarely('transactionalId', some('x', 'y')),
      rarely('mode', mode),
    )
    .map((parts) => merged(parts) as KafkaRule)
  interface GivenVerdict {
    readonly deny: boolean
    readonly http: HttpRule[] | undefined
    readonly kafka?: KafkaRule[]
    readonly down?: number
  }
  const judging: fc.Arbitrary<GivenVerdict> =
    protocol === 'http'
      ? fc.array(http, { maxLength: 3 }).map((rules) => ({ deny: false, http: rules }))
      : fc.array(kafka, { maxLength: 6 }).map((rules) => ({ deny: false, http: undefined, kafka: rules }))
  const verdict: fc.Arbitrary<GivenVerdict> = fc.oneof(
    { arbitrary: judging, weight: 4 },
    { arbitrary: fc.constant({ deny: false, http: undefined }), weight: 2 },
    { arbitrary: fc.constant({ deny: true, http: undefined }), weight: 1 },
    {
      arbitrary: fc.integer({ min: 1, max: 3 }).map((down) => ({ deny: false, http: undefined, down })),
      weight: 2,
    },
  )
  const peers = some<number[] | undefined>(undefined, undefined, [100], [200], [100, 200], [])
  const rule: fc.Arbitrary<PortRule> = fc
    .tuple(
      verdict,
      fc.record({
        name: some('p', 'q', 'r', 's'),
        precedence: fc.integer({ min: 1, max: 4 }),
        remoteIdentities: peers.map((ids) => ids?.map(asIdentity)),
      }),
      rarely('proxyId', some(1, 2)),
      rarely('mode', mode),
    )
    .map(([{ down, ...given }, base, ...others]) => {
      const pass = down === undefined ? {} : { passPrecedence: Math.min(down, base.precedence) }
      return merged([given, base, pass, ...others]) as PortRule
    })
  const range = some<[number, number]>([0, 0], [80, 80], [79, 81], [81, 90])
  const ports = fc.array(
    fc.tuple(range, fc.array(rule, { maxLength: 5 })).map(([[port, endPort], rules]) => {
      return { port, endPort, rules }
    }),
    { minLength: 1, maxLength: 3 },
  )
  return { http, rule, ports }
}

export const flow: fc.Arbitrary<NaiveFlow> = fc.record({
  port: some(79, 80, 80, 80, 443),
  peer: some(100, 200, 300),
  proxyId: some(0, 1, 2),
})

const values = some<readonly string[]>(
  [],
  [],
  ['1'],
  ['2'],
  ['10'],
  [''],
  ['1', '1'],
  ['1', '2'],
  ['2', '1'],
  ['1,2'],
)
export const request: fc.Arbitrary<NaiveRequest> = fc.record({
  method: some('GET', 'PUT'),
  path: some('/a', '/b', '/'),
  host: some('a.test', 'A.TEST:80', 'b'),
  headers: fc.record({ x: values, y: values }),
})

export const access: fc.Arbitrary<NaiveAccess> = fc.record({
  apiKey: some(0, 1, 3, 9),
  apiVersion: some(0, 9),
  clientId: some('c', 'd', ''),
  topic: some(undefined, 'a', 'ab', 'abcd', 'b', ''),
  group: some(undefined, undefined, 'g', ''),
  transactionalId: some(undefined, undefined, 'x'),
  isUnread: fc.oneof({ arbitrary: fc.constant(false), weight: 5 }, fc.constant(true)),
})
