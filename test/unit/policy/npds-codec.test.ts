import fc from 'fast-check'
import t from 'tap'
import type { NetworkPolicy__Output } from '../../../src/gen/cilium/NetworkPolicy.ts'
import type { NetworkPolicy as WirePolicy } from '../../../src/gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicyRule } from '../../../src/gen/cilium/PortNetworkPolicyRule.ts'
import { asEndpointId, asIdentity } from '../../../src/lib/brands.ts'
import { protos } from '../../../src/lib/rpc/load.ts'
import type {
  HeaderAction,
  HeaderMatcher,
  HttpRule,
  KafkaRule,
  NetworkPolicy,
  PortPolicy,
  PortRule,
  ValueMatch,
} from '../../../src/policy/network-policy.ts'
import { NOBODY, decodeNetworkPolicy, encodeNetworkPolicy } from '../../../src/policy/npds-codec.ts'
import { decodeSnapshot, encodeSnapshot } from '../../../src/policy/snapshot-codec.ts'
import { sampleSnapshot } from '../../helpers/snapshot.ts'

const { Connect } = protos().weir.v1.ControlService.service

/** Through real protobuf bytes, as the proxy gets it. */
function overTheWire(policy: WirePolicy): NetworkPolicy__Output {
  const bytes = Connect.responseSerialize({ snapshot: { policies: [policy] } })
  const decoded = Connect.responseDeserialize(bytes).snapshot?.policies[0]
  if (decoded === undefined) throw new Error('no policy came back')
  return decoded
}

const text = fc.string({ maxLength: 20 })
const identity = fc.integer({ min: 1, max: 0xffff_fffe }).map(asIdentity)
const mode = fc.constantFrom<('audit' | 'shadow')[]>('audit', 'shadow')
/** Present keys only: an absent one means the default, and that is what comes back. */
const optional = <Key extends string, T>(
  key: Key,
  value: fc.Arbitrary<T>,
): fc.Arbitrary<{ [K in Key]?: T }> =>
  fc
    .option(value, { nil: undefined })
    .map((given) => (given === undefined ? {} : { [key]: given }) as { [K in Key]?: T })

const valueMatch: fc.Arbitrary<ValueMatch> = fc.oneof(
  fc.constant<ValueMatch>({ kind: 'present' }),
  fc.record({
    kind: fc.constantFrom<('exact' | 'prefix' | 'suffix' | 'contains')[]>(
      'exact',
      'prefix',
      'suffix',
      'contains',
    ),
    text: fc.string({ minLength: 1, maxLength: 20 }),
    ignoreCase: fc.boolean(),
  }),
  text.map((regex): ValueMatch => ({ kind: 'regex', regex })),
  fc.record({ kind: fc.constant('range' as const), start: fc.maxSafeInteger(), end: fc.maxSafeInteger() }),
)
/** Those that no other field can say: at least one of both is set. */
const matcher: fc.Arbitrary<HeaderMatcher> = fc
  .record({
    name: fc.constantFrom(':path', ':method', ':authority', 'x-a'),
    match: valueMatch,
    invert: fc.boolean(),
    missingAsEmpty: fc.boolean(),
  })
  .filter(({ invert, missingAsEmpty }) => invert || missingAsEmpty)
const headerAction: fc.Arbitrary<HeaderAction> = fc
  .tuple(
    fc.record({
      name: fc.constantFrom('x-a', 'x-b'),
      value: text,
      onMatch: fc.constantFrom<HeaderAction['onMatch'][]>('continue', 'fail', 'delete'),
      onMismatch: fc.constantFrom<HeaderAction['onMismatch'][]>(
        'fail',
        'continue',
        'add',
        'delete',
        'replace',
      ),
    }),
    optional('isSecret', fc.constant(true)),
  )
  .map(([action, secret]) => ({ ...action, ...secret }))
const nonEmpty = <T>(items: fc.Arbitrary<T>): fc.Arbitrary<T[]> =>
  fc.array(items, { minLength: 1, maxLength: 3 })
const httpRule: fc.Arbitrary<HttpRule> = fc
  .tuple(
    fc.record(
      {
        name: fc.string({ minLength: 1 }),
        method: text,
        path: text,
        host: text,
        headers: fc.array(
          fc.record({ name: fc.constantFrom('x-a', 'x-b'), value: fc.option(text, { nil: undefined }) }),
        ),
      },
      { requiredKeys: ['name', 'headers'] },
    ),
    optional('matchers', nonEmpty(matcher)),
    optional('headerActions', nonEmpty(headerAction)),
    optional('mode', mode),
  )
  .map(([rule, ...others]) => Object.assign({ ...rule }, ...others) as HttpRule)
const int16 = fc.integer({ min: 0, max: 0x7fff })
const topic = fc.constantFrom('a', 'orders.eu-1_x')
const kafkaRule: fc.Arbitrary<KafkaRule> = fc
  .tuple(
    fc.record({ name: fc.string({ minLength: 1 }) }),
    optional(
      'apiKeys',
      fc.uniqueArray(int16, { minLength: 1, maxLength: 3 }).map((keys) => keys.sort((a, b) => a - b)),
    ),
    optional('apiVersion', int16),
    optional('clientId', fc.string({ minLength: 1 })),
    fc.oneof(optional('topic', topic), optional('topicPrefix', topic)),
    optional('group', fc.string({ minLength: 1 })),
    optional('transactionalId', fc.string({ minLength: 1 })),
    optional('mode', mode),
  )
  .map((parts) => Object.assign({}, ...parts) as KafkaRule)
const verdict: fc.Arbitrary<Pick<PortRule, 'deny' | 'http' | 'kafka'> & { passes: boolean }> = fc.oneof(
  fc.record({
    deny: fc.constant(false),
    http: fc.constant(undefined),
    kafka: fc.array(kafkaRule, { maxLength: 3 }),
    passes: fc.constant(false),
  }),
  fc.record({
    deny: fc.constant(false),
    http: fc.option(fc.array(httpRule, { maxLength: 3 }), { nil: undefined }),
    passes: fc.constant(false),
  }),
  fc.constant({ deny: true, http: undefined, passes: false }),
  fc.constant({ deny: false, http: undefined, passes: true }),
)
const portRule: fc.Arbitrary<PortRule> = fc
  .tuple(
    verdict,
    fc.record({
      name: text,
      precedence: fc.integer({ min: 7, max: 0xffff_ffff }),
      remoteIdentities: fc.option(
        fc.array(identity).map((ids) => ids.sort((a, b) => a - b)),
        { nil: undefined },
      ),
    }),
    optional('proxyId', fc.integer({ min: 1, max: 0xffff })),
    optional('mode', mode),
  )
  .map(([{ passes, ...given }, rule, ...others]): PortRule => {
    // One tier: passes that disagree are refused.
    return Object.assign({ ...rule, ...given, ...(passes ? { passPrecedence: 7 } : {}) }, ...others)
  })
const portRange = fc.oneof(
  fc.constant({ port: 0, endPort: 0 }),
  fc.tuple(fc.integer({ min: 1, max: 0xffff }), fc.integer({ min: 1, max: 0xffff })).map(([a, b]) => {
    return { port: Math.min(a, b), endPort: Math.max(a, b) }
  }),
)
const portPolicy: fc.Arbitrary<PortPolicy> = fc
  .tuple(portRange, fc.array(portRule, { maxLength: 3 }))
  .map(([range, rules]) => ({ ...range, rules }))
const networkPolicy: fc.Arbitrary<NetworkPolicy> = fc.record({
  endpointId: fc.integer({ min: 1, max: 0xffff }).map(asEndpointId),
  endpointIps: fc.array(fc.ipV4(), { minLength: 1, maxLength: 2 }),
  ingress: fc.array(portPolicy, { maxLength: 3 }),
  egress: fc.array(portPolicy, { maxLength: 3 }),
})

t.test('every policy comes back from the wire as it went', async (t) => {
  fc.assert(
    fc.property(networkPolicy, (policy) => {
      t.same(decodeNetworkPolicy(overTheWire(encodeNetworkPolicy(policy))), policy)
    }),
    { numRuns: 300 },
  )
})

t.test('a snapshot comes back as it went', async (t) => {
  const bytes = Connect.responseSerialize({ snapshot: encodeSnapshot(sampleSnapshot(9)) })
  const { snapshot } = Connect.responseDeserialize(bytes)
  t.same(snapshot && decodeSnapshot(snapshot), sampleSnapshot(9))
})

t.test('an HTTP rule uses the matchers that Envoy knows', async (t) => {
  const [rule] =
    encodeNetworkPolicy(sampleSnapshot(1).policies[0] as NetworkPolicy).ingressPerPortPolicies?.[0]?.rules ??
    []
  t.match(rule?.httpRules?.httpRules?.[0]?.headers, [
    { name: ':method', stringMatch: { safeRegex: { regex: 'POST' } } },
    { name: ':path', stringMatch: { safeRegex: { regex: '/v1/request-landing' } } },
    { name: 'x-token', presentMatch: true },
  ])
})

t.test('a rule that selects nobody does not become a rule for everybody', async (t) => {
  const rule = { name: '', precedence: 0, deny: false, remoteIdentities: [], http: undefined }
  const policy: NetworkPolicy = {
    endpointId: asEndpointId(1),
    endpointIps: [],
    ingress: [{ port: 80, endPort: 80, rules: [rule] }],
    egress: [],
  }
  const wire = encodeNetworkPolicy(policy)
  t.same(wire.ingressPerPortPolicies?.[0]?.rules?.[0]?.remotePolicies, [NOBODY])
})

const IPS = { endpointId: 1, endpointIps: ['10.0.0.1'] }
const withRule = (...rules: PortNetworkPolicyRule[]): WirePolicy => ({
  ...IPS,
  ingressPerPortPolicies: [{ port: 80, rules }],
})
const withHttp = (rule: object): WirePolicy => withRule({ httpRules: { httpRules: [rule] } })
const withHeader = (header: object): WirePolicy => withHttp({ headers: [header] })
const withKafka = (rule: object): WirePolicy => withRule({ kafkaRules: { kafkaRules: [rule] } })
const withAction = (action: object): WirePolicy => withHttp({ headerMatches: [action] })

const REFUSED: [string, WirePolicy, RegExp][] = [
  ['endpoint 0', {}, /NetworkPolicyResource endpoint_id must be non-zero/],
  ['a large endpoint id', { endpointId: 65_536, endpointIps: ['::1'] }, /endpoint_id must be 1\.\.65535/],
  ['no address', { endpointId: 1 }, /NetworkPolicyResource has no endpoint ips/],
  [
    'a pass upwards',
    withRule({ precedence: 1000, passPrecedence: 2000 }),
    /rules\[0\]: PortNetworkPolicyRule: pass_precedence 2000 must be lower than precedence 1000$/,
  ],
  [
    'passes that disagree',
    withRule({ precedence: 300, passPrecedence: 100 }, { precedence: 250, passPrecedence: 200 }),
    /ingress_per_port_policies: PortNetworkPolicy: Inconsistent pass precedence 200 != 100$/,
  ],
  [
    'passes that disagree where entries meet',
    {
      ...IPS,
      egressPerPortPolicies: [
        { port: 80, endPort: 90, rules: [{ precedence: 300, passPrecedence: 100 }] },
        { port: 90, endPort: 95, rules: [{ precedence: 250, passPrecedence: 200 }] },
      ],
    },
    /egress_per_port_policies: PortNetworkPolicy: Inconsistent pass precedence 200 != 100$/,
  ],
  ['a large proxy_id', withRule({ proxyId: 65_536 }), /proxy_id 65536/],
  ['SNI patterns', withRule({ serverNames: ['a.example'] }), /server_names/],
  ['TLS termination', withRule({ downstreamTlsContext: {} }), /downstream_tls_context/],
  ['TLS origination', withRule({ upstreamTlsContext: {} }), /upstream_tls_context/],
  ['generic rules', withRule({ l7Rules: {} }), /l7_rules/],
  ['a named parser', withRule({ l7Proto: 'memcache' }), /l7_proto "memcache"/],
  ['a mode of tomorrow', withRule({ weirMode: 7 as 0 }), /rules\[0\]: weir_mode 7/],
  ['HTTP rules that deny', withRule({ deny: true, httpRules: {} }), /http_rules .* deny/],
  ['a parser without its rules', withRule({ l7Proto: 'kafka' }), /l7_proto "kafka"/],
  ['HTTP rules for the Kafka parser', withRule({ l7Proto: 'kafka', httpRules: {} }), /l7_proto "kafka"/],
  ['Kafka rules for the HTTP parser', withRule({ l7Proto: 'http', kafkaRules: {} }), /l7_proto "http"/],
  ['Kafka rules that deny', withRule({ deny: true, kafkaRules: {} }), /kafka_rules .* deny/],
  [
    'Kafka rules that pass',
    withRule({ precedence: 9, passPrecedence: 5, kafkaRules: {} }),
    /kafka_rules .* pass_precedence/,
  ],
  ['a Kafka version too far', withKafka({ apiVersion: 32_768 }), /kafka_rules\[0\]: api_version 32768/],
  ['a negative API', withKafka({ apiKeys: [3, -1] }), /api_keys -1 must be 0\.\.32767/],
  ['an API too far', withKafka({ apiKeys: [32_768] }), /api_keys 32768/],
  ['a topic with an asterisk', withKafka({ topic: 'orders-*' }), /topic "orders-\*" must be up to 255/],
  ['a topic too long', withKafka({ topic: 'x'.repeat(256) }), /must be up to 255/],
  ['a prefix with a blank', withKafka({ weirTopicPrefix: 'a b' }), /weir_topic_prefix "a b"/],
  ['a topic and a prefix', withKafka({ topic: 'a', weirTopicPrefix: 'b' }), /topic is not supported beside/],
  ['a mode of tomorrow for Kafka', withKafka({ weirMode: 7 as 0 }), /kafka_rules\[0\]: weir_mode 7/],
  [
    'HTTP rules that pass',
    withRule({ precedence: 9, passPrecedence: 5, httpRules: {} }),
    /http_rules .* pass_precedence/,
  ],
  [
    'an empty prefix',
    withHeader({ name: 'a', stringMatch: { prefix: '' } }),
    /string_match\.prefix: is empty/,
  ],
  ['an empty string_match', withHeader({ name: 'a', stringMatch: {} }), /string_match: matches nothing/],
  [
    'a range beyond 2^53',
    withHeader({ name: 'a', rangeMatch: { start: 0, end: 2 ** 60 } }),
    /range_match: exceeds 2\^53/,
  ],
  ['another pseudo-header', withHeader({ name: ':scheme', presentMatch: true }), /headers\[0\]: .*:scheme/],
  ['a header without name', withHeader({ presentMatch: true }), /header name ""/],
  [
    'a secret of SDS',
    withAction({ name: 'a', valueSdsSecret: 's' }),
    /header_matches\[0\]: value_sds_secret/,
  ],
  ['an action of tomorrow', withAction({ name: 'a', matchAction: 9 as 0 }), /match_action 9/],
  ['another action of tomorrow', withAction({ name: 'a', mismatchAction: 9 as 0 }), /mismatch_action 9/],
  [
    'a descending range',
    { ...IPS, egressPerPortPolicies: [{ port: 80, endPort: 60 }] },
    /\[0\]: PortNetworkPolicy: Invalid port range, end port is less than start port 80-60$/,
  ],
  [
    'a range from 0',
    { ...IPS, egressPerPortPolicies: [{ port: 0, endPort: 80 }] },
    /PortNetworkPolicy: Invalid port range including the wildcard zero port 0-80$/,
  ],
  ['a large port', { ...IPS, egressPerPortPolicies: [{ port: 65_536 }] }, /port 65536/],
  ['a large last port', { ...IPS, egressPerPortPolicies: [{ port: 1, endPort: 65_536 }] }, /end_port 65536/],
]
for (const [what, message, expected] of REFUSED) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(() => decodeNetworkPolicy(overTheWire(message)), { code: 'POLICY_INVALID', message: expected })
  })
}

t.test('a policy of another agent', async (t) => {
  const decoded = decodeNetworkPolicy(
    overTheWire({
      endpointId: 5,
      endpointIps: ['10.0.0.5'],
      ingressPerPortPolicies: [
        { port: 53, protocol: 'UDP' },
        {
          port: 80,
          rules: [
            {
              precedence: 200,
              passPrecedence: 200,
              proxyId: 9,
              remotePolicies: [7, 5],
            },
            { l7Proto: 'http', httpRules: { httpRules: [{ headers: [{ name: 'X-Up' }] }] } },
          ],
        },
      ],
    }),
  )
  t.equal(decoded.ingress.length, 1, 'an entry for UDP never meets a TCP connection')
  const [pass, http] = decoded.ingress[0]?.rules ?? []
  t.match(pass, { passPrecedence: 200, proxyId: 9, remoteIdentities: [5, 7], deny: false })
  t.match(http?.http, [{ name: /http_rules\[0\]/, headers: [{ name: 'x-up', value: undefined }] }])
})

t.test('matchers of Envoy become the fields that are matched together, where they can', async (t) => {
  const decode = (...headers: object[]): HttpRule | undefined =>
    decodeNetworkPolicy(overTheWire(withHttp({ headers }))).ingress[0]?.rules[0]?.http?.[0]
  t.match(
    decode(
      { name: ':path', stringMatch: { exact: '/a.b' } },
      { name: ':method', safeRegexMatch: { regex: 'GET|PUT' } },
      { name: ':authority', exactMatch: 'a.test' },
      { name: 'x-a', exactMatch: '1' },
    ),
    {
      path: '/a\\.b',
      method: 'GET|PUT',
      host: 'a\\.test',
      headers: [{ name: 'x-a', value: '1' }],
      matchers: undefined,
    },
  )
  t.match(
    decode(
      { name: ':path', stringMatch: { safeRegex: { regex: '/a.*' } } },
      { name: ':path', stringMatch: { safeRegex: { regex: '.*b' } } },
      { name: ':path', stringMatch: { exact: '/ab' }, invertMatch: true },
      { name: 'x-a', presentMatch: false },
      { name: 'x-b', presentMatch: false, invertMatch: true },
      { name: 'x-c', prefixMatch: 'p' },
      { name: 'x-c', suffixMatch: 's' },
      { name: 'x-c', containsMatch: 'c' },
    ),
    {
      path: '/a.*',
      headers: [{ name: 'x-b', value: undefined }],
      matchers: [
        { name: ':path', match: { kind: 'regex', regex: '.*b' }, invert: false },
        { name: ':path', match: { kind: 'exact', text: '/ab' }, invert: true },
        { name: 'x-a', match: { kind: 'present' }, invert: true },
        { name: 'x-c', match: { kind: 'prefix', text: 'p', ignoreCase: false } },
        { name: 'x-c', match: { kind: 'suffix', text: 's' } },
        { name: 'x-c', match: { kind: 'contains', text: 'c' } },
      ],
    },
  )
})
