// Kafka rules of documents: what they become, what is refused and how.
import t from 'tap'
import { kafkaApiKey, kafkaApiName, KAFKA_API_NAMES } from '../../../../src/policy/kafka-apis.ts'
import type { KafkaRule } from '../../../../src/policy/network-policy.ts'
import { formatProblem } from '../../../../src/policy/problem.ts'
import { documentText, parse, parseGood } from '../../../helpers/policy-world.ts'

const TCP = { port: '9092', protocol: 'TCP' }
const specOf = (rules: unknown, port: object = TCP): object => ({
  endpointSelector: {},
  ingress: [{ toPorts: [{ ports: [port], rules }] }],
})
const META = { name: 'p', namespace: 'n' }
const textOf = (spec: object, annotations: object = {}): string => {
  return documentText('CiliumNetworkPolicy', spec, { ...META, annotations })
}

function rulesOf(rules: readonly object[], annotations: object = {}): readonly KafkaRule[] | undefined {
  const [policy] = parseGood(textOf(specOf({ kafka: rules }), annotations))
  return policy?.rules[0]?.ingress.elements[0]?.grants[0]?.kafka
}

function problemsOf(spec: object, annotations: object = {}): string[] {
  return parse(textOf(spec, annotations)).problems.map(formatProblem)
}

const NAME = 'n/p ingress[0].toPorts[0].rules.kafka'

t.test('every field', async (t) => {
  t.same(
    rulesOf([
      {},
      { apiKey: 'FETCH', apiVersion: '12', clientID: 'c', topic: 'a.b_C-1' },
      { topicPrefix: 'orders.', group: 'g h', transactionalID: 'é' },
    ]),
    [
      { name: `${NAME}[0]` },
      { name: `${NAME}[1]`, apiKeys: [1], apiVersion: 12, clientId: 'c', topic: 'a.b_C-1' },
      { name: `${NAME}[2]`, topicPrefix: 'orders.', group: 'g h', transactionalId: 'é' },
    ],
  )
})

t.test('roles are what Cilium makes of them and what clients of today need besides', async (t) => {
  const names = (role: string): string[] =>
    rulesOf([{ role }])
      ?.flatMap(({ apiKeys }) => apiKeys ?? [])
      .map(kafkaApiName) ?? []
  t.same(names('produce'), [
    ...['Produce', 'Metadata', 'FindCoordinator', 'SaslHandshake', 'ApiVersions', 'InitProducerId'],
    ...['AddPartitionsToTxn', 'AddOffsetsToTxn', 'EndTxn', 'SaslAuthenticate'],
    ...['GetTelemetrySubscriptions', 'PushTelemetry'],
  ])
  t.same(names('Consume'), [
    ...['Fetch', 'ListOffsets', 'Metadata', 'OffsetCommit', 'OffsetFetch', 'FindCoordinator', 'JoinGroup'],
    ...['Heartbeat', 'LeaveGroup', 'SyncGroup', 'SaslHandshake', 'ApiVersions', 'OffsetForLeaderEpoch'],
    ...['TxnOffsetCommit', 'SaslAuthenticate', 'ConsumerGroupHeartbeat', 'GetTelemetrySubscriptions'],
    ...['PushTelemetry', 'ShareGroupHeartbeat', 'ShareFetch', 'ShareAcknowledge'],
  ])
})

t.test('APIs by name in any case, by an older name, by number', async (t) => {
  for (const [name, key] of Object.entries({
    ...{
      produce: 0,
      ListOffsets: 2,
      offsets: 2,
      alterconfigs: 33,
      SaslAuthenticate: 36,
      createPartitions: 37,
    },
    ...{ describecluster: 60, consumergroupheartbeat: 68, listClientMetricsResources: 74, sharefetch: 78 },
    ...{ deletesharegroupoffsets: 92, '4711': 4711 },
  })) {
    t.equal(kafkaApiKey(name), key, name)
  }
  KAFKA_API_NAMES.forEach((name, key) => t.equal(kafkaApiKey(name), key))
  for (const name of ['', '-1', '32768', 'fetches']) t.equal(kafkaApiKey(name), undefined, name)
})

t.test('wrong values are refused by name, with path and mend', async (t) => {
  const long = 'x'.repeat(256)
  const cases: [object, RegExp][] = [
    [{ role: 'admin' }, /rules\.kafka\[0\]\.role: unknown role \(value: "admin"\); use produce or consume/],
    [{ role: 'produce', apiKey: 'fetch' }, /apiKey: cannot be combined with role .*write two rules/],
    [{ apiKey: 'fetsh' }, /apiKey: is not an API of Kafka \(value: "fetsh"\); did you mean "fetch"\?/],
    [{ apiKey: 'zzzzzzzz' }, /is not an API of Kafka .*or its number/],
    [{ apiVersion: '1.5' }, /apiVersion must be 0 to 32767/],
    [{ apiVersion: '-1' }, /apiVersion must be 0 to 32767/],
    [{ apiVersion: '32768' }, /apiVersion must be 0 to 32767/],
    [{ apiVersion: 7 }, /apiVersion: must be text \(value: 7\); put it in quotes: "7"/],
    [{ topic: 'orders-*' }, /topic: topics hold letters, .*\(value: "orders-\*"\); .*topicPrefix/],
    [{ topic: 'a\\b' }, /topics hold letters/],
    [{ topic: long }, /topic has 256 characters, the limit is 255/],
    [{ topicPrefix: 'orders-*' }, /topicPrefix: topics hold .*write it without a "\*"/],
    [{ topicPrefix: long }, /topicPrefix has 256 characters/],
    [{ topic: 'a', topicPrefix: 'a' }, /topicPrefix: cannot be combined with topic in one rule/],
    [{ group: 'x'.repeat(32_768) }, /group has 32768 bytes, the limit is 32767/],
    ...['role', 'apiKey', 'apiVersion', 'clientID', 'topic', 'topicPrefix', 'group', 'transactionalID'].map(
      (field): [object, RegExp] => [
        { [field]: '' },
        new RegExp(`${field}: ${field} is empty .*remove ${field} to match every`),
      ],
    ),
    [{ clientId: 'x' }, /unknown field "clientId" .*did you mean "clientID"\?/],
  ]
  for (const [rule, expected] of cases) {
    const [first, ...others] = problemsOf(specOf({ kafka: [rule] }))
    t.match(first, expected, JSON.stringify(rule).slice(0, 100))
    t.same(others, [])
  }
})

t.test('where they may stand', async (t) => {
  const rules = { kafka: [{}] }
  t.match(problemsOf(specOf({ kafka: [] })), [/rules\.kafka: lists no rule .*write \[{}\]/])
  t.match(problemsOf(specOf({})), [/names no protocol .*http or kafka/])
  t.match(problemsOf(specOf({ http: [{}], kafka: [{}] })), [
    /rules\.kafka: cannot be combined with http in one item .*write two items/,
  ])
  t.match(problemsOf(specOf(rules, { port: '9092' })), [/kafka rules need protocol TCP, not ANY/])
  t.match(problemsOf(specOf(rules, { port: '9092', protocol: 'UDP' })), [/need protocol TCP, not UDP/])
  t.match(problemsOf(specOf(rules, { port: '0', protocol: 'TCP' })), [
    /kafka rules need a port, not "0" .*speaks Kafka/,
  ])
  const denied = { endpointSelector: {}, ingressDeny: [{ toPorts: [{ ports: [TCP], rules }] }] }
  t.match(problemsOf(denied), [/field "rules" is not supported yet .*deny rules work on peers and ports/])
})

t.test('modes by the path of a rule', async (t) => {
  const modes = { 'weir/rule-modes': 'ingress[0].toPorts[0].rules.kafka[1]=audit' }
  t.same(rulesOf([{ topic: 'a' }, { topic: 'b' }], modes), [
    { name: `${NAME}[0]`, topic: 'a' },
    { name: `${NAME}[1]`, topic: 'b', mode: 'audit' },
  ])
  const wrong = { 'weir/rule-modes': 'ingress[0].toPorts[0].rules.kafka[2]=audit' }
  t.match(problemsOf(specOf({ kafka: [{}] }), wrong), [/the policy has no rule ingress/])
})
