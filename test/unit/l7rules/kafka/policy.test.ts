// Kafka rules from the snapshot to the verdict, beside rules for nothing and for HTTP.
import fc from 'fast-check'
import t from 'tap'
import { asEndpointId, asIdentity, asRevision } from '../../../../src/lib/brands.ts'
import type { KafkaAccess } from '../../../../src/l7rules/kafka/request.ts'
import { compileSnapshot, type ConnectionPolicy } from '../../../../src/l7rules/snapshot.ts'
import type { Verdict } from '../../../../src/l7rules/verdict.ts'
import type { KafkaRule, PortPolicy, PortRule, RuleMode } from '../../../../src/policy/network-policy.ts'
import { naiveJudge, type NaiveAccess, type NaiveFlow } from '../naive-judge.ts'
import { access, flow, world } from '../policies.ts'
import { makeRequest } from '../requests.ts'

const OPEN: readonly PortPolicy[] = [{ port: 0, endPort: 0, rules: [] }]
const FLOW: NaiveFlow = { port: 80, peer: 100, proxyId: 0 }

function connect(
  ingress: readonly PortPolicy[],
  { port, peer, proxyId }: NaiveFlow = FLOW,
  egress?: readonly PortPolicy[],
): ConnectionPolicy {
  const source = asEndpointId(2)
  return compileSnapshot({
    revision: asRevision(1),
    policies: [
      { endpointId: asEndpointId(1), endpointIps: [], ingress, egress: OPEN },
      ...(egress === undefined ? [] : [{ endpointId: source, endpointIps: [], ingress: OPEN, egress }]),
    ],
    endpoints: [],
    identities: [],
  }).connection({
    egressEndpoint: egress === undefined ? 0 : source,
    ingressEndpoint: asEndpointId(1),
    sourceIdentity: asIdentity(peer),
    destinationIdentity: asIdentity(1),
    destinationPort: port,
    proxyId,
  })
}

function judge(connection: ConnectionPolicy, parts: NaiveAccess): Verdict {
  // Whatever it says of requests, it is the same for all.
  if (connection.kind === 'http') return connection.judge(makeRequest({}))
  if (connection.kind !== 'kafka') return connection.verdict
  const { isUnread, topic, group, transactionalId } = parts
  const touched: KafkaAccess = {
    ...(topic === undefined ? {} : { topic }),
    ...(group === undefined ? {} : { group }),
    ...(transactionalId === undefined ? {} : { transactionalId }),
    ...(isUnread ? { isUnread } : {}),
  }
  return connection.judge.judge(parts, touched)
}

const MODES: Readonly<Record<string, readonly RuleMode[]>> = {
  'enforced rules': ['enforce'],
  'all modes': ['enforce', 'audit', 'shadow'],
}
for (const [what, modes] of Object.entries(MODES)) {
  t.test(`agrees with the naive reading: ${what}`, async (t) => {
    const { ports } = world({ modes, protocol: 'kafka' })
    const cases = fc.array(access, { minLength: 20, maxLength: 20 })
    const property = fc.property(ports, flow, cases, (policy, ends, accesses) => {
      const connection = connect(policy, ends)
      // Twice, and enough under one topic, so that what is kept has something to get wrong.
      for (const parts of [...accesses, ...accesses]) {
        const verdict = judge(connection, parts)
        const expected = naiveJudge(policy, ends, parts)
        const isSame =
          verdict.allowed === expected.allowed &&
          (verdict.audit !== undefined) === expected.audit &&
          // A connection that is denied before anything is read has no request to rehearse.
          (verdict.shadow === undefined && !verdict.allowed
            ? true
            : verdict.shadow?.allowed === expected.shadow)
        if (!isSame) throw new Error(JSON.stringify({ policy, ends, parts, verdict, expected }))
        if (connection.kind === 'kafka' && parts.isUnread) {
          t.equal(connection.judge.restrictsResources(parts), !expected.allowed)
        }
      }
    })
    fc.assert(property, { numRuns: 2000 })
  })
}

const rule = (parts: Partial<PortRule>): PortRule => {
  return { name: 'p', precedence: 1, deny: false, remoteIdentities: undefined, http: undefined, ...parts }
}
const on = (...rules: PortRule[]): readonly PortPolicy[] => [{ port: 80, endPort: 80, rules }]
const topic = (name: string, parts: Partial<KafkaRule> = {}): KafkaRule => ({ name, topic: name, ...parts })
const KAFKA = rule({ name: 'kafka', kafka: [topic('a')] })
const HTTP = rule({ name: 'http', http: [{ name: 'h', headers: [] }] })

const produce = (name: string): NaiveAccess => ({
  apiKey: 0,
  apiVersion: 9,
  clientId: 'c',
  topic: name,
  group: undefined,
  transactionalId: undefined,
  isUnread: false,
})
/** `+` or `-`, the reason, the direction and the rule. */
const say = ({ allowed, reason, direction, rule: name }: Verdict): string =>
  `${allowed ? '+' : '-'}${reason} ${direction} ${name}`.trim()

t.test('both ends must allow', async (t) => {
  const egress = on(rule({ name: 'out', kafka: [topic('a'), topic('b')] }))
  const connection = connect(on(KAFKA), FLOW, egress)
  t.equal(say(judge(connection, produce('a'))), '+RULE_MATCHED ingress a')
  t.equal(say(judge(connection, produce('b'))), '-NO_RULE_MATCHED ingress kafka')
  t.equal(say(judge(connection, produce('c'))), '-NO_RULE_MATCHED egress out')
  t.match(connection, { kind: 'kafka', isAdvisory: false, unparseable: { reason: 'UNPARSEABLE' } })
  const oneSide = connect(on(rule({ name: 'plain' })), FLOW, egress)
  t.equal(say(judge(oneSide, produce('b'))), '+RULE_MATCHED egress b', 'a plain side has no say')
})

t.test('rules for HTTP and Kafka for the same peer contradict each other: nothing passes', async (t) => {
  t.match(connect(on(KAFKA, HTTP)), {
    kind: 'deny',
    verdict: { reason: 'PROTOCOL_CONFLICT', rule: 'kafka', direction: 'ingress' },
  })
  t.match(connect(on(rule({ ...HTTP, precedence: 9 }), KAFKA)), { kind: 'deny' }, 'of any precedence')
  const other = rule({ ...HTTP, remoteIdentities: [asIdentity(7)] })
  t.match(connect(on(KAFKA, other)), { kind: 'kafka' }, 'other peers do not matter')
  t.match(connect(on(KAFKA, other), { ...FLOW, peer: 7 }), { kind: 'deny' })
  t.match(connect(on(KAFKA, HTTP, rule({ name: 'plain' }))), { kind: 'allow' }, 'a plain allow beats both')
  const deny = rule({ name: 'no', deny: true, precedence: 2 })
  t.match(connect(on(deny, KAFKA, HTTP)), { kind: 'deny', verdict: { reason: 'DENY_RULE' } })
})

t.test('one end for HTTP and the other for Kafka: nothing passes', async (t) => {
  const conflict = { kind: 'deny', verdict: { reason: 'PROTOCOL_CONFLICT' } }
  t.match(connect(on(KAFKA), FLOW, on(HTTP)), conflict)
  t.match(connect(on(HTTP), FLOW, on(KAFKA)), conflict)
})

t.test('rules in weaker modes for another protocol change nothing, and say that they would', async (t) => {
  const shadow = rule({ ...HTTP, mode: 'shadow' })
  const audit = rule({ ...HTTP, mode: 'audit' })
  const denied = { allowed: false, reason: 'PROTOCOL_CONFLICT' }
  const verdict = judge(connect(on(KAFKA, shadow)), produce('a'))
  t.equal(say(verdict), '+RULE_MATCHED ingress a')
  t.match(verdict.shadow, denied)
  t.match(judge(connect(on(KAFKA, audit)), produce('a')), { allowed: true, audit: denied })
  // The other end looks on: its rules cannot judge what is no HTTP.
  const looking = (mode: 'audit' | 'shadow'): PortRule => rule({ http: [{ name: 'h', headers: [], mode }] })
  for (const [ingress, egress] of [
    [on(KAFKA), on(looking('shadow'))],
    [on(looking('shadow')), on(KAFKA)],
  ] as const) {
    const connection = connect(ingress, FLOW, egress)
    t.match(connection, { kind: 'kafka', isAdvisory: false })
    t.match(judge(connection, produce('a')), { allowed: true, shadow: { reason: 'UNPARSEABLE' } })
    t.match(judge(connection, produce('b')), { allowed: false })
  }
  const both = connect(on(rule({ kafka: [topic('a', { mode: 'shadow' })] })), FLOW, on(looking('audit')))
  t.match(both, { kind: 'http', isAdvisory: true })
})

t.test('rules in audit and shadow alone only look on', async (t) => {
  const connection = connect(on(rule({ kafka: [topic('a', { mode: 'audit' })] })))
  t.match(connection, { kind: 'kafka', isAdvisory: true })
  t.match(judge(connection, produce('b')), { allowed: true, audit: { reason: 'NO_RULE_MATCHED' } })
  if (connection.kind !== 'kafka') return
  t.notOk(connection.judge.restrictsResources(produce('b')))
})
