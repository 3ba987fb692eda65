import fc from 'fast-check'
import t from 'tap'
import type { NetworkPolicy__Output } from '../../../src/gen/cilium/NetworkPolicy.ts'
import type { NetworkPolicy as WirePolicy } from '../../../src/gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicyRule } from '../../../src/gen/cilium/PortNetworkPolicyRule.ts'
import { asEndpointId, asIdentity } from '../../../src/lib/brands.ts'
import { protos } from '../../../src/lib/rpc/load.ts'
import type { HttpRule, NetworkPolicy, PortPolicy, PortRule } from '../../../src/policy/network-policy.ts'
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
const httpRule: fc.Arbitrary<HttpRule> = fc
  .record(
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
  )
  .map((rule) => ({ ...rule }))
const portRule: fc.Arbitrary<PortRule> = fc.record({
  name: text,
  precedence: fc.integer({ min: 0, max: 0xffff_ffff }),
  deny: fc.boolean(),
  remoteIdentities: fc.option(fc.array(identity), { nil: undefined }),
  http: fc.option(fc.array(httpRule, { maxLength: 3 }), { nil: undefined }),
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
  endpointIps: fc.array(fc.ipV4(), { maxLength: 2 }),
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

const withRule = (rule: PortNetworkPolicyRule): WirePolicy => ({
  endpointId: 1,
  ingressPerPortPolicies: [{ port: 80, rules: [rule] }],
})
const withHeader = (header: object): WirePolicy =>
  withRule({ httpRules: { httpRules: [{ headers: [header] }] } })

const REFUSED: [string, WirePolicy, RegExp][] = [
  ['endpoint 0', {}, /endpoint_id must be 1\.\.65535/],
  ['a pass rule', withRule({ passPrecedence: 5 }), /rules\[0\]: pass_precedence/],
  ['a rule for one listener', withRule({ proxyId: 5 }), /proxy_id/],
  ['SNI patterns', withRule({ serverNames: ['a.example'] }), /server_names/],
  ['TLS termination', withRule({ downstreamTlsContext: {} }), /downstream_tls_context/],
  ['TLS origination', withRule({ upstreamTlsContext: {} }), /upstream_tls_context/],
  ['Kafka rules', withRule({ kafkaRules: {} }), /kafkaRules/],
  ['generic rules', withRule({ l7Rules: {} }), /l7Rules/],
  ['a named parser', withRule({ l7Proto: 'memcache' }), /l7_proto memcache/],
  [
    'header rewriting',
    withRule({ httpRules: { httpRules: [{ headerMatches: [{ name: 'a' }] }] } }),
    /header_matches/,
  ],
  ['an inverted matcher', withHeader({ name: 'a', presentMatch: true, invertMatch: true }), /invert_match/],
  ['absence', withHeader({ name: 'a', presentMatch: false }), /exact value or presence/],
  ['a prefix', withHeader({ name: 'a', stringMatch: { prefix: 'x' } }), /exact value or presence/],
  [
    'ignored case',
    withHeader({ name: 'a', stringMatch: { exact: 'x', ignoreCase: true } }),
    /exact value or presence/,
  ],
  ['an exact path', withHeader({ name: ':path', stringMatch: { exact: '/' } }), /:path must use/],
  ['another pseudo-header', withHeader({ name: ':scheme', presentMatch: true }), /:scheme/],
  ['a descending range', { endpointId: 1, egressPerPortPolicies: [{ port: 80, endPort: 60 }] }, /80-60/],
  ['a range from 0', { endpointId: 1, egressPerPortPolicies: [{ port: 0, endPort: 60 }] }, /0-60/],
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
          rules: [{ l7Proto: 'http', httpRules: { httpRules: [{ headers: [{ name: 'X-Up' }] }] } }],
        },
      ],
    }),
  )
  t.equal(decoded.ingress.length, 1, 'an entry for UDP never meets a TCP connection')
  t.match(decoded.ingress[0]?.rules[0]?.http, [
    { name: /http_rules\[0\]/, headers: [{ name: 'x-up', value: undefined }] },
  ])
})
