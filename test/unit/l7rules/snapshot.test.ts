import fc from 'fast-check'
import t from 'tap'
import { asEndpointId, asIdentity, asRevision } from '../../../src/lib/brands.ts'
import { compileHttpRules } from '../../../src/l7rules/http-rules.ts'
import { compileSnapshot, type CompiledSnapshot } from '../../../src/l7rules/snapshot.ts'
import type { Verdict } from '../../../src/l7rules/verdict.ts'
import type {
  HttpRule,
  NetworkPolicy,
  PolicySnapshot,
  PortPolicy,
  PortRule,
} from '../../../src/policy/network-policy.ts'
import { makeRequest, type RequestParts } from './requests.ts'

const ALLOW_ALL: PortPolicy[] = [{ port: 0, endPort: 0, rules: [] }]

interface Ends {
  readonly egress?: number
  readonly ingress?: number
  readonly source?: number
  readonly destination?: number
  readonly port?: number
}

function get(path: string, name = `GET ${path}`): HttpRule {
  return { name, method: 'GET', path, headers: [] }
}

function portRule(parts: Partial<Omit<PortRule, 'remoteIdentities'>> & { peers?: number[] }): PortRule {
  const { peers, ...rest } = parts
  const remoteIdentities = peers?.map(asIdentity)
  return { name: 'p', precedence: 0, deny: false, http: undefined, ...rest, remoteIdentities }
}

function on(port: number, ...rules: PortRule[]): PortPolicy {
  return { port, endPort: port, rules }
}

function policy(id: number, ingress: PortPolicy[], egress: PortPolicy[] = ALLOW_ALL): NetworkPolicy {
  return { endpointId: asEndpointId(id), endpointIps: [], ingress, egress }
}

function snapshotOf(policies: NetworkPolicy[], revision = 1): PolicySnapshot {
  return { revision: asRevision(revision), policies, endpoints: [], identities: [] }
}

function connect(snapshot: CompiledSnapshot, ends: Ends): ReturnType<CompiledSnapshot['connection']> {
  const { egress = 0, ingress = 0, source = 100, destination = 200, port = 80 } = ends
  return snapshot.connection({
    egressEndpoint: egress === 0 ? 0 : asEndpointId(egress),
    ingressEndpoint: ingress === 0 ? 0 : asEndpointId(ingress),
    sourceIdentity: asIdentity(source),
    destinationIdentity: asIdentity(destination),
    destinationPort: port,
  })
}

function judge(snapshot: CompiledSnapshot, ends: Ends, request: RequestParts = {}): Verdict {
  const connection = connect(snapshot, ends)
  if (connection.kind === 'http') return connection.judge(makeRequest(request))
  return connection.kind === 'kafka' ? connection.unparseable : connection.verdict
}

/** `+` or `-`, the reason, the direction and the rule. */
function say({ allowed, reason, direction, rule }: Verdict): string {
  return `${allowed ? '+' : '-'}${reason} ${direction} ${rule}`.trim()
}

t.test('lists of a direction: empty denies, an entry without rules allows', async (t) => {
  const snapshot = compileSnapshot(snapshotOf([policy(1, [], []), policy(2, ALLOW_ALL)]))
  t.equal(say(judge(snapshot, { ingress: 1 })), '-PEER_NOT_ALLOWED ingress')
  t.equal(say(judge(snapshot, { egress: 1 })), '-PEER_NOT_ALLOWED egress')
  t.equal(say(judge(snapshot, { ingress: 2 })), '+NO_L7_RULES ingress')
  t.equal(say(judge(snapshot, { egress: 2 })), '+NO_L7_RULES egress')
  t.equal(connect(snapshot, { egress: 2, ingress: 2 }).kind, 'allow')
  t.equal(connect(snapshot, { egress: 1, ingress: 2 }).kind, 'deny')
})

t.test('endpoints that the snapshot does not hold are denied, as is a connection without any', async (t) => {
  const snapshot = compileSnapshot(snapshotOf([policy(1, ALLOW_ALL)]))
  t.equal(say(judge(snapshot, { ingress: 9 })), '-ENDPOINT_UNKNOWN ingress')
  t.equal(say(judge(snapshot, { egress: 9, ingress: 1 })), '-ENDPOINT_UNKNOWN egress')
  t.equal(say(judge(snapshot, {})), '-ENDPOINT_UNKNOWN ingress')
})

t.test(
  'ports: the range that holds it together with the any-port entry, else that alone, else denied',
  async (t) => {
    const any: PortPolicy = { port: 0, endPort: 0, rules: [portRule({ name: 'any', peers: [7] })] }
    const range: PortPolicy = { port: 80, endPort: 90, rules: [portRule({ name: 'range', peers: [8] })] }
    const snapshot = compileSnapshot(snapshotOf([policy(1, [range, any]), policy(2, [range])]))
    t.equal(say(judge(snapshot, { ingress: 1, source: 8, port: 80 })), '+NO_L7_RULES ingress range')
    t.equal(say(judge(snapshot, { ingress: 1, source: 8, port: 90 })), '+NO_L7_RULES ingress range')
    t.equal(say(judge(snapshot, { ingress: 1, source: 8, port: 91 })), '-PEER_NOT_ALLOWED ingress')
    t.equal(say(judge(snapshot, { ingress: 1, source: 7, port: 85 })), '+NO_L7_RULES ingress any')
    t.equal(say(judge(snapshot, { ingress: 1, source: 7, port: 79 })), '+NO_L7_RULES ingress any')
    t.equal(say(judge(snapshot, { ingress: 2, source: 7, port: 79 })), '-PEER_NOT_ALLOWED ingress')
  },
)

t.test('peers: HTTP rules for one, everything for another', async (t) => {
  const rules = [
    portRule({ name: 'l7', peers: [5], http: [get('/public')] }),
    portRule({ name: 'plain', peers: [6, 9] }),
  ]
  const snapshot = compileSnapshot(snapshotOf([policy(1, [on(80, ...rules)])]))
  t.equal(
    say(judge(snapshot, { ingress: 1, source: 5 }, { path: '/public' })),
    '+RULE_MATCHED ingress GET /public',
  )
  t.equal(say(judge(snapshot, { ingress: 1, source: 5 }, { path: '/x' })), '-NO_RULE_MATCHED ingress l7')
  t.equal(connect(snapshot, { ingress: 1, source: 9 }).kind, 'allow')
  t.equal(say(judge(snapshot, { ingress: 1, source: 7 })), '-PEER_NOT_ALLOWED ingress')
})

t.test('order: precedence, deny first at a tie, and no match goes on', async (t) => {
  const l7 = portRule({ name: 'l7', precedence: 5, http: [get('/a')] })
  const at = (...rules: PortRule[]): CompiledSnapshot =>
    compileSnapshot(snapshotOf([policy(1, [on(80, ...rules)])]))
  const ask = (snapshot: CompiledSnapshot, path: string): string =>
    say(judge(snapshot, { ingress: 1 }, { path }))
  const lowDeny = at(portRule({ name: 'no', precedence: 1, deny: true }), l7)
  t.equal(ask(lowDeny, '/a'), '+RULE_MATCHED ingress GET /a')
  t.equal(ask(lowDeny, '/b'), '-DENY_RULE ingress no')
  const tiedDeny = at(l7, portRule({ name: 'no', precedence: 5, deny: true }))
  t.equal(ask(tiedDeny, '/a'), '-DENY_RULE ingress no')
  const lowAllow = at(portRule({ name: 'plain', precedence: 1 }), l7)
  t.equal(ask(lowAllow, '/b'), '+NO_L7_RULES ingress plain', 'a plain allow nullifies the L7 rules')
  const other = at(l7, portRule({ name: 'more', precedence: 3, http: [get('/b')] }))
  t.equal(ask(other, '/b'), '+RULE_MATCHED ingress GET /b')
  t.equal(ask(other, '/c'), '-NO_RULE_MATCHED ingress l7')
  t.equal(ask(at(portRule({ name: 'empty', http: [] })), '/'), '-NO_RULE_MATCHED ingress empty')
})

t.test('both ends must allow, and the verdict says which one decided', async (t) => {
  const ends = { egress: 1, ingress: 2 }
  const out = policy(1, ALLOW_ALL, [
    on(80, portRule({ name: 'out', http: [get('/a', 'out a'), get('/b', 'out b')] })),
  ])
  const into = policy(2, [on(80, portRule({ name: 'in', http: [get('/a', 'in a'), get('/c', 'in c')] }))])
  const snapshot = compileSnapshot(snapshotOf([out, into]))
  t.equal(say(judge(snapshot, ends, { path: '/a' })), '+RULE_MATCHED ingress in a')
  t.equal(say(judge(snapshot, ends, { path: '/b' })), '-NO_RULE_MATCHED ingress in')
  t.equal(say(judge(snapshot, ends, { path: '/c' })), '-NO_RULE_MATCHED egress out')
  t.equal(say(judge(snapshot, { egress: 1 }, { path: '/b' })), '+RULE_MATCHED egress out b')
  t.equal(say(judge(snapshot, { egress: 2, ingress: 1 })), '+NO_L7_RULES ingress')
})

t.test('each side looks at its own peer', async (t) => {
  const out = policy(1, [], [on(80, portRule({ name: 'out', peers: [200] }))])
  const into = policy(2, [on(80, portRule({ name: 'in', peers: [100] }))], [])
  const snapshot = compileSnapshot(snapshotOf([out, into]))
  t.equal(connect(snapshot, { egress: 1, ingress: 2, source: 100, destination: 200 }).kind, 'allow')
  t.equal(
    say(judge(snapshot, { egress: 1, ingress: 2, source: 200, destination: 200 })),
    '-PEER_NOT_ALLOWED ingress',
  )
  t.equal(
    say(judge(snapshot, { egress: 1, ingress: 2, source: 100, destination: 100 })),
    '-PEER_NOT_ALLOWED egress',
  )
})

t.test(
  'what is equal is shared: connections, verdicts, and compiled policies across snapshots',
  async (t) => {
    const rules = (): PortPolicy[] => [on(80, portRule({ peers: [5, 6], http: [get('/a')] }))]
    const first = compileSnapshot(snapshotOf([policy(1, rules()), policy(2, rules())]))
    const connection = connect(first, { ingress: 1, source: 5 })
    t.equal(connect(first, { ingress: 1, source: 5 }), connection)
    t.equal(
      connect(first, { ingress: 2, source: 6 }),
      connection,
      'another endpoint and peer under the same rules',
    )
    const verdict = judge(first, { ingress: 1, source: 5 }, { path: '/a' })
    t.equal(judge(first, { ingress: 1, source: 5 }, { path: '/a' }), verdict)
    t.ok(Object.isFrozen(verdict))
    const second = compileSnapshot(snapshotOf([policy(1, rules()), policy(2, [])], 2), first)
    t.equal(second.revision, asRevision(2))
    t.equal(judge(second, { ingress: 1, source: 5 }, { path: '/a' }), verdict, 'matchers were taken over')
    t.equal(say(judge(second, { ingress: 2, source: 6 }, { path: '/a' })), '-PEER_NOT_ALLOWED ingress')
    t.equal(
      say(judge(first, { ingress: 2, source: 6 }, { path: '/a' })),
      '+RULE_MATCHED ingress GET /a',
      'the old one lives',
    )
  },
)

t.test('a bad rule refuses the snapshot with its place', async (t) => {
  const bad = { ...get('*'), name: 'ns/p http[0]' }
  const attempt = (): unknown => compileSnapshot(snapshotOf([policy(1, [on(80, portRule({ http: [bad] }))])]))
  t.throws(attempt, { code: 'REGEX_INVALID', message: /rule ns\/p http\[0\]: path: regex "\*"/ })
  t.throws(() => compileSnapshot(snapshotOf([policy(1, []), policy(1, [])])), { code: 'POLICY_INVALID' })
})

t.test('the memo never confuses requests', async (t) => {
  const rules: HttpRule[] = [
    { name: 'm', method: 'A', path: '/x', host: 'h', headers: [{ name: 'x', value: '1' }] },
    { name: 'n', path: '/y', headers: [{ name: 'y', value: undefined }] },
  ]
  const snapshot = compileSnapshot(snapshotOf([policy(1, [on(80, portRule({ http: rules }))])]))
  const compiled = compileHttpRules(rules)
  const some = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values)
  const values = some<string[]>([], ['1'], ['1', '1'], ['1', ''], ['1,1'], [''], ['', ''])
  const requests = fc.record({
    method: some('A', 'A/', 'B', ''),
    path: some('/x', 'x', '/y', '/xh', ''),
    host: some('h', 'H:80', 'hh', ''),
    headers: fc.record({ x: values, y: values }),
  })
  fc.assert(
    fc.property(requests, (parts) => {
      const verdict = judge(snapshot, { ingress: 1 }, parts)
      const rule = compiled.evaluate(makeRequest(parts))
      return verdict.rule === (rule < 0 ? 'p' : rules[rule]?.name) && verdict.allowed === rule >= 0
    }),
    { numRuns: 5000 },
  )
  t.pass()
})

t.test('the memo stays right when it overflows and when requests are long', async (t) => {
  const snapshot = compileSnapshot(snapshotOf([policy(1, [on(80, portRule({ http: [get('/[0-9]+')] }))])]))
  const ask = (path: string): boolean => judge(snapshot, { ingress: 1 }, { path }).allowed
  for (let i = 0; i < 10_000; i++) if (!ask(`/${i}`) || ask(`/${i}x`)) t.fail(`at ${i}`)
  t.ok(ask(`/${'1'.repeat(50_000)}`))
  t.notOk(ask(`/${'1'.repeat(50_000)}x`))
})

t.test('agrees with a naive evaluation of random policies', async (t) => {
  const peers = fc.constantFrom<number[] | undefined>(undefined, [100], [200], [100, 200], [])
  const http = fc.constantFrom(
    undefined,
    undefined,
    [],
    [get('/a')],
    [get('/b'), get('/a', 'again')],
    [get('/.*')],
  )
  const anyPortRule = fc
    .record({
      precedence: fc.integer({ min: 0, max: 2 }),
      deny: fc.boolean(),
      peers,
      http,
      name: fc.constantFrom('p', 'q', 'r'),
    })
    .map(({ peers, deny, http, ...rest }) =>
      portRule({ ...rest, deny, http: deny ? undefined : http, ...(peers === undefined ? {} : { peers }) }),
    )
  const ports = fc.constantFrom<[number, number]>([0, 0], [80, 80], [79, 81], [81, 90])
  const direction = fc.array(
    fc
      .tuple(ports, fc.array(anyPortRule, { maxLength: 4 }))
      .map(([[port, endPort], rules]) => ({ port, endPort, rules })),
    { maxLength: 3 },
  )
  const policies = fc.tuple(direction, direction, direction, direction)
  const someEnds = fc.record({
    egress: fc.constantFrom(0, 1, 2, 3),
    ingress: fc.constantFrom(0, 1, 2),
    source: fc.constantFrom(100, 200, 300),
    destination: fc.constantFrom(100, 200, 300),
    port: fc.constantFrom(79, 80, 81, 443),
    path: fc.constantFrom('/a', '/b', '/c', 'x'),
  })
  let previous: CompiledSnapshot | undefined
  const property = fc.property(
    policies,
    fc.array(someEnds, { minLength: 12, maxLength: 12 }),
    ([a, b, c, d], cases) => {
      const network = [policy(1, a, b), policy(2, c, d)]
      previous = compileSnapshot(snapshotOf(network), previous)
      for (const { path, ...ends } of cases) {
        const actual = judge(previous, ends, { path })
        const expected = naive(network, ends, path)
        if (actual.allowed !== expected)
          throw new Error(JSON.stringify({ network, ends, path, actual, expected }))
      }
    },
  )
  fc.assert(property, { numRuns: 5000 })
  t.pass()
})

/** Every rule in turn, for one request, as the semantics read. */
function naive(network: readonly NetworkPolicy[], ends: Required<Ends>, path: string): boolean {
  if (ends.egress === 0 && ends.ingress === 0) return false
  const find = (id: number): NetworkPolicy | undefined =>
    network.find(({ endpointId }) => endpointId === asEndpointId(id))
  const isOut = ends.egress === 0 || naiveSide(find(ends.egress)?.egress, ends.port, ends.destination, path)
  const isIn = ends.ingress === 0 || naiveSide(find(ends.ingress)?.ingress, ends.port, ends.source, path)
  return isOut && isIn
}

function naiveSide(
  ports: readonly PortPolicy[] | undefined,
  port: number,
  peer: number,
  path: string,
): boolean {
  const verdicts: { precedence: number; allowed: boolean }[] = []
  for (const entry of ports ?? []) {
    if (entry.port !== 0 && (port < entry.port || port > entry.endPort)) continue
    if (entry.rules.length === 0) verdicts.push({ precedence: 0, allowed: true })
    for (const { precedence, deny, remoteIdentities, http } of entry.rules) {
      if (remoteIdentities?.includes(asIdentity(peer)) === false) continue
      const isMatch =
        http === undefined || http.some((rule) => new RegExp(`^(?:${rule.path ?? '.*'})$`).test(path))
      if (deny) verdicts.push({ precedence, allowed: false })
      else if (isMatch) verdicts.push({ precedence, allowed: true })
    }
  }
  const highest = Math.max(...verdicts.map(({ precedence }) => precedence))
  const deciding = verdicts.filter(({ precedence }) => precedence === highest)
  return deciding.length > 0 && deciding.every(({ allowed }) => allowed)
}
