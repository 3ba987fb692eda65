// The meaning of CiliumNetworkPolicy, one case per row. Numbers are those of the case list that the project
// keeps for all implementations; a letter marks a variation. A, B, C live in namespace n; M in namespace m.
import t from 'tap'
import { formatProblems } from '../../../src/policy/problem.ts'
import { parse, policyText, PolicyWorld, type WorldEndpoint } from '../../helpers/policy-world.ts'

interface Case {
  readonly id: string
  /** Policies of namespace n; a spec may be wrapped to live elsewhere. */
  readonly specs: readonly object[]
  /** Endpoints besides, or other labels for, A, B, C and M. */
  readonly world?: Readonly<Record<string, WorldEndpoint>>
  /**
   * `A<B:80` = ingress of A from B; `A>B:80` = egress of A to B. Then allow, deny or redirect; with a request
   * (`GET /x`, `GET /x X-A=1`): ok or 403 as the proxy answers.
   */
  readonly flows: Readonly<Record<string, 'allow' | 'deny' | 'redirect' | 'ok' | '403'>>
}

const A = { endpointSelector: { matchLabels: { name: 'A' } } }
const peer = (name: string): object => ({ fromEndpoints: [{ matchLabels: { name } }] })
const tcp = (port: string): object => ({ port, protocol: 'TCP' })
const http = (...rules: object[]): object => ({ toPorts: [{ ports: [tcp('80')], rules: { http: rules } }] })
const select = (matchExpressions: object[]): object => ({
  ...A,
  ingress: [{ fromEndpoints: [{ matchExpressions }] }],
})

const CASES: readonly Case[] = [
  { id: '1', specs: [], flows: { 'A<B:80': 'allow', 'A>B:80': 'allow', 'A<world:0/ICMP': 'allow' } },
  {
    id: '2',
    specs: [{ ...A, ingress: [{}] }],
    flows: { 'A<B:80': 'deny', 'A>B:80': 'allow', 'B<A:80': 'allow' },
  },
  { id: '3', specs: [{ ...A, egress: [{}] }], flows: { 'A>B:80': 'deny', 'A<B:80': 'allow' } },
  {
    id: '4',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{}] }] }],
    flows: { 'A<B:80': 'allow', 'A<M:80': 'deny', 'A<world:80': 'deny', 'A<host:80': 'deny' },
  },
  {
    id: '6 an empty list of peers is nobody, also with ports',
    specs: [{ ...A, ingress: [{ fromEndpoints: [], toPorts: [{ ports: [tcp('80')] }] }] }],
    flows: { 'A<B:80': 'deny', 'A<world:80': 'deny' },
  },
  {
    id: '6a an empty list of ports is every port',
    specs: [{ ...A, ingress: [{ ...peer('B'), toPorts: [] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:0/ICMP': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '7',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [tcp('80')] }] }] }],
    flows: { 'A<world:80': 'allow', 'A<M:80': 'allow', 'A<B:81': 'deny', 'A<B:80/UDP': 'deny' },
  },
  {
    id: '11',
    specs: [
      {
        ...A,
        enableDefaultDeny: { ingress: false },
        ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }],
      },
    ],
    flows: { 'A<C:443': 'allow', 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok' },
  },
  {
    id: '12 one rule with default deny closes the direction',
    specs: [
      { ...A, enableDefaultDeny: { ingress: false }, ingress: [peer('B')] },
      { ...A, ingress: [peer('C')] },
    ],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'allow', 'A<M:80': 'deny' },
  },
  {
    id: '13 denies bite without default deny',
    specs: [{ ...A, enableDefaultDeny: { ingress: false }, ingressDeny: [peer('B')] }],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '16',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { role: 'f' } }] }] }],
    world: { B: { labels: { role: 'f', x: '1' } }, C: { labels: { role: 'g' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '17',
    specs: [select([{ key: 'env', operator: 'NotIn', values: ['prod'] }])],
    world: { B: { labels: {} }, C: { labels: { env: 'prod' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '18',
    specs: [select([{ key: 'env', operator: 'DoesNotExist' }])],
    world: { B: { labels: { env: '' } }, C: { labels: {} } },
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '19',
    specs: [
      { ...A, ingress: [{ fromEndpoints: [{ matchLabels: { r: 'f' } }, { matchLabels: { r: 'g' } }] }] },
    ],
    world: { B: { labels: { r: 'g' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '19a labels of one selector are ANDed',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { r: 'f', s: 'g' } }] }] }],
    world: { B: { labels: { r: 'f' } }, C: { labels: { r: 'f', s: 'g' } } },
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '20',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { 'any:name': 'B' } }] }] }],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '20a',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { 'container:name': 'B' } }] }] }],
    flows: { 'A<B:80': 'deny' },
  },
  {
    id: '21',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'm', r: '1' } }] }],
      },
    ],
    world: { M: { namespace: 'm', labels: { r: '1' } }, B: { labels: { r: '1' } } },
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '22',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.namespace.labels.team': 'a' } }] }],
      },
    ],
    world: { M: { namespace: 'm', labels: { 'io.cilium.k8s.namespace.labels.team': 'a' } } },
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '24',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.policy.serviceaccount': 'sa' } }] }],
      },
    ],
    world: {
      B: { labels: { r: '1', 'io.cilium.k8s.policy.serviceaccount': 'sa' } },
      C: { labels: { r: '1', 'io.cilium.k8s.policy.serviceaccount': 'other' } },
    },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '32',
    specs: [{ ...A, ingress: [{ fromEntities: ['cluster'] }] }],
    flows: {
      'A<M:80': 'allow',
      'A<host:80': 'allow',
      'A<remote-node:80': 'allow',
      'A<unmanaged:80': 'allow',
      'A<kube-apiserver:80': 'allow',
      'A<world:80': 'deny',
    },
  },
  {
    id: '33',
    specs: [{ ...A, ingress: [{ fromEntities: ['world'] }] }],
    flows: { 'A<world:80': 'allow', 'A<remote-node:80': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: '34',
    specs: [{ ...A, ingress: [{ fromEntities: ['all'] }] }],
    flows: { 'A<world:80': 'allow', 'A<B:80': 'allow', 'A<host:0/ICMP': 'allow' },
  },
  { id: '34a', specs: [{ ...A, ingress: [{ fromEntities: ['none'] }] }], flows: { 'A<B:80': 'deny' } },
  {
    id: '36a two kinds of peers in two elements are ORed',
    specs: [{ ...A, ingress: [peer('B'), { fromEntities: ['host'] }] }],
    flows: { 'A<B:80': 'allow', 'A<host:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '37 egress to entities and endpoints',
    specs: [{ ...A, egress: [{ toEntities: ['world'] }, { toEndpoints: [{ matchLabels: { name: 'B' } }] }] }],
    flows: { 'A>world:80': 'allow', 'A>B:80': 'allow', 'A>C:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '41',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'ANY' }] }] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:80/UDP': 'allow', 'A<B:80/SCTP': 'allow', 'A<B:0/ICMP': 'deny' },
  },
  {
    id: '41a no protocol means any',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80' }] }] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:80/UDP': 'allow' },
  },
  {
    id: '42',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', endPort: 444, protocol: 'TCP' }] }] }] }],
    flows: { 'A<B:79': 'deny', 'A<B:80': 'allow', 'A<B:200': 'allow', 'A<B:444': 'allow', 'A<B:445': 'deny' },
  },
  {
    id: '43',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '1', endPort: 65535, protocol: 'TCP' }] }] }] }],
    flows: { 'A<B:1': 'allow', 'A<B:65535': 'allow', 'A<B:80/UDP': 'deny' },
  },
  {
    id: '44 port 0 is every port of the protocol',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '0', protocol: 'UDP' }] }] }] }],
    flows: { 'A<B:53/UDP': 'allow', 'A<B:53': 'deny', 'A<B:0/ICMP': 'deny' },
  },
  {
    id: '48 deny wins over any allow, however specific',
    specs: [
      { ...A, ingress: [{ ...peer('B'), toPorts: [{ ports: [tcp('80')] }] }] },
      { ...A, ingressDeny: [{ toPorts: [{ ports: [{ port: '1', endPort: 1000, protocol: 'TCP' }] }] }] },
    ],
    flows: { 'A<B:80': 'deny', 'A<B:1001': 'deny' },
  },
  {
    id: '49',
    specs: [
      { ...A, ingressDeny: [peer('B')] },
      { ...A, ingress: [{ toPorts: [{ ports: [tcp('80')] }] }] },
    ],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '50',
    specs: [
      { ...A, ingressDeny: [peer('B')], ingress: [{ fromEntities: ['all'] }] },
      {
        endpointSelector: { matchLabels: { name: 'B' } },
        egress: [{ toEndpoints: [{ matchLabels: { name: 'A' } }] }],
      },
    ],
    flows: { 'A<B:80': 'deny', 'B>A:80': 'allow', 'B>C:80': 'deny' },
  },
  {
    id: '51',
    specs: [{ ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET', path: '/public' }) }] }],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 GET /public': 'ok',
      'A<B:80 POST /public': '403',
      'A<B:80 GET /public/x': '403',
      'A<B:81': 'deny',
      'A<C:80': 'deny',
    },
  },
  {
    id: '52',
    specs: [
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET', path: '/a' }) }] },
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'PUT', path: '/b' }) }] },
    ],
    flows: {
      'A<B:80 GET /a': 'ok',
      'A<B:80 PUT /b': 'ok',
      'A<B:80 DELETE /a': '403',
      'A<B:80 GET /b': '403',
    },
  },
  {
    id: '53 HTTP and plain for the same peer: proxied, everything passes',
    specs: [
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }] },
      { ...A, ingress: [{ ...peer('B'), toPorts: [{ ports: [tcp('80')] }] }] },
    ],
    flows: { 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok' },
  },
  {
    id: '54 HTTP for a port beside every port for the same peer',
    specs: [{ ...A, ingress: [peer('B'), { ...peer('B'), ...http({ method: 'GET' }) }] }],
    flows: { 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok', 'A<B:81': 'allow' },
  },
  {
    id: '55 HTTP for everybody, every port for one peer',
    specs: [{ ...A, ingress: [peer('B'), http({ method: 'GET' })] }],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 POST /': 'ok',
      'A<B:81': 'allow',
      'A<C:80 GET /': 'ok',
      'A<C:80 POST /': '403',
      'A<C:81': 'deny',
    },
  },
  {
    id: '56',
    specs: [
      {
        ...A,
        ingress: [
          { ...peer('B'), ...http({}) },
          { ...peer('C'), toPorts: [{ ports: [tcp('80')] }] },
        ],
      },
    ],
    flows: { 'A<B:80': 'redirect', 'A<C:80': 'allow' },
  },
  {
    id: '57 deny wins over HTTP',
    specs: [{ ...A, ingress: [http({})], ingressDeny: [peer('B')] }],
    flows: { 'A<B:80': 'deny', 'A<B:80 GET /': '403', 'A<C:80 GET /': 'ok' },
  },
  { id: '59', specs: [{ ...A, ingress: [http({})] }], flows: { 'A<world:80 PATCH /x': 'ok' } },
  {
    id: '60',
    specs: [{ ...A, ingress: [http({ headers: ['X-My-Header: true'] })] }],
    flows: {
      'A<B:80 GET / x-my-header=true': 'ok',
      'A<B:80 GET /': '403',
      'A<B:80 GET / x-my-header=false': '403',
    },
  },
  {
    id: '60a a header by its presence',
    specs: [{ ...A, ingress: [http({ headers: ['X-My-Header'] })] }],
    flows: { 'A<B:80 GET / x-my-header=any': 'ok', 'A<B:80 GET /': '403' },
  },
]

t.test('meaning', async (t) => {
  for (const { id, specs, world: others = {}, flows } of CASES) {
    const world = new PolicyWorld({
      A: { labels: { name: 'A' } },
      B: { labels: { name: 'B' } },
      C: { labels: { name: 'C' } },
      M: { namespace: 'm', labels: { name: 'M' } },
      ...others,
    })
    world.setPolicies(...specs.map((spec, i) => policyText(spec, `p${i}`)))
    for (const [flow, expected] of Object.entries(flows))
      t.equal(verdict(world, flow), expected, `${id}: ${flow}`)
  }
})

function verdict(world: PolicyWorld, text: string): string {
  const parts: readonly string[] = /^(\w+)([<>])([\w-]+):(\S+)(?: (.*))?$/.exec(text) ?? []
  const [, subject = '', arrow, peer = '', port = '', request] = parts
  const direction = arrow === '<' ? 'ingress' : 'egress'
  if (request === undefined) return world.verdict(subject, direction, peer, port)
  const [method = '', path = '', ...headers] = request.split(' ')
  const fields: Record<string, string> = {}
  for (const header of headers)
    fields[header.slice(0, header.indexOf('='))] = header.slice(header.indexOf('=') + 1)
  return world.allows(subject, direction, peer, port, { method, path, headers: fields }) ? 'ok' : '403'
}

t.test('43: the range of all ports takes 16 entries', async (t) => {
  const world = new PolicyWorld({ A: { labels: { name: 'A' } } })
  const ports = [{ port: '1', endPort: 65535, protocol: 'TCP' }]
  world.setPolicies(policyText({ ...A, ingress: [{ toPorts: [{ ports }] }] }))
  t.equal(world.policyOf('A').mapEntries.filter(({ direction }) => direction === 'ingress').length, 16)
})

const ports = (count: number): object[] => Array.from({ length: count }, (_, i) => tcp(String(i + 1)))
const REJECTED: readonly [string, object, RegExp][] = [
  ['8', { endpointSelector: {}, labels: [] }, /spec: holds no rule/],
  ['9', { ingress: [{}] }, /spec.endpointSelector: is missing/],
  ['9a', { endpointSelector: {}, nodeSelector: {}, ingress: [{}] }, /spec.nodeSelector/],
  [
    '23',
    { endpointSelector: { matchLabels: { 'io.kubernetes.pod.namespace': 'm' } }, ingress: [{}] },
    /outside of namespace n/,
  ],
  ['34', { ...A, ingress: [{ fromEntities: ['bogus'] }] }, /unknown entity "bogus"/],
  [
    '36',
    { ...A, ingress: [{ fromEndpoints: [{}], fromCIDR: ['10.0.0.0/8'] }] },
    /fromCIDR: field "fromCIDR" is not supported/,
  ],
  [
    '36a',
    { ...A, ingress: [{ fromEndpoints: [{}], fromEntities: ['host'] }] },
    /cannot be combined with fromEndpoints/,
  ],
  ['38', { ...A, egress: [{ toFQDNs: [{ matchName: 'a.com' }] }] }, /toFQDNs/],
  [
    '40',
    { ...A, egressDeny: [{ toPorts: [{ ports: [tcp('80')], rules: { http: [{}] } }] }] },
    /"rules" is not supported/,
  ],
  ['45', { ...A, ingress: [{ toPorts: [{ ports: [{ port: 'http' }] }] }] }, /named port "http"/],
  ['46', { ...A, ingress: [{ icmps: [{ fields: [{ type: 8 }] }] }] }, /icmps/],
  [
    '47',
    { ...A, ingress: [{ toPorts: [{ ports: [tcp('0')], rules: { http: [{}] } }] }] },
    /http rules need a port/,
  ],
  ['47a', { ...A, ingress: [{ toPorts: [{ ports: ports(41) }] }] }, /lists 41 ports, the limit is 40/],
  [
    '58',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'UDP' }], rules: { http: [{}] } }] }] },
    /need protocol TCP, not UDP/,
  ],
  [
    '58a',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { http: [{}] } }] }] },
    /need protocol TCP, not ANY/,
  ],
  [
    '58b',
    {
      ...A,
      ingress: [
        { toPorts: [{ ports: [tcp('80'), { port: '80', protocol: 'UDP' }], rules: { http: [{}] } }] },
      ],
    },
    /not UDP/,
  ],
  [
    '58c',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '53' }], rules: { dns: [{ matchName: 'a' }] } }] }] },
    /dns/,
  ],
  ['59', { ...A, ingress: [http({ path: '*' })] }, /regular expression is refused/],
  ['61', { ...A, ingress: [http({ headerMatches: [{ name: 'X' }] })] }, /headerMatches/],
  ['64', { ...A, ingress: [{ toPorts: [{ ports: [tcp('443')], serverNames: ['a'] }] }] }, /serverNames/],
]

t.test('rejected', async (t) => {
  for (const [id, spec, reason] of REJECTED) {
    const { policies, problems } = parse(policyText(spec))
    t.equal(policies.length, 0, id)
    t.match(formatProblems(problems), reason, id)
  }
  t.equal(
    parse(policyText({ ...A, ingress: [{ toPorts: [{ ports: ports(40) }] }] })).problems.length,
    0,
    '47: 40 ports',
  )
})
