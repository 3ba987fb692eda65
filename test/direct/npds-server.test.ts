// The agent's discovery services against a client that is not ours, over real gRPC on a real unix socket.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { agentHandlers, type AgentState } from '../../src/agent/agent-server.ts'
import { ControlServer } from '../../src/agent/control-server.ts'
import { FlowLog } from '../../src/agent/flow-log.ts'
import { startRpcServer, type RpcServer } from '../../src/agent/rpc-server.ts'
import { XdsServer, type XdsServerOptions } from '../../src/agent/xds/xds-server.ts'
import type { DiscoveryRequest } from '../../src/gen/envoy/service/discovery/v3/DiscoveryRequest.ts'
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import { agentChannel } from '../../src/lib/rpc/channel.ts'
import {
  NETWORK_POLICY_HOSTS_TYPE,
  NETWORK_POLICY_TYPE,
  WEIR_USER_AGENT,
} from '../../src/lib/rpc/discovery.ts'
import { protos } from '../../src/lib/rpc/load.ts'
import type { NetworkPolicy, PolicySnapshot } from '../../src/policy/network-policy.ts'
import { Mailbox, logTo, type LogLine } from '../helpers/events.ts'
import { ENVOY_NODE, policiesIn, ScriptedXdsClient, type DiscoveryMethod } from '../helpers/xds-client.ts'

t.setTimeout(120_000)

const allowAll = [{ port: 0, endPort: 0, rules: [] }]

function policyOf(endpoint: number): NetworkPolicy {
  return {
    endpointId: asEndpointId(endpoint),
    endpointIps: [`10.0.0.${endpoint}`],
    ingress: allowAll,
    egress: allowAll,
  }
}

function snapshot(revision: number, ...endpoints: number[]): PolicySnapshot {
  return {
    revision: asRevision(revision),
    policies: endpoints.map(policyOf),
    endpoints: endpoints.map((id) => ({
      id: asEndpointId(id),
      name: `pod${id}`,
      namespace: 'default',
      identity: asIdentity(256 + (id % 2)),
      addresses: [`10.0.0.${id}`],
    })),
    identities: [],
  }
}

interface TestAgent {
  readonly xds: XdsServer
  readonly rpc: RpcServer
  readonly log: Mailbox<LogLine>
  readonly open: (method?: DiscoveryMethod) => ScriptedXdsClient
  readonly socketPath: string
}

async function startAgent(t: Test, options: Partial<XdsServerOptions> = {}): Promise<TestAgent> {
  const root = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const socketPath = instancePaths(join(root, 'state')).agentSocket
  const log = new Mailbox<LogLine>()
  const xds = new XdsServer({ log: logTo(log), hostAddresses: () => ['192.0.2.1', '10.0.0.1'], ...options })
  const control = new ControlServer({ log: logTo(new Mailbox()), onFlows: () => {} })
  const rpc = await startRpcServer(socketPath, {
    control: control.handlers,
    agent: agentHandlers({} as AgentState, new FlowLog(), control),
    xds: xds.handlers,
  })
  t.teardown(() => rpc.close())
  const open = (method: DiscoveryMethod = 'policies'): ScriptedXdsClient => {
    const client = new ScriptedXdsClient(agentChannel(socketPath), method)
    t.teardown(() => client.close())
    return client
  }
  return { xds, rpc, log, open, socketPath }
}

const connected = (agent: TestAgent) => agent.log.takeUntil((line) => line.msg === 'xds client connected')
const idsIn = (response: Parameters<typeof policiesIn>[0]) => policiesIn(response).map((p) => p.endpointId)

for (const mode of ['policies', 'ads'] as const) {
  t.test(`${mode}: a version is its revision, is acknowledged, and counts as realised`, async (t) => {
    const agent = await startAgent(t)
    await agent.xds.publish(snapshot(4, 1, 2))
    const client = agent.open(mode)
    client.subscribe()
    const first = await client.responses.take()
    t.match(first, { versionInfo: '4', nonce: '4', typeUrl: NETWORK_POLICY_TYPE })
    t.same(idsIn(first), [1, 2])
    t.match(agent.xds.clients(), [{ node: ENVOY_NODE, peer: 'unix', wanted: 4, realised: 0, error: '' }])
    t.equal(agent.xds.clients()[0]?.mode, mode === 'ads' ? 'ads' : 'split')

    const published = agent.xds.publish(snapshot(5, 2))
    client.ack(first)
    const second = await client.responses.take()
    t.equal(second.versionInfo, '5')
    t.same(idsIn(second), [2], 'what is not there any more is removed')
    t.match(agent.xds.clients(), [{ wanted: 5, realised: 4 }])
    t.equal(agent.xds.realised(2), 4)
    client.ack(second)
    await published
    t.match(agent.xds.clients(), [{ wanted: 5, realised: 5 }])

    await Promise.all([
      agent.xds.publish(snapshot(6)),
      client.responses.take().then((empty) => {
        t.same(empty.resources, [], 'an empty state is a response, too')
        client.ack(empty)
      }),
    ])
    t.equal(agent.xds.realised(2), 6)
    client.close()
    await agent.log.takeUntil((line) => line.msg === 'xds client disconnected')
    t.same(agent.xds.clients(), [])
    t.equal(agent.xds.realised(2), undefined)
  })

  t.test(`${mode}: what is refused is not sent again before the next change`, async (t) => {
    const agent = await startAgent(t)
    await agent.xds.publish(snapshot(1, 1))
    const client = agent.open(mode)
    client.subscribe()
    const good = await client.responses.take()
    client.ack(good)
    const published = agent.xds.publish(snapshot(2, 1, 2))
    const bad = await client.responses.take()
    client.nack(bad, good.versionInfo, 'no room')
    await published
    t.match(agent.xds.clients(), [{ wanted: 2, realised: 1, error: 'no room' }])
    t.match(await agent.log.takeUntil((line) => line.level === 50), { revision: 2, error: 'no room' })

    await agent.xds.publish(snapshot(2, 1, 2))
    // Anything resent would have come before the answer to this.
    const again = agent.xds.publish(snapshot(3, 1))
    const third = await client.responses.take()
    t.equal(third.versionInfo, '3')
    client.ack(third)
    await again
    t.match(agent.xds.clients(), [{ wanted: 3, realised: 3, error: '' }])
  })
}

t.test('a refusal is told by the version alone on split streams', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(7, 1))
  const client = agent.open()
  client.subscribe()
  const first = await client.responses.take()
  client.send({ versionInfo: '', responseNonce: first.nonce })
  await agent.log.takeUntil((line) => line.level === 50)
  t.match(agent.xds.clients(), [{ realised: 0, error: 'no reason given' }])
  const other = agent.open()
  other.subscribe()
  const response = await other.responses.take()
  other.send({
    versionInfo: response.nonce,
    responseNonce: response.nonce,
    errorDetail: { message: 'only words' },
  })
  const next = agent.xds.publish(snapshot(8, 1))
  const eighth = await other.responses.take()
  t.match(
    agent.xds
      .clients()
      .map(({ realised }) => realised)
      .sort(),
    [0, 7],
  )
  other.ack(eighth)
  client.ack(await client.responses.take())
  await next
})

t.test('a client that comes before there is a policy, and one that answers late', async (t) => {
  const agent = await startAgent(t, { ackTimeoutMs: 20 })
  const client = agent.open()
  client.subscribe()
  await connected(agent)
  await agent.xds.publish(snapshot(1, 1))
  const first = await client.responses.take()
  await agent.xds.publish(snapshot(2, 1))
  await agent.xds.publish(snapshot(3, 1))
  t.match(agent.xds.clients(), [{ wanted: 3, realised: 0 }], 'nobody is held up')
  client.ack(first)
  t.equal((await client.responses.take()).versionInfo, '3', 'what was superseded is skipped')
  t.match(agent.xds.clients(), [{ wanted: 3, realised: 1 }])
})

t.test('a new stream gets everything, as a version above all that the client names', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(5, 1))
  for (const [claimed, expected] of [
    ['5', '10'],
    ['3', '8'],
    ['900', '905'],
    ['', '5'],
  ] as const) {
    const client = agent.open()
    client.subscribe({ versionInfo: claimed })
    const response = await client.responses.take()
    t.equal(response.versionInfo, expected, `after ${claimed}`)
    t.equal(response.nonce, expected)
    client.ack(response)
    const published = agent.xds.publish(snapshot(5, 1))
    await published
    await agent.log.takeUntil((line) => line.msg === 'xds client connected')
    client.close()
    await agent.log.takeUntil((line) => line.msg === 'xds client disconnected')
  }
  const client = agent.open()
  client.subscribe({ versionInfo: '18446744073709551615' })
  t.match(await client.ended, { details: 'invalid version info' }, 'no room for later versions')
  const ads = agent.open('ads')
  ads.subscribe({ versionInfo: 'sha256:abc', responseNonce: 'of another stream' })
  t.equal((await ads.responses.take()).versionInfo, '5', 'aggregated: any text')
})

t.test('names select, in the response and afterwards', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1, 2, 3))
  const client = agent.open()
  client.subscribe({ resourceNames: ['2', '9', 'no number'] })
  const one = await client.responses.take()
  t.same(idsIn(one), [2])
  t.equal(agent.xds.realised(1), undefined, 'it did not ask for that one')
  client.ack(one, ['3', '2'])
  const two = await client.responses.take()
  t.same(idsIn(two), [2, 3], 'at once, without a change')
  t.not(two.nonce, one.nonce, 'answers to both can be told apart')
  client.ack(two, ['2', '3'])
  await agent.log.takeUntil((line) => line.msg === 'xds client connected')
  const published = agent.xds.publish(snapshot(2, 1, 3))
  const three = await client.responses.take()
  t.same(idsIn(three), [3])
  client.ack(three)
  const all = await client.responses.take()
  t.same(idsIn(all), [1, 3], 'none = all')
  client.ack(all)
  await published
})

t.test('hosts: addresses by identity, those of the node as host', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1, 2, 3))
  const client = agent.open('hosts')
  client.subscribe({ typeUrl: NETWORK_POLICY_HOSTS_TYPE })
  const { resources, typeUrl } = await client.responses.take()
  t.equal(typeUrl, NETWORK_POLICY_HOSTS_TYPE)
  const hosts = resources.map(({ value }) => protos().cilium.NetworkPolicyHosts.deserialize(value))
  t.same(hosts, [
    { policy: 257, hostAddresses: ['10.0.0.1', '10.0.0.3'] },
    { policy: 256, hostAddresses: ['10.0.0.2'] },
    { policy: 1, hostAddresses: ['192.0.2.1'] },
  ])
})

t.test('aggregated: types have their own versions, names and refusals', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1, 2))
  const client = agent.open('ads')
  client.subscribe({ resourceNames: ['1'] })
  const policies = await client.responses.take()
  t.same(idsIn(policies), [1])
  client.send({ typeUrl: NETWORK_POLICY_HOSTS_TYPE, resourceNames: ['256'] })
  const hosts = await client.responses.take()
  t.equal(hosts.typeUrl, NETWORK_POLICY_HOSTS_TYPE)
  t.equal(hosts.resources.length, 1)
  client.nack(policies, '', 'bad', ['1'])
  client.ack(hosts, ['256'])
  await agent.log.takeUntil((line) => line.level === 50)
  const published = agent.xds.publish(snapshot(2, 1))
  const next = [await client.responses.take(), await client.responses.take()]
  t.same(next.map(({ typeUrl }) => typeUrl).sort(), [NETWORK_POLICY_TYPE, NETWORK_POLICY_HOSTS_TYPE])
  const [policiesAgain] = next.filter(({ typeUrl }) => typeUrl === NETWORK_POLICY_TYPE)
  client.ack(policiesAgain!, ['1'])
  await published
  t.match(agent.xds.clients(), [
    { typeUrl: NETWORK_POLICY_TYPE, realised: 2, error: '' },
    { typeUrl: NETWORK_POLICY_HOSTS_TYPE, realised: 1 },
  ])
})

t.test('a late answer to an older response counts as none', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1))
  const client = agent.open('ads')
  client.subscribe()
  const first = await client.responses.take()
  client.ack(first)
  const published = agent.xds.publish(snapshot(2, 1))
  const second = await client.responses.take()
  client.nack(first, '', 'too late')
  client.ack(second)
  await published
  t.match(agent.xds.clients(), [{ realised: 2, error: '' }])
})

const FIRST: DiscoveryRequest = { typeUrl: NETWORK_POLICY_TYPE, node: { id: ENVOY_NODE } }
const BAD_FIRST_REQUESTS: readonly [string, DiscoveryMethod, DiscoveryRequest, string][] = [
  ['no node', 'policies', { typeUrl: NETWORK_POLICY_TYPE }, 'invalid node format'],
  ['three parts', 'policies', { ...FIRST, node: { id: 'host~127.0.0.1~x' } }, 'invalid node format'],
  ['no address', 'policies', { ...FIRST, node: { id: 'host~localhost~x~y' } }, 'invalid node format'],
  ['version in words', 'policies', { ...FIRST, versionInfo: 'v1' }, 'invalid version info'],
  ['negative version', 'policies', { ...FIRST, versionInfo: '-1' }, 'invalid version info'],
  [
    'version beyond u64',
    'policies',
    { ...FIRST, versionInfo: '18446744073709551616' },
    'invalid version info',
  ],
  ['nonce in words', 'policies', { ...FIRST, responseNonce: 'x' }, 'invalid response nonce info'],
  ['another type', 'policies', { ...FIRST, typeUrl: NETWORK_POLICY_HOSTS_TYPE }, 'mismatching type URL'],
  ['no such type', 'policies', { ...FIRST, typeUrl: 'type.googleapis.com/x' }, 'unknown type URL'],
  ['no such type, aggregated', 'ads', { ...FIRST, typeUrl: 'type.googleapis.com/x' }, 'unknown type URL'],
  ['no type, aggregated', 'ads', { ...FIRST, typeUrl: '' }, 'type URL is required for ADS'],
]
for (const [name, method, request, details] of BAD_FIRST_REQUESTS) {
  t.test(`a bad first request ends the stream: ${name}`, async (t) => {
    const agent = await startAgent(t)
    await agent.xds.publish(snapshot(1, 1))
    const client = agent.open(method)
    client.send(request)
    t.match(await client.ended, { code: 3, details })
    t.match(await agent.log.takeUntil((line) => line.level === 40), { problem: details })
    await agent.log.takeUntil((line) => line.msg === 'xds client disconnected')
    t.same(agent.xds.clients(), [])
  })
}

t.test('a split stream without a type is about the type of its service', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1))
  const client = agent.open()
  client.send({ node: { id: 'host~::1~x~y' } })
  t.equal((await client.responses.take()).typeUrl, NETWORK_POLICY_TYPE)
})

t.test('numbers that cannot be end a split stream', async (t) => {
  for (const [versionInfo, responseNonce] of [
    ['9', '1'],
    ['1', '2'],
  ] as const) {
    const agent = await startAgent(t)
    await agent.xds.publish(snapshot(1, 1))
    const client = agent.open()
    client.subscribe()
    await client.responses.take()
    client.send({ versionInfo, responseNonce })
    t.match(await client.ended, { code: 3, details: 'invalid response nonce info' })
  }
})

t.test('deltas and fetches are not implemented', async (t) => {
  const agent = await startAgent(t)
  const { cilium, envoy } = protos()
  const channel = agentChannel(agent.socketPath)
  const policies = new cilium.NetworkPolicyDiscoveryService(...channel)
  const hosts = new cilium.NetworkPolicyHostsDiscoveryService(...channel)
  const ads = new envoy.service.discovery.v3.AggregatedDiscoveryService(...channel)
  for (const client of [policies, hosts, ads]) t.teardown(() => client.close())
  const expected = { code: 12, details: /^state of the world only/ }
  for (const call of [
    policies.DeltaNetworkPolicies(),
    hosts.DeltaNetworkPolicyHosts(),
    ads.DeltaAggregatedResources(),
  ]) {
    call.on('data', () => {})
    t.match(await new Promise((resolve) => call.on('error', resolve)), expected)
  }
  t.match(
    await new Promise((resolve) => policies.FetchNetworkPolicies({}, (error) => resolve(error))),
    expected,
  )
  t.match(
    await new Promise((resolve) => hosts.FetchNetworkPolicyHosts({}, (error) => resolve(error))),
    expected,
  )
})

t.test('others get enforced rules only, ours get them all', async (t) => {
  const agent = await startAgent(t)
  const rule = { precedence: 1, deny: false, remoteIdentities: undefined, http: undefined }
  const policy: NetworkPolicy = {
    ...policyOf(1),
    endpointIps: ['10.0.0.1', 'fd00::1', '10.0.0.2'],
    ingress: [
      {
        port: 80,
        endPort: 80,
        rules: [
          { ...rule, name: 'a' },
          { ...rule, name: 'b', mode: 'audit' },
        ],
      },
      { port: 81, endPort: 81, rules: [{ ...rule, name: 'c', mode: 'shadow' }] },
    ],
  }
  await agent.xds.publish({ ...snapshot(1), policies: [policy] })
  const other = agent.open()
  other.subscribe()
  const [plain] = policiesIn(await other.responses.take())
  t.same(plain?.endpointIps, ['10.0.0.1', 'fd00::1'])
  t.same(
    plain?.ingressPerPortPolicies.map(({ port, rules }) => [port, rules.map(({ name }) => name)]),
    [[80, ['a']]],
  )
  const ours = agent.open()
  ours.subscribe({ node: { id: ENVOY_NODE, userAgentName: WEIR_USER_AGENT } })
  const [full] = policiesIn(await ours.responses.take())
  t.equal(full?.endpointIps.length, 3)
  t.same(
    full?.ingressPerPortPolicies.map(({ rules }) => rules.map(({ weirMode }) => weirMode)),
    [['WEIR_ENFORCE', 'WEIR_AUDIT'], ['WEIR_SHADOW']],
  )
})

t.test('an agent that stops', async (t) => {
  const agent = await startAgent(t)
  await agent.xds.publish(snapshot(1, 1))
  const client = agent.open()
  client.subscribe()
  await client.responses.take()
  await agent.rpc.close()
  t.match(await client.ended, { code: /^(1|14)$/ })
})
