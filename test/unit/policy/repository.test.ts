import t from 'tap'
import { asEndpointId, asIdentity } from '../../../src/lib/brands.ts'
import { endpointLabels } from '../../../src/policy/labels.ts'
import { PolicyRepository } from '../../../src/policy/repository.ts'
import { parseGood, policyText, PolicyWorld } from '../../helpers/policy-world.ts'

const allowFrom = (app: string): unknown => ({
  endpointSelector: { matchLabels: { app: 'server' } },
  ingress: [{ fromEndpoints: [{ matchLabels: { app } }] }],
})

t.test('endpoints that nothing selects are open and share everything', async (t) => {
  const world = new PolicyWorld({ a: { labels: { app: 'a' } }, b: { labels: { app: 'b' } } })
  const [a, b] = [world.policyOf('a'), world.policyOf('b')]
  t.equal(a.mapEntries, b.mapEntries)
  t.equal(a.networkPolicy.ingress, b.networkPolicy.ingress)
  t.same(a.enforced, { ingress: false, egress: false })
  t.same(a.networkPolicy.ingress, [{ port: 0, endPort: 0, rules: [] }])
})

t.test('a change reports only endpoints that are enforced differently', async (t) => {
  const world = new PolicyWorld({
    server: { labels: { app: 'server' } },
    client: { labels: { app: 'client' } },
    other: { labels: { app: 'other' } },
  })
  const before = world.policyOf('client')
  const change = world.setPolicies(policyText(allowFrom('client')))
  t.same(
    change.endpoints.map(({ id }) => id),
    [world.idOf('server')],
  )
  t.equal(world.policyOf('client'), before, 'others keep their very policy')
  t.same(world.policyOf('server').enforced, { ingress: true, egress: false })
  t.same(world.repository.endpointsSelectedBy('n/p'), [world.idOf('server')])
  t.same(world.repository.policiesSelecting(world.idOf('server')), ['n/p'])
})

t.test('a new peer changes the policies that admit it, and no others', async (t) => {
  const world = new PolicyWorld({ server: { labels: { app: 'server' } }, db: { labels: { app: 'db' } } })
  world.setPolicies(policyText(allowFrom('client')))
  t.equal(world.verdict('server', 'ingress', 'db', '80'), 'deny')
  const change = world.setEndpoint('client', { labels: { app: 'client' } })
  t.same(
    change.endpoints.map(({ id }) => id),
    [world.idOf('server'), world.idOf('client')],
  )
  t.equal(change.addedIdentities.length, 1)
  t.equal(world.verdict('server', 'ingress', 'client', '80'), 'allow')
  const gone = world.identityOf('client')
  t.same(world.removeEndpoint('client').removedIdentities, [gone])
  t.same(
    world.policyOf('server').mapEntries.filter(({ identity }) => identity === gone),
    [],
  )
})

t.test('endpoints of one identity share their policy', async (t) => {
  const world = new PolicyWorld({
    one: { labels: { app: 'server' } },
    two: { labels: { app: 'server' } },
  })
  const { endpoints } = world.setPolicies(policyText(allowFrom('client')))
  t.equal(endpoints.length, 2)
  t.equal(world.policyOf('one').mapEntries, world.policyOf('two').mapEntries)
  t.equal(world.policyOf('one').networkPolicy.ingress, world.policyOf('two').networkPolicy.ingress)
})

t.test('the revision grows with each change, and only then', async (t) => {
  const repository = new PolicyRepository()
  const [policy] = parseGood(policyText(allowFrom('client')))
  t.equal(repository.revision, 0)
  t.equal(repository.update({ setPolicies: [policy!] }).revision, 1)
  t.equal(repository.update({ setPolicies: [policy!] }).revision, 1, 'the same object is no change')
  t.equal(
    repository.update({ removePolicies: ['n/unknown'], removeEndpoints: [asEndpointId(9)] }).revision,
    1,
  )
  t.equal(repository.update({ removePolicies: ['n/p'] }).revision, 2)
  t.same(repository.policies(), [])
})

t.test('a new version of a policy replaces the old one', async (t) => {
  const world = new PolicyWorld({ server: { labels: { app: 'server' } }, a: { labels: { app: 'a' } } })
  world.setPolicies(policyText(allowFrom('b')))
  t.equal(world.verdict('server', 'ingress', 'a', '80'), 'deny')
  world.setPolicies(policyText(allowFrom('a')))
  t.equal(world.verdict('server', 'ingress', 'a', '80'), 'allow')
  world.repository.update({ removePolicies: ['n/p'] })
  t.equal(world.verdict('server', 'ingress', 'world', '80'), 'allow')
})

t.test('an identity keeps its labels', async (t) => {
  const repository = new PolicyRepository()
  const endpoint = (id: number, app: string) => ({
    id: asEndpointId(id),
    identity: asIdentity(256),
    labels: endpointLabels('n', { app }),
    addresses: [`10.0.0.${id}`],
  })
  repository.update({ setEndpoints: [endpoint(1, 'a')] })
  t.throws(() => repository.update({ setEndpoints: [endpoint(2, 'b')] }), {
    message: /identity 256 has labels/,
  })
  t.equal(repository.revision, 1)
  t.equal(repository.endpointPolicy(asEndpointId(2)), undefined, 'nothing was changed')
})

t.test('new addresses are a change of the endpoint', async (t) => {
  const repository = new PolicyRepository()
  const labels = endpointLabels('n', {})
  const base = { id: asEndpointId(1), identity: asIdentity(256), labels }
  repository.update({ setEndpoints: [{ ...base, addresses: ['10.0.0.1'] }] })
  const { endpoints } = repository.update({ setEndpoints: [{ ...base, addresses: ['10.0.0.2'] }] })
  t.same(endpoints[0]?.after?.networkPolicy.endpointIps, ['10.0.0.2'])
  t.equal(repository.update({ setEndpoints: [{ ...base, addresses: ['10.0.0.2'] }] }).endpoints.length, 0)
})

t.test('an identity that is held keeps the port names of endpoints that left it', async (t) => {
  const db = { labels: { app: 'db' }, ports: { sql: 5432 } }
  const world = new PolicyWorld({ server: { labels: { app: 'server' } }, db })
  world.setPolicies(
    policyText({
      endpointSelector: { matchLabels: { app: 'server' } },
      egress: [{ toEntities: ['all'] }],
      egressDeny: [{ toEntities: ['all'], toPorts: [{ ports: [{ port: 'sql', protocol: 'TCP' }] }] }],
    }),
  )
  const peer = world.identityOf('db')
  const labels = world.repository.labelsOf(peer)
  if (labels === undefined) throw new Error('db has labels')
  const isDenied = (): boolean =>
    world
      .policyOf('server')
      .mapEntries.some(
        ({ identity, port, verdict }) => identity === peer && port === 5432 && verdict === 'deny',
      )
  world.repository.update({ addPeers: [{ identity: peer, labels }] })
  world.setEndpoint('db', { labels: { app: 'renamed' }, ports: { sql: 5433 } })
  t.ok(isDenied(), 'the address of the endpoint may still have the identity')
  world.repository.update({ removePeers: [peer] })
  t.notOk(isDenied(), 'nobody has it any more')
})
