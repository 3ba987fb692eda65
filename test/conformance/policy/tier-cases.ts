// ClusterNetworkPolicy: tiers before and after the policies of namespaces, priorities, and passing on.
import { documentText, type Case } from './case.ts'

const cluster = (name: string, spec: object): string => documentText('ClusterNetworkPolicy', spec, { name })
const ALL = { namespaces: {} }
const podsNamed = (name: string): object => ({
  pods: { namespaceSelector: {}, podSelector: { matchLabels: { name } } },
})
const port = (number: number): object => ({ tcp: { destinationPort: { number } } })
const rule = (action: string, peer: object, ...protocols: object[]): object => ({
  action,
  from: [peer],
  ...(protocols.length === 0 ? {} : { protocols }),
})
const admin = (priority: number, ...ingress: object[]): string => {
  return cluster(`admin-${priority}`, { tier: 'Admin', priority, subject: ALL, ingress })
}
const baseline = (priority: number, ...ingress: object[]): string => {
  return cluster(`baseline-${priority}`, { tier: 'Baseline', priority, subject: ALL, ingress })
}
/** Closes A but for B on port 80. */
const OWN = {
  endpointSelector: { matchLabels: { name: 'A' } },
  ingress: [
    {
      fromEndpoints: [{ matchLabels: { name: 'B' } }],
      toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }] }],
    },
  ],
}

export const TIER_CASES: readonly Case[] = [
  {
    id: 't1 it closes nothing by itself',
    policies: [admin(1, rule('Accept', podsNamed('B')))],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'allow' },
  },
  {
    id: 't2 Admin comes before the policies of namespaces',
    policies: [admin(1, rule('Deny', podsNamed('B')), rule('Accept', podsNamed('C')))],
    specs: [OWN],
    flows: { 'A<B:80': 'deny', 'A<C:443': 'allow', 'A<M:80': 'deny' },
  },
  {
    id: 't3 the first rule that applies decides, also when a later one denies',
    policies: [admin(1, rule('Accept', podsNamed('B'), port(80)), rule('Deny', podsNamed('B')))],
    flows: { 'A<B:80': 'allow', 'A<B:81': 'deny', 'A<C:81': 'allow' },
  },
  {
    id: 't4 lower priorities come first, whatever their order',
    policies: [admin(20, rule('Accept', ALL)), admin(10, rule('Deny', podsNamed('B')))],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: 't5 Pass leaves the rest of the tier out',
    policies: [admin(1, rule('Pass', podsNamed('B')), rule('Deny', ALL))],
    specs: [OWN],
    flows: { 'A<B:80': 'allow', 'A<B:81': 'deny', 'A<C:80': 'deny', 'A<world:80': 'deny', 'B<C:80': 'deny' },
  },
  {
    id: 't6 Pass also skips an Accept, and what nobody decides then is closed by default',
    policies: [admin(1, rule('Pass', podsNamed('B'), port(81)), rule('Accept', ALL))],
    specs: [OWN],
    flows: { 'A<B:81': 'deny', 'A<B:82': 'allow', 'A<C:81': 'allow', 'B<C:81': 'allow' },
  },
  {
    id: 't7 Baseline applies where no policy of a namespace closes the direction',
    policies: [baseline(1, rule('Deny', podsNamed('B')))],
    specs: [OWN],
    flows: { 'A<B:80': 'allow', 'A<B:81': 'deny', 'A<C:80': 'deny', 'C<B:80': 'deny', 'C<M:80': 'allow' },
  },
  {
    id: 't8 Pass in Baseline leads to what applies by default',
    policies: [baseline(1, rule('Pass', podsNamed('B')), rule('Deny', ALL))],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: 't9 Pass in Admin, then Baseline',
    policies: [
      admin(1, rule('Pass', podsNamed('B')), rule('Accept', ALL)),
      baseline(1, rule('Deny', podsNamed('B'), port(80))),
    ],
    flows: { 'A<B:80': 'deny', 'A<B:81': 'allow', 'A<C:80': 'allow' },
  },
  {
    id: 't10 HTTP rules of a namespace behind a Pass',
    policies: [admin(1, rule('Pass', podsNamed('B')), rule('Deny', ALL))],
    specs: [
      {
        endpointSelector: { matchLabels: { name: 'A' } },
        ingress: [
          { toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }] },
        ],
      },
    ],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 GET /': 'ok',
      'A<B:80 POST /': '403',
      'A<C:80': 'deny',
      'A<C:80 GET /': '403',
    },
  },
  {
    id: 't11 an Accept of Admin is not restricted by HTTP rules of a namespace',
    policies: [admin(1, rule('Accept', podsNamed('B'), port(80)))],
    specs: [
      {
        endpointSelector: { matchLabels: { name: 'A' } },
        ingress: [
          { toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }] },
        ],
      },
    ],
    flows: { 'A<B:80': 'allow', 'A<B:80 POST /': 'ok', 'A<C:80': 'redirect', 'A<C:80 POST /': '403' },
  },
  {
    id: 't12 egress to nodes and networks',
    policies: [
      cluster('c', {
        tier: 'Admin',
        priority: 0,
        subject: podsNamed('A'),
        egress: [
          { action: 'Deny', to: [{ nodes: {} }, { networks: ['10.0.0.0/8'] }] },
          { action: 'Accept', to: [ALL] },
        ],
      }),
    ],
    flows: { 'A>host:80': 'deny', 'A>10.1.1.1:80': 'deny', 'A>11.1.1.1:80': 'allow', 'A>B:80': 'allow' },
  },
  {
    id: 't13 ports by number, range and name',
    policies: [
      admin(
        1,
        rule(
          'Deny',
          podsNamed('B'),
          port(80),
          { udp: { destinationPort: { range: { start: 10, end: 20 } } } },
          { destinationNamedPort: 'web' },
        ),
      ),
    ],
    world: { A: { labels: { name: 'A' }, ports: { web: 8080 } } },
    flows: {
      'A<B:80': 'deny',
      'A<B:15/UDP': 'deny',
      'A<B:21/UDP': 'allow',
      'A<B:8080': 'deny',
      'C<B:8080': 'allow',
    },
  },
]
