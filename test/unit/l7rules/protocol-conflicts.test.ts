// Conflicts are found where a connection would meet them, and nowhere else.
import fc from 'fast-check'
import t from 'tap'
import { DirectionPolicy } from '../../../src/l7rules/direction-policy.ts'
import { protocolConflicts } from '../../../src/l7rules/protocol-conflicts.ts'
import { asEndpointId, asIdentity } from '../../../src/lib/brands.ts'
import type { NetworkPolicy, PortPolicy, PortRule } from '../../../src/policy/network-policy.ts'
import { conflictTexts, type ProtocolConflict } from '../../../src/policy/protocol-conflict.ts'
import { compareRules } from '../../../src/policy/rule-order.ts'

const PORT = 80
const PEERS = [0, 1, 2, 3, 4]

const on = (ingress: readonly PortPolicy[], egress: readonly PortPolicy[] = []): NetworkPolicy => {
  return { endpointId: asEndpointId(1), endpointIps: [], ingress, egress }
}

const header = { name: 'x', value: 'y', onMatch: 'continue', onMismatch: 'add' } as const
const KINDS: readonly Partial<PortRule>[] = [
  { http: [{ name: 'h', headers: [] }] },
  { http: [{ name: 'edit', headers: [], headerActions: [header] }] },
  { http: undefined, kafka: [{ name: 'k', topic: 'a' }] },
  { http: undefined },
  { http: undefined, deny: true },
]
const rule: fc.Arbitrary<PortRule> = fc
  .record({
    name: fc.constantFrom('a', 'b', 'c'),
    precedence: fc.integer({ min: 1, max: 3 }),
    remoteIdentities: fc.option(
      fc
        .uniqueArray(fc.constantFrom(1, 2, 3, 4), { maxLength: 3 })
        .map((some) => some.sort((a, b) => a - b).map(asIdentity)),
      { nil: undefined },
    ),
    kind: fc.constantFrom(...KINDS),
  })
  .map(({ kind, ...rest }) => ({ deny: false, http: undefined, ...rest, ...kind }))

t.test('a port has a conflict exactly when some peer would be denied for it', (t) => {
  const seen = { some: 0, none: 0 }
  fc.assert(
    fc.property(fc.array(rule, { minLength: 2, maxLength: 6 }), (unordered) => {
      const ports = [{ port: PORT, endPort: PORT, rules: [...unordered].sort(compareRules) }]
      const policy = new DirectionPolicy('ingress', ports)
      const isDenied = PEERS.some((peer) => {
        const { judgement } = policy.side(PORT, peer, 0)
        return judgement.kind === 'fixed' && judgement.verdict.reason === 'PROTOCOL_CONFLICT'
      })
      seen[isDenied ? 'some' : 'none']++
      return protocolConflicts(on(ports)).length === (isDenied ? 1 : 0)
    }),
    { numRuns: 2_000 },
  )
  t.ok(seen.some > 100 && seen.none > 100, `${seen.some} with a conflict, ${seen.none} without`)
  t.end()
})

t.test('what is told', (t) => {
  const http = {
    name: 'default/web ingress[0]',
    precedence: 1,
    deny: false,
    remoteIdentities: undefined,
    ...KINDS[0],
  }
  const kafka = { ...http, name: 'default/orders ingress[1]', ...KINDS[2] }
  const rules = [http, kafka] as PortRule[]
  const ports = [
    { port: 80, endPort: 80, rules },
    { port: 90, endPort: 99, rules },
    { port: 100, endPort: 100, rules: [rules[0]!] },
  ]
  const conflicts = protocolConflicts(on(ports, [{ port: 0, endPort: 0, rules }]))
  const expected = (direction: 'ingress' | 'egress', port: number, endPort = port): ProtocolConflict => {
    return { direction, port, endPort, http: http.name, kafka: kafka.name }
  }
  t.strictSame(conflicts, [expected('ingress', 80), expected('ingress', 90, 99), expected('egress', 0)])

  const audited = rules.map((one): PortRule => (one.kafka === undefined ? one : { ...one, mode: 'audit' }))
  t.strictSame(protocolConflicts(on([{ port: 80, endPort: 80, rules: audited }])), [], 'nobody is denied')

  const rest =
    'PROTOCOL_CONFLICT: rules for HTTP (default/web ingress[0]) and for Kafka (default/orders ingress[1]) apply to the same peers, which are denied; give the protocols different ports or peers'
  t.strictSame(conflictTexts([['default/a', conflicts]]), [
    `endpoint default/a, ingress, port 80: ${rest}`,
    `endpoint default/a, ingress, ports 90-99: ${rest}`,
    `endpoint default/a, egress, any port: ${rest}`,
  ])
  const names = Array.from({ length: 1_000 }, (_, i) => `n/${i}`)
  t.strictSame(conflictTexts(names.map((name) => [name, conflicts.slice(0, 1)])), [
    `endpoints n/0, n/1, n/2 and 997 more, ingress, port 80: ${rest}`,
  ])
  t.end()
})
