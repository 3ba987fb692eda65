import t from 'tap'
import { parseEndpoints } from '../../../src/agent/endpoints-document.ts'
import type { TraceKafka__Output } from '../../../src/gen/weir/v1/TraceKafka.ts'
import type { TraceResponse__Output } from '../../../src/gen/weir/v1/TraceResponse.ts'
import { parsePort } from '../../../src/lib/protocols.ts'
import { rehearse } from '../../../src/rehearsal/world.ts'
import { trace } from '../../../src/trace/trace.ts'
import { documentText, parseGood, policyText } from '../../helpers/policy-world.ts'

const ENDPOINTS = `
- { name: web, namespace: n, labels: { app: web } }
- { name: web2, namespace: n, labels: { app: web } }
- { name: api, namespace: n, labels: { app: api }, ports: { http: 8080 }, addresses: [10.0.0.2] }
- { name: db, namespace: m, labels: { app: db }, ports: { sql: 5432 } }
`

interface Asked {
  readonly from: string
  readonly to: string
  readonly port: string
  readonly http?: string
  readonly headers?: readonly string[]
  readonly kafka?: Partial<TraceKafka__Output>
}

function tracing(...policies: readonly string[]): (asked: Asked) => TraceResponse__Output {
  const { endpoints, problems } = parseEndpoints(ENDPOINTS, 'endpoints.yaml', false)
  t.same(problems, [])
  const world = rehearse(
    endpoints,
    policies.flatMap((text, i) => parseGood(text, `${i}.yaml`)),
  )
  return ({ from, to, port, http, headers = [], kafka }) => {
    const [method = '', path = ''] = http?.split(' ') ?? []
    const request = { method, path, host: '', headers: [...headers], encodedSlash: '' }
    const none = { apiVersion: 0, clientId: '', topics: [], group: '', transactionalId: '' }
    return trace(
      {
        ...{ from, to },
        ...parsePort(port),
        http: http === undefined ? null : request,
        kafka: kafka === undefined ? null : { apiKey: 'produce', ...none, ...kafka },
      },
      world,
    )
  }
}

const API = { endpointSelector: { matchLabels: { app: 'api' } } }
const FROM_WEB = { fromEndpoints: [{ matchLabels: { app: 'web' } }] }
const tcp = (port: string, http?: readonly object[]): object => ({
  toPorts: [{ ports: [{ port, protocol: 'TCP' }], ...(http === undefined ? {} : { rules: { http } }) }],
})

t.test('without policies everything is open', async (t) => {
  const ask = tracing()
  const answer = ask({ from: 'web', to: 'api', port: '80' })
  t.match(answer, { verdict: 'allowed', outcome: 'allow', where: 'kernel', rule: null, notes: [] })
  t.match(answer.sides, [
    {
      direction: 'egress',
      enforced: false,
      closedBy: [],
      rules: [],
      entry: { identity: 0, protocol: 'ANY' },
    },
    { direction: 'ingress', enforced: false },
  ])
  t.match(ask({ from: 'web', to: 'api', port: '80', http: 'GET /' }).notes, [/the request is not looked at/])
})

t.test('who is meant', async (t) => {
  const ask = tracing(policyText({ ...API, ingress: [FROM_WEB] }))
  const from = (text: string): TraceResponse__Output => ask({ from: text, to: 'api', port: '80' })
  for (const web of [
    'web',
    'n/web',
    'endpoint:web',
    '1',
    'endpoint:2',
    'app=web,k8s:io.kubernetes.pod.namespace=n',
  ]) {
    const { identity } = from('web').source!
    const text = web === '1' ? `identity:${identity}` : web
    t.match(from(text), { verdict: 'allowed', source: { identity, isHypothetical: false } }, text)
  }
  t.match(
    from('1'),
    { verdict: 'denied', source: { identity: 1, labels: ['reserved:host'] } },
    'numbers are identities',
  )
  t.match(from('world'), { verdict: 'denied', source: { identity: 2, endpoint: '' } })
  t.match(from('reserved:world'), { source: { identity: 2 } })
  t.match(from('10.0.0.2'), { source: { endpoint: 'n/api', address: '10.0.0.2' }, notes: [/same endpoint/] })
  t.throws(() => from('nobody'), { code: 'NOT_FOUND' })
  t.throws(() => from('reserved:unheard'), { code: 'NOT_FOUND' })
  t.throws(() => from('=x'), { code: 'CONFIG_INVALID' })
})

t.test('labels that nothing has yet', async (t) => {
  const ns = 'io.kubernetes.pod.namespace=n'
  const ask = tracing(
    policyText({ ...API, ingress: [FROM_WEB], egress: [{ toEndpoints: [{ matchLabels: { app: 'new' } }] }] }),
  )
  const fresh = ask({ from: `app=web,tier=new,${ns}`, to: 'api', port: '80' })
  t.match(fresh, {
    verdict: 'allowed',
    source: { isHypothetical: true, endpoint: '' },
    notes: [/^no workload has the labels/],
  })
  t.match(
    ask({ from: 'app=web', to: 'api', port: '80' }).verdict,
    'denied',
    'the namespace is default unless given',
  )
  t.match(ask({ from: 'api', to: `app=new,${ns}`, port: '80' }).verdict, 'allowed', 'as a peer of a policy')
  const protectedOne = ask({ from: 'web', to: `app=api,tier=new,${ns}`, port: '80' })
  t.match(
    protectedOne.sides[1],
    { endpoint: 'n/hypothetical', enforced: true },
    'as one that a policy protects',
  )
})

t.test('the nearest miss comes first', async (t) => {
  const ask = tracing(
    policyText({
      ...API,
      ingress: [
        { fromEndpoints: [{ matchLabels: { app: 'batch', tier: 'x' } }] },
        { ...FROM_WEB, ...tcp('443') },
        { fromEntities: [], ...tcp('80') },
      ],
    }),
  )
  const { sides } = ask({ from: 'web', to: 'api', port: '80' })
  t.match(sides[1]?.rules, [
    {
      rule: { name: 'n/p ingress[1]', file: '0.yaml' },
      peerMatches: true,
      peer: /k8s:app In \[web\]/,
      portMatches: false,
      ports: '80/TCP is not 443/TCP',
    },
    {
      rule: { name: 'n/p ingress[0]' },
      peer: 'needs k8s:app In [batch], is k8s:app=web; k8s:tier In [x], is not there',
      ports: 'any port and protocol',
    },
    { rule: { name: 'n/p ingress[2]' }, peer: 'nobody: the list is empty' },
  ])
  const many = tracing(
    policyText({
      ...API,
      ingress: Array.from({ length: 30 }, (_, i) => ({ ...FROM_WEB, ...tcp(`${1000 + i}`) })),
    }),
  )
  const [, side] = many({ from: 'web', to: 'api', port: '1029' }).sides
  t.match(side?.rules[0], { rule: { name: 'n/p ingress[29]' }, peerMatches: true, portMatches: true })
  t.equal(side!.rules.length + side!.rulesLeftOut, 30)
  t.ok(side!.rulesLeftOut > 10)
})

t.test('ports by name', async (t) => {
  const named = {
    toPorts: [
      {
        ports: [
          { port: 'http', protocol: 'TCP' },
          { port: 'sql', protocol: 'TCP' },
        ],
      },
    ],
  }
  const ask = tracing(policyText({ endpointSelector: {}, ingress: [named], egress: [named] }))
  t.match(ask({ from: 'web', to: 'api', port: '8080' }), {
    verdict: 'allowed',
    rule: { name: 'n/p ingress[0]' },
  })
  const miss = ask({ from: 'web', to: 'api', port: '5432' })
  t.match(miss, { verdict: 'denied', direction: 'egress' })
  t.match(miss.sides[0]?.rules[0]?.ports, /5432\/TCP is not 8080\/TCP, sql\/TCP \(a name nobody has here\)/)
})

t.test('tiers and passes', async (t) => {
  const cluster = (action: string, priority: number, tier = 'Admin'): string => {
    const ingress = [{ name: `${action} all`, action, from: [{ namespaces: {} }] }]
    return documentText(
      'ClusterNetworkPolicy',
      { tier, priority, subject: { namespaces: {} }, ingress },
      { name: `c${priority}` },
    )
  }
  const normal = policyText({ ...API, ingress: [FROM_WEB] })
  const flow = { from: 'web', to: 'api', port: '80' }
  t.match(tracing(cluster('Deny', 1), normal)(flow), {
    outcome: 'dropped',
    reason: 'POLICY_DENY',
    rule: { name: 'ClusterNetworkPolicy:c1 ingress[0] (Deny all)', file: '0.yaml', line: 1 },
  })
  t.match(tracing(cluster('Pass', 1), cluster('Deny', 2), normal)(flow), { rule: { name: 'n/p ingress[0]' } })
  const baseline = tracing(cluster('Deny', 3, 'Baseline'))(flow)
  t.match(baseline, { outcome: 'dropped', rule: { name: /c3 ingress\[0\]/ } })
})

t.test('rules in audit and shadow', async (t) => {
  const moded = (annotations: object): string => {
    const spec = { ...API, ingress: [{ ...FROM_WEB, ...tcp('80', [{ path: '/a' }]) }] }
    return documentText('CiliumNetworkPolicy', spec, { name: 'p', namespace: 'n', annotations })
  }
  const flow = { from: 'web', to: 'api', port: '80', http: 'GET /b' }
  const audited = tracing(moded({ 'weir/mode': 'audit' }))
  t.match(audited(flow), {
    outcome: 'allow',
    request: { audit: 'denied: NO_RULE_MATCHED in n/p ingress[0]' },
  })
  t.match(audited({ ...flow, port: '81' }), {
    outcome: 'allow',
    notes: [/a rule in audit or shadow would deny it/],
  })
  const toApi = { toEndpoints: [{ matchLabels: { app: 'api', 'io.kubernetes.pod.namespace': 'n' } }] }
  const looking = policyText(
    { endpointSelector: { matchLabels: { app: 'db' } }, egress: [{ ...toApi, ...tcp('80', [{}]) }] },
    'looking',
    'm',
  )
  t.match(
    tracing(moded({ 'weir/mode': 'audit' }), looking)({ ...flow, from: 'm/db' }),
    { outcome: 'allow', request: { audit: 'denied: PEER_NOT_ALLOWED in default deny' } },
    'no rule names the peer: as an enforced default deny, which has no name',
  )
  const shadowed = tracing(moded({ 'weir/mode': 'shadow' }))
  t.match(shadowed(flow), { outcome: 'allow', request: { shadow: /^denied/ } })
  t.match(shadowed(flow).sides[1]?.requestRules, [
    { rule: { name: 'default allow', file: '' }, matches: true },
    { mode: 'shadow', misses: ['path "/b" does not fit path "/a"'] },
  ])
})

t.test('requests, as the proxy reads them', async (t) => {
  const http = [
    { method: 'GET|HEAD', path: '/items/[0-9]+', host: 'api\\.example' },
    { path: '/open', headers: ['x-key: 1', 'x-present'] },
  ]
  const ask = tracing(policyText({ ...API, ingress: [{ ...FROM_WEB, ...tcp('80', http) }] }))
  const request = (text: string, ...headers: string[]): TraceResponse__Output => {
    return ask({ from: 'web', to: 'api', port: '80', http: text, headers })
  }
  t.match(
    request('GET /items/%37', 'Host: x'),
    { outcome: '400', reason: /^HTTP_/ },
    'two hosts are no request',
  )
  t.match(request('GET /items/%37').request, {
    path: '/items/7',
    host: '10.0.0.2',
    allowed: false,
    status: 403,
  })
  const [, side] = request('GET /open', 'X-Key: 1', 'X-Key: 2').sides
  t.match(side?.requestRules, [
    { misses: [/^path "\/open" does not fit/, /^host "10\.0\.0\.2" does not fit/] },
    {
      rule: { name: /http\[1\]$/, line: 1 },
      conditions: 'path "/open", header x-key "1", header x-present present',
      misses: [
        'header x-key "1" and "2" does not fit header x-key "1"',
        'header x-present, which is missing, does not fit header x-present present',
      ],
    },
  ])
  t.match(request('GET /open', 'X-Key: 1', 'x-present: '), { outcome: 'allow', rule: { name: /http\[1\]$/ } })
  t.match(request('GET /\\x'), { outcome: '400', verdict: 'denied' })
  const open = ask({ from: 'web', to: 'api', port: '80' })
  t.match(open, { verdict: 'redirected', where: 'proxy', request: null })
  t.match(open.sides[1]?.requestRules.length, 2, 'the rules that requests will be judged by')
})

t.test('secrets stay out', async (t) => {
  const http = [{ headerMatches: [{ name: 'x-a', value: 'fine', mismatch: 'REPLACE' }] }]
  const ask = tracing(policyText({ ...API, ingress: [{ ...FROM_WEB, ...tcp('80', http) }] }))
  const answer = ask({ from: 'web', to: 'api', port: '80', http: 'GET /', headers: ['x-a: other'] })
  t.match(answer, { outcome: 'allow', request: { edits: ['header x-a replaced'] } })
})

t.test('Kafka requests: everything that they touch must be covered', async (t) => {
  const rules = {
    kafka: [
      { role: 'produce', topic: 'a' },
      { apiKey: 'fetch', topicPrefix: 'b', group: 'g' },
    ],
  }
  const toPorts = [{ ports: [{ port: '9092', protocol: 'TCP' }], rules }]
  const ask = tracing(policyText({ ...API, ingress: [{ ...FROM_WEB, toPorts }] }))
  const flow = { from: 'web', to: 'api', port: '9092' }
  const request = (kafka: Partial<TraceKafka__Output>): TraceResponse__Output => ask({ ...flow, kafka })
  t.match(request({ topics: ['a'] }), {
    outcome: 'allow',
    rule: { name: /kafka\[0\]$/, line: 1 },
    request: {
      summary: 'Produce',
      accesses: ['topic "a": allowed: RULE_MATCHED in n/p ingress[0].toPorts[0].rules.kafka[0]'],
    },
  })
  const denied = request({ topics: ['a', 'x'], group: 'h' })
  t.match(denied, {
    verdict: 'denied',
    outcome: 'unauthorized',
    where: 'proxy',
    direction: 'ingress',
    reason: 'NO_RULE_MATCHED',
    rule: { name: 'n/p ingress[0]' },
    request: { accesses: [/^topic "a", group "h": allowed/, /^topic "x", group "h": denied/], status: 0 },
  })
  t.match(denied.sides[1]?.requestRules, [
    {
      conditions: 'role produce, topic "a"',
      misses: ['topic "x", group "h" does not fit topic "a"'],
      matches: false,
    },
    {
      conditions: 'API Fetch, topics that begin with "b", group "g"',
      misses: [
        /^API Produce does not fit API Fetch$/,
        /topics that begin with "b"$/,
        /does not fit group "g"$/,
      ],
    },
  ])
  t.match(request({ apiKey: 'Fetch', topics: ['bc'] }), { outcome: 'allow' }, 'no group, no condition on it')
  t.match(request({ apiKey: '4711' }), {
    outcome: 'unauthorized',
    request: { accesses: [/^nobody knows what: /] },
  })
  t.throws(() => request({ apiKey: 'fetsh' }), { code: 'CONFIG_INVALID' })
  t.match(ask(flow), { outcome: 'redirect', request: null })
  t.match(ask({ ...flow, http: 'GET /' }), {
    outcome: 'reset',
    reason: 'UNPARSEABLE',
    notes: ['the rules of this port are for Kafka, the request is HTTP'],
  })
  t.match(request({ topics: ['a'] }).notes, [])
  const http = tracing(policyText({ ...API, ingress: [{ ...FROM_WEB, ...tcp('9092', [{}]) }] }))
  t.match(http({ ...flow, kafka: { topics: ['a'] } }), { outcome: 'reset', notes: [/are for HTTP/] })
})

t.test('rules for HTTP and Kafka that meet deny the connection', async (t) => {
  const toPorts = [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { kafka: [{}] } }]
  const ingress = [
    { ...FROM_WEB, ...tcp('80', [{}]) },
    { ...FROM_WEB, toPorts },
  ]
  const ask = tracing(policyText({ ...API, ingress }))
  const flow = { from: 'web', to: 'api', port: '80' }
  for (const asked of [flow, { ...flow, http: 'GET /' }, { ...flow, kafka: {} }]) {
    t.match(ask(asked), { outcome: 'reset', reason: 'PROTOCOL_CONFLICT', rule: { name: 'n/p ingress[1]' } })
  }
})

t.test('Kafka rules in audit and shadow', async (t) => {
  const toPorts = [
    { ports: [{ port: '80', protocol: 'TCP' }], rules: { kafka: [{ topic: 'a' }, { topic: 'b' }] } },
  ]
  const ask = tracing(
    documentText(
      'CiliumNetworkPolicy',
      { ...API, ingress: [{ ...FROM_WEB, toPorts }] },
      {
        name: 'p',
        namespace: 'n',
        annotations: {
          'weir/rule-modes':
            'ingress[0].toPorts[0].rules.kafka[0]=audit, ingress[0].toPorts[0].rules.kafka[1]=shadow',
        },
      },
    ),
  )
  const topic = (name: string) => ask({ from: 'web', to: 'api', port: '80', kafka: { topics: ['a', name] } })
  t.match(topic('a'), { outcome: 'allow', request: { audit: '', shadow: /^allowed/ } })
  t.match(topic('b'), {
    outcome: 'allow',
    request: { audit: /^denied: NO_RULE_MATCHED/, shadow: /^allowed/ },
  })
  t.match(topic('c'), { outcome: 'allow', request: { audit: /^denied/, shadow: /^denied/ } })
})
