// The exact form of resolved policies, where the oracle checks their meaning only.
import t from 'tap'
import { policyText, PolicyWorld } from '../../helpers/policy-world.ts'

const world = (spec: unknown): PolicyWorld => {
  const made = new PolicyWorld({
    server: { labels: { app: 'server' } },
    client: { labels: { app: 'client' } },
    other: { labels: { app: 'other' } },
  })
  made.setPolicies(policyText({ endpointSelector: { matchLabels: { app: 'server' } }, ...(spec as object) }))
  return made
}
const from = (app: string) => ({ fromEndpoints: [{ matchLabels: { app } }] })
const tcp = (port: string) => [{ port, protocol: 'TCP' }]

t.test('an enforced direction without any match is an empty list and no entry', async (t) => {
  const { networkPolicy, mapEntries } = world({ ingress: [{}] }).policyOf('server')
  t.same(networkPolicy.ingress, [])
  t.same(
    mapEntries.filter(({ direction }) => direction === 'ingress'),
    [],
  )
  t.same(networkPolicy.egress, [{ port: 0, endPort: 0, rules: [] }])
})

t.test('rules carry the names of the document', async (t) => {
  const http = [{ method: 'GET', path: '/a' }, { headers: ['X-Key: v', 'X-There'] }]
  const made = world({
    ingress: [{}, { ...from('client'), toPorts: [{ ports: tcp('80'), rules: { http } }] }],
  })
  const [entry] = made.policyOf('server').networkPolicy.ingress
  t.match(entry, { port: 80, endPort: 80 })
  t.same(entry?.rules[0]?.name, 'n/p ingress[1]')
  t.same(entry?.rules[0]?.remoteIdentities, [made.identityOf('client')])
  t.same(entry?.rules[0]?.http, [
    { name: 'n/p ingress[1].toPorts[0].rules.http[0]', method: 'GET', path: '/a', headers: [] },
    {
      name: 'n/p ingress[1].toPorts[0].rules.http[1]',
      headers: [
        { name: 'x-key', value: 'v' },
        { name: 'x-there', value: undefined },
      ],
    },
  ])
})

t.test('ranges that overlap are split, every-port rules are repeated in each', async (t) => {
  const made = world({
    ingress: [
      { ...from('client'), toPorts: [{ ports: [{ port: '80', endPort: 90, protocol: 'TCP' }] }] },
      { ...from('other'), toPorts: [{ ports: tcp('85') }] },
      { fromEntities: ['host'] },
    ],
  })
  const ports = made.policyOf('server').networkPolicy.ingress
  t.same(
    ports.map(({ port, endPort, rules }) => [
      port,
      endPort,
      rules.map(({ name }) => name.slice(-2, -1)).join(''),
    ]),
    [
      [80, 84, '02'],
      [85, 85, '012'],
      [86, 90, '02'],
      [0, 0, '2'],
    ],
  )
})

t.test('a rule whose peers do not exist yet leaves no port behind that would admit everybody', async (t) => {
  const made = world({ ingress: [{ ...from('nobody'), toPorts: [{ ports: tcp('80') }] }] })
  t.same(made.policyOf('server').networkPolicy.ingress, [])
})

t.test('UDP does not reach the proxy', async (t) => {
  const made = world({ ingress: [{ toPorts: [{ ports: [{ port: '53', protocol: 'UDP' }] }] }] })
  t.same(made.policyOf('server').networkPolicy.ingress, [])
  t.equal(made.verdict('server', 'ingress', 'world', '53/UDP'), 'allow')
})

t.test('what any peer may do is not repeated per peer', async (t) => {
  const made = world({
    ingress: [{ toPorts: [{ ports: tcp('80') }] }, { ...from('client'), toPorts: [{ ports: tcp('80') }] }],
  })
  t.same(
    made
      .policyOf('server')
      .mapEntries.filter(({ direction }) => direction === 'ingress')
      .map(({ identity, port }) => [identity, port]),
    [[0, 80]],
  )
})

t.test('without default deny HTTP rules only show requests', async (t) => {
  const http = [{ method: 'GET' }]
  const made = world({
    enableDefaultDeny: { ingress: false },
    ingress: [{ ...from('client'), toPorts: [{ ports: tcp('80'), rules: { http } }] }],
  })
  t.equal(made.verdict('server', 'ingress', 'client', '80'), 'redirect')
  t.equal(made.allows('server', 'ingress', 'client', '80', { method: 'POST', path: '/' }), true)
  t.equal(made.verdict('server', 'ingress', 'other', '80'), 'allow')
  t.equal(made.policyOf('server').enforced.ingress, false)
})
