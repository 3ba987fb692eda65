// Modes of rules from the snapshot to the record, and what a new snapshot does to live connections.
import t from 'tap'
import { asEndpointId, asIdentity, asRevision } from '../../../src/lib/brands.ts'
import type { Flow } from '../../../src/lib/flow.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { AccessLog } from '../../../src/proxy/access-log.ts'
import { Enforcer } from '../../../src/proxy/enforcer.ts'
import type { Relay } from '../../../src/proxy/relay.ts'
import type { EndpointInfo, HttpRule, PortRule } from '../../../src/policy/network-policy.ts'
import { all, array, i32, request as kafka, response, str } from '../../conformance/kafka/wire.ts'
import { MemoryConnection } from '../../conformance/parser-laws.ts'

const OPEN: PortRule = rule({ name: 'default allow', precedence: 0 })

function rule(parts: Partial<PortRule>): PortRule {
  return { name: 'p', precedence: 5, deny: false, remoteIdentities: undefined, http: undefined, ...parts }
}

function get(path: string, parts: Partial<HttpRule> = {}): HttpRule {
  return { name: `GET ${path}`, method: 'GET', path, headers: [], ...parts }
}

class World {
  readonly aborts: string[] = []
  /** The client is endpoint 3, with this identity; undefined: it is not local. */
  clientIdentity: number | undefined
  readonly #chunks: Buffer[] = []
  readonly #log = new AccessLog({
    sinks: [
      {
        write: (ndjson) => void this.#chunks.push(Buffer.from(ndjson)),
        lost: 0,
        reopen: () => {},
        close: async () => {},
      },
    ],
    flushBytes: 1,
  })
  readonly #enforcer = new Enforcer({
    maps: {
      takeConnection: () => ({
        sourceIdentity: asIdentity(1000),
        destinationIdentity: asIdentity(1001),
        egressEndpoint: asEndpointId(this.clientIdentity === undefined ? 0 : 3),
        ingressEndpoint: asEndpointId(7),
        revision: asRevision(1),
      }),
    },
    accessLog: this.#log,
    deniedBody: Buffer.from('no\n'),
  })
  #revision = 0

  apply(...rules: PortRule[]): void {
    const refusal = this.#enforcer.apply({
      revision: asRevision(++this.#revision),
      policies: [
        {
          endpointId: asEndpointId(7),
          endpointIps: ['10.0.0.7'],
          ingress: [{ port: 80, endPort: 80, rules }],
          egress: [],
        },
        {
          endpointId: asEndpointId(3),
          endpointIps: ['10.0.0.3'],
          ingress: [],
          egress: [{ port: 0, endPort: 0, rules: [] }],
        },
      ],
      endpoints: this.#clients(),
      identities: [],
    })
    if (refusal !== undefined) throw new Error(refusal)
  }

  #clients(): EndpointInfo[] {
    if (this.clientIdentity === undefined) return []
    const identity = asIdentity(this.clientIdentity)
    return [{ id: asEndpointId(3), name: 'client', namespace: 'default', identity, addresses: ['10.0.0.3'] }]
  }

  /** undefined: closed, or without a parser. */
  open(): MemoryConnection | undefined {
    const decision = this.#enforcer.resolve({
      peerAddress: Buffer.from([10, 0, 0, 3]),
      peerPort: 40_000,
      localAddress: Buffer.from([10, 0, 0, 7]),
      localPort: 80,
    })
    if ('close' in decision) return undefined
    decision.onOpened?.({ abort: (code: string) => this.aborts.push(code) } as unknown as Relay)
    const { parser } = decision
    return parser === null
      ? undefined
      : new MemoryConnection((steps) => ({ parser: parser(steps), observed: [] }))
  }

  /** Records since the last call. */
  flows(): Flow[] {
    const text = Buffer.concat(this.#chunks.splice(0)).toString()
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Flow)
  }
}

const request = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\nHost: h\r\n${fields}\r\n`
const OK = 'HTTP/1.1 204 No\r\n\r\n'

/** A new policy in `mode` on an endpoint that none restricts: what the agent makes of it. */
function rehearsed(mode: 'audit' | 'shadow'): PortRule[] {
  return [
    rule({ name: 'new', mode, http: [get('/ok')] }),
    rule({ name: 'new (default deny)', precedence: 1, deny: true, mode }),
    OPEN,
  ]
}

t.test('a new policy in audit: what it would deny passes and is recorded', async (t) => {
  const world = new World()
  world.apply(...rehearsed('audit'))
  const connection = world.open()
  connection?.send(ORIGINAL, request('/./ok') + request('/other'))
  connection?.send(REPLY, OK + OK)
  t.equal(connection?.output(ORIGINAL).toString(), request('/./ok') + request('/other'), 'nothing is changed')
  t.match(world.flows(), [
    { verdict: 'FORWARDED', weir: { rule: 'default allow' } },
    { verdict: 'AUDIT', weir: { rule: 'new (default deny)', reason: 'DENY_RULE' } },
  ])
})

t.test('a new policy in shadow: the record says what it would do', async (t) => {
  const world = new World()
  world.apply(...rehearsed('shadow'))
  const connection = world.open()
  connection?.send(ORIGINAL, request('/ok') + request('/other'))
  connection?.send(REPLY, OK + OK)
  t.match(world.flows(), [
    { verdict: 'FORWARDED', weir: { shadow: { verdict: 'FORWARDED', rule: 'GET /ok' } } },
    { verdict: 'FORWARDED', weir: { shadow: { verdict: 'DROPPED', rule: 'new (default deny)' } } },
  ])
})

t.test('what is no HTTP passes under rules that are not enforced', async (t) => {
  for (const [mode, expected] of [
    ['audit', { verdict: 'AUDIT', weir: { reason: 'UNPARSEABLE' } }],
    ['shadow', { verdict: 'FORWARDED', weir: { shadow: { verdict: 'DROPPED', reason: 'UNPARSEABLE' } } }],
  ] as const) {
    const world = new World()
    world.apply(...rehearsed(mode))
    const connection = world.open()
    connection?.send(ORIGINAL, 'EHLO me\r\nQUIT\r\n')
    t.equal(connection?.output(ORIGINAL).toString(), 'EHLO me\r\nQUIT\r\n')
    t.match(world.flows(), [{ ...expected, l7: { http: { code: 0 } } }])
  }
})

t.test('enforced rules beside others are strict', async (t) => {
  const world = new World()
  world.apply(rule({ http: [get('/a'), get('/b', { mode: 'shadow' })] }))
  const connection = world.open()
  connection?.send(ORIGINAL, request('/a') + request('/b'))
  connection?.send(REPLY, OK)
  t.match(world.flows(), [
    { verdict: 'FORWARDED', weir: { shadow: { verdict: 'FORWARDED' } } },
    { verdict: 'DROPPED', weir: { shadow: { verdict: 'FORWARDED', rule: 'GET /b' } } },
  ])
  connection?.send(ORIGINAL, 'EHLO me\r\n')
  t.match(connection?.errorCode, /^HTTP_/)
})

t.test('header actions reach the wire and the record', async (t) => {
  const world = new World()
  const replace = { name: 'x-user', value: 'me', onMatch: 'continue', onMismatch: 'replace' } as const
  const demand = {
    name: 'x-key',
    value: 'k',
    onMatch: 'continue',
    onMismatch: 'fail',
    isSecret: true,
  } as const
  world.apply(
    rule({ http: [get('/a', { headerActions: [replace] }), get('/b', { headerActions: [demand] })] }),
  )
  const connection = world.open()
  connection?.send(ORIGINAL, request('/a', 'X-User: root\r\n') + request('/b', 'X-Key: guess\r\n'))
  connection?.send(REPLY, OK)
  t.equal(connection?.output(ORIGINAL).toString(), request('/a', 'x-user: me\r\n'))
  t.match(world.flows(), [
    { weir: { rejected_headers: [{ key: 'x-user', value: 'root' }] } },
    { verdict: 'DROPPED', weir: { missing_headers: [{ key: 'x-key', value: '[redacted]' }] } },
  ])
})

t.test('a new snapshot', async (t) => {
  t.test('that restricts at L7 resets connections that nobody judged', async (t) => {
    for (const before of [[OPEN], rehearsed('audit'), rehearsed('shadow')]) {
      const world = new World()
      world.apply(...before)
      world.open()
      world.apply(...rehearsed('audit'))
      world.apply(...rehearsed('shadow'))
      t.same(world.aborts, [], 'a rehearsal resets nothing')
      world.apply(rule({ http: [get('/a')] }))
      t.same(world.aborts, ['POLICY_REVOKED'])
    }
  })

  t.test('judges the next request, and never opens a judged connection to more than HTTP', async (t) => {
    const world = new World()
    world.apply(rule({ http: [get('/a')] }))
    const connection = world.open()
    connection?.send(ORIGINAL, request('/b'))
    world.apply(rule({ http: [get('/b')] }))
    connection?.send(ORIGINAL, request('/b'))
    world.apply(...rehearsed('audit'))
    connection?.send(ORIGINAL, request('/c'))
    world.apply(OPEN)
    connection?.send(ORIGINAL, request('/d'))
    connection?.send(REPLY, OK + OK + OK)
    t.same(
      world.flows().map(({ verdict }) => verdict),
      ['DROPPED', 'FORWARDED', 'AUDIT', 'FORWARDED'],
    )
    connection?.send(ORIGINAL, 'EHLO me\r\n')
    t.match(connection?.errorCode, /^HTTP_/)
    t.same(world.aborts, [])
    world.apply(rule({ deny: true }))
    t.same(world.aborts, ['POLICY_REVOKED'])
    t.equal(world.open(), undefined)
  })

  t.test(
    'takes the identity that an endpoint has by now: labels change while connections live',
    async (t) => {
      const world = new World()
      const only = (identity: number): PortRule => rule({ remoteIdentities: [asIdentity(identity)] })
      world.clientIdentity = 1000
      world.apply(only(1000))
      world.open()
      world.clientIdentity = 2000
      world.apply(only(2000))
      t.same(world.aborts, [], 'still allowed')
      world.apply(only(1000))
      t.same(world.aborts, ['POLICY_REVOKED'], 'the one that it had does not count any more')
    },
  )
})

t.test('Kafka', async (t) => {
  const metadata = (topic: string, id: number): Buffer =>
    kafka({ key: 3, version: 1, id }, array([str(topic)]))
  const answer = (id: number): Buffer => response(id, all(array([]), i32(1), array([])))
  const topic = (name: string): PortRule => rule({ kafka: [{ name: `topic ${name}`, topic: name }] })

  t.test('is judged by the snapshot of its time, and counted', async (t) => {
    const world = new World()
    world.apply(topic('a'))
    const connection = world.open()
    connection?.send(ORIGINAL, all(metadata('a', 1), metadata('b', 2)))
    connection?.send(REPLY, all(answer(1), answer(2)))
    world.apply(topic('b'))
    connection?.send(ORIGINAL, metadata('b', 3))
    connection?.send(REPLY, answer(3))
    t.match(world.flows(), [
      { verdict: 'FORWARDED', l7: { kafka: { api_key: 'metadata', topic: 'a', error_code: 0 } } },
      {
        verdict: 'DROPPED',
        l7: { kafka: { topic: 'b', error_code: 29 } },
        weir: { reason: 'NO_RULE_MATCHED' },
      },
      { verdict: 'FORWARDED', l7: { kafka: { topic: 'b' } }, weir: { rule: 'topic b', revision: 2 } },
    ])
    t.same(world.aborts, [])
    world.apply(rule({ http: [get('/a')] }))
    t.same(world.aborts, ['POLICY_REVOKED'], 'another protocol cannot be judged from the middle')
  })

  t.test('in audit and shadow passes, be it Kafka or not', async (t) => {
    for (const mode of ['audit', 'shadow'] as const) {
      const world = new World()
      const kafkaRules = [{ name: 'topic a', topic: 'a' }]
      world.apply(
        rule({ name: 'new', mode, kafka: kafkaRules }),
        rule({ name: 'new (default deny)', precedence: 1, deny: true, mode }),
        OPEN,
      )
      const connection = world.open()
      const sent = all(metadata('a', 1), metadata('b', 2))
      connection?.send(ORIGINAL, sent)
      connection?.send(REPLY, all(answer(1), answer(2)))
      t.same(connection?.output(ORIGINAL), sent)
      const [, second] = world.flows()
      t.match(
        second,
        mode === 'audit'
          ? { verdict: 'AUDIT' }
          : { verdict: 'FORWARDED', weir: { shadow: { verdict: 'DROPPED' } } },
      )
      const other = world.open()
      other?.send(ORIGINAL, 'EHLO me, and more\r\n')
      t.equal(other?.output(ORIGINAL).toString(), 'EHLO me, and more\r\n')
      t.match(world.flows(), [{ verdict: mode === 'audit' ? 'AUDIT' : 'FORWARDED' }])
    }
  })

  t.test('that is none ends the connection', async (t) => {
    const world = new World()
    world.apply(topic('a'))
    const connection = world.open()
    connection?.send(ORIGINAL, 'GET / HTTP/1.1\r\n\r\n')
    t.equal(connection?.errorCode, 'KAFKA_REQUEST_TOO_LARGE')
    t.match(world.flows(), [{ verdict: 'DROPPED', drop_reason_desc: 'KAFKA_REQUEST_TOO_LARGE' }])
  })
})
