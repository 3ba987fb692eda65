// A worker's NPDS client against a server that is not ours, over real gRPC on a real unix socket.
import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { NetworkPolicy } from '../../src/gen/cilium/NetworkPolicy.ts'
import type { PortNetworkPolicy } from '../../src/gen/cilium/PortNetworkPolicy.ts'
import type { PortNetworkPolicyRule } from '../../src/gen/cilium/PortNetworkPolicyRule.ts'
import { compileSnapshot } from '../../src/l7rules/snapshot.ts'
import { errorMessage } from '../../src/lib/errors.ts'
import { agentChannel } from '../../src/lib/rpc/channel.ts'
import { NETWORK_POLICY_HOSTS_TYPE, NETWORK_POLICY_TYPE } from '../../src/lib/rpc/discovery.ts'
import type { PolicySnapshot } from '../../src/policy/network-policy.ts'
import { XdsClient, type XdsClientOptions } from '../../src/proxy/xds/xds-client.ts'
import { Mailbox, logTo, type LogLine } from '../helpers/events.ts'
import { ScriptedXdsServer } from '../helpers/xds-server.ts'

t.setTimeout(120_000)

const FAST = { firstMs: 1, lastMs: 4 }

function socketPath(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'xds.sock')
}

async function startServer(t: Test, path: string): Promise<ScriptedXdsServer> {
  const server = await ScriptedXdsServer.start(path)
  t.teardown(() => server.stop())
  return server
}

function startClient(t: Test, path: string, options: Partial<XdsClientOptions> = {}) {
  const applied = new Mailbox<PolicySnapshot>()
  const log = new Mailbox<LogLine>()
  const client = new XdsClient({
    channel: agentChannel(path),
    mode: 'split',
    slot: 3,
    version: '0.1.0',
    log: logTo(log),
    backoff: FAST,
    apply: (snapshot) => {
      try {
        compileSnapshot(snapshot)
      } catch (error) {
        return errorMessage(error)
      }
      applied.push(snapshot)
      return undefined
    },
    ...options,
  })
  client.start()
  t.teardown(() => client.close())
  return { client, applied, log }
}

const allowAll: PortNetworkPolicy = { port: 0 }
const policy = (endpointId: number, fields: Partial<NetworkPolicy> = {}): NetworkPolicy => ({
  endpointId,
  endpointIps: [`10.0.0.${endpointId}`],
  ingressPerPortPolicies: [allowAll],
  egressPerPortPolicies: [allowAll],
  ...fields,
})
const onPort = (fields: PortNetworkPolicy): NetworkPolicy => policy(1, { ingressPerPortPolicies: [fields] })
const ruled = (...rules: PortNetworkPolicyRule[]): NetworkPolicy => onPort({ port: 80, rules })
const idsIn = ({ policies }: PolicySnapshot): number[] => policies.map(({ endpointId }) => endpointId)

for (const mode of ['split', 'ads'] as const) {
  t.test(`${mode}: versions and nonces are echoed as they come`, async (t) => {
    const path = socketPath(t)
    const server = await startServer(t, path)
    const { applied, client } = startClient(t, path, { mode })
    const stream = await server.streams.take()
    t.equal(stream.kind, mode === 'ads' ? 'ads' : 'policies')
    t.match(await stream.requests.take(), {
      versionInfo: '',
      responseNonce: '',
      typeUrl: NETWORK_POLICY_TYPE,
      resourceNames: [],
      errorDetail: null,
      node: { id: 'host~127.0.0.1~weir-3~localdomain', userAgentName: 'weir', userAgentVersion: '0.1.0' },
    })
    t.notOk(client.isConnected)
    stream.respond('a1b2', [policy(1), policy(2)])
    t.same(idsIn(await applied.take()), [1, 2])
    t.match(await stream.requests.take(), {
      versionInfo: 'a1b2',
      responseNonce: 'nonce of a1b2',
      typeUrl: NETWORK_POLICY_TYPE,
      errorDetail: null,
    })
    t.ok(client.isConnected)

    stream.respond('41', [policy(1, { endpointIps: [] })])
    t.match(await stream.requests.take(), {
      versionInfo: 'a1b2',
      responseNonce: 'nonce of 41',
      errorDetail: { code: 13, message: /NetworkPolicyResource has no endpoint ips/ },
    })
    stream.respond('42', [policy(2)], { nonce: '' })
    const last = await applied.take()
    t.same(idsIn(last), [2], 'the state of the world: what is not there is gone')
    t.equal(last.revision, 42, 'a version in digits shows as the revision')
    t.match(await stream.requests.take(), { versionInfo: '42', responseNonce: '' })
    stream.respond('43', [])
    t.same(idsIn(await applied.take()), [], 'empty removes all')
    t.match(await stream.requests.take(), { versionInfo: '43', errorDetail: null })
  })

  t.test(`${mode}: the last policy outlives its agent, the next one starts anew`, async (t) => {
    const path = socketPath(t)
    const server = await startServer(t, path)
    const { applied, client, log } = startClient(t, path, { mode })
    const stream = await server.streams.take()
    await stream.requests.take()
    stream.respond('7', [policy(1), policy(2)])
    await applied.take()
    await stream.requests.take()
    server.stop()
    await log.takeUntil(({ msg }) => msg.startsWith('xDS server lost'))
    t.notOk(client.isConnected)
    await log.takeUntil(({ msg }) => msg.startsWith('xDS server not reached'))

    const next = await startServer(t, path)
    const second = await next.streams.take()
    t.match(await second.requests.take(), {
      versionInfo: '',
      responseNonce: '',
      node: { userAgentName: 'weir' },
    })
    second.respond('1', [policy(0)])
    t.match(
      await second.requests.take(),
      { versionInfo: '', responseNonce: 'nonce of 1', errorDetail: {} },
      'a refused first update leaves the stream new',
    )
    second.respond('2', [policy(2), policy(2)])
    t.match((await second.requests.take()).errorDetail?.message, /on a new stream/)
    second.respond('3', [policy(3)])
    t.same(idsIn(await applied.take()), [3], 'nothing was applied in between, and nothing is left of before')
    t.match(await second.requests.take(), { versionInfo: '3', errorDetail: null })
    second.respond('4', [policy(2), policy(2)])
    t.match((await second.requests.take()).errorDetail?.message, /on an old stream/)
  })
}

t.test('streams that end come back: cleanly, with an error, and without a server', async (t) => {
  const path = socketPath(t)
  const { log, applied } = startClient(t, path)
  await log.takeUntil(({ msg }) => msg.startsWith('xDS server not reached'))
  const server = await startServer(t, path)
  const first = await server.streams.take()
  first.respond('1', [policy(1)])
  await applied.take()
  first.end()
  const second = await server.streams.take()
  second.fail(3, 'invalid node format')
  t.match(
    await log.takeUntil(({ reason }) => reason === 'invalid node format'),
    { level: 40 },
    'the reason is for the operator',
  )
  const third = await server.streams.take()
  third.respond('1', [policy(9)])
  t.same(idsIn(await applied.take()), [9])
})

t.test('types: another one is refused on a split stream and ignored on an aggregated one', async (t) => {
  const path = socketPath(t)
  const server = await startServer(t, path)
  startClient(t, path)
  const split = await server.streams.take()
  await split.requests.take()
  split.respond('1', [], { typeUrl: NETWORK_POLICY_HOSTS_TYPE })
  t.match(await split.requests.take(), {
    versionInfo: '',
    responseNonce: 'nonce of 1',
    typeUrl: NETWORK_POLICY_TYPE,
    errorDetail: { message: /type URL ".*NetworkPolicyHosts" was not asked for/ },
  })
  split.respond('2', [{ type_url: 'type.googleapis.com/envoy.Listener', value: Buffer.alloc(0) }])
  t.match((await split.requests.take()).errorDetail?.message, /resource type ".*Listener" is not/)
  split.respond('3', [{ type_url: NETWORK_POLICY_TYPE, value: Buffer.from([0x10, 0xff]) }])
  t.match((await split.requests.take()).errorDetail?.message, /resource is no cilium.NetworkPolicy/)

  const { applied } = startClient(t, path, { mode: 'ads' })
  const ads = await server.streams.take()
  await ads.requests.take()
  ads.respond('1', [], { typeUrl: NETWORK_POLICY_HOSTS_TYPE })
  ads.respond('2', [policy(1)])
  await applied.take()
  t.match(await ads.requests.take(), { versionInfo: '2', errorDetail: null }, 'one answer')
})

t.test('a worker that cannot use an update refuses it; long reasons are cut', async (t) => {
  const path = socketPath(t)
  const server = await startServer(t, path)
  let answer: (() => string | undefined) | undefined
  startClient(t, path, { apply: () => answer?.() })
  const stream = await server.streams.take()
  await stream.requests.take()
  answer = () => 'x'.repeat(5000)
  stream.respond('1', [])
  t.equal((await stream.requests.take()).errorDetail?.message.length, 4096)
  answer = () => {
    throw new Error('a bug')
  }
  stream.respond('2', [])
  t.equal((await stream.requests.take()).errorDetail?.message, 'a bug')
  answer = undefined
  stream.respond('3', [])
  t.equal((await stream.requests.take()).errorDetail, null)
})

/** The texts of cilium/proxy, where it refuses the same. */
const BAD_UPDATES: readonly [string, NetworkPolicy[], string][] = [
  ['no address', [policy(1, { endpointIps: [] })], 'NetworkPolicyResource has no endpoint ips'],
  ['no id', [policy(0)], 'NetworkPolicyResource endpoint_id must be non-zero'],
  [
    'range backwards',
    [onPort({ port: 80, endPort: 60 })],
    'PortNetworkPolicy: Invalid port range, end port is less than start port 80-60',
  ],
  [
    'range from any',
    [onPort({ port: 0, endPort: 80 })],
    'PortNetworkPolicy: Invalid port range including the wildcard zero port 0-80',
  ],
  [
    'pass upwards',
    [ruled({ precedence: 1000, passPrecedence: 2000 })],
    'PortNetworkPolicyRule: pass_precedence 2000 must be lower than precedence 1000',
  ],
  [
    'passes that disagree',
    [ruled({ precedence: 1000, passPrecedence: 100 }, { precedence: 900, passPrecedence: 200 })],
    'PortNetworkPolicy: Inconsistent pass precedence 200 != 100',
  ],
  [
    'two of an id',
    [policy(2), policy(2, { endpointIps: ['10.0.0.9'] })],
    "NetworkPolicyResource update for version V has duplicate resource key '2' on a new stream: ",
  ],
  [
    'two of an address',
    [policy(2), policy(3, { endpointIps: ['fd00::1', '10.0.0.2'] })],
    "NetworkPolicyResource update for version V has duplicate resource key '10.0.0.2' on a new stream: ",
  ],
  [
    'an address in two spellings',
    [policy(2, { endpointIps: ['fd00::1'] }), policy(3, { endpointIps: ['FD00:0:0::1'] })],
    "duplicate resource key 'FD00:0:0::1'",
  ],
  ['an address with a blank', [policy(2, { endpointIps: ['10.0.0.2 '] })], 'is empty or has white space'],
  ['port', [onPort({ port: 70_000 })], 'port 70000 must be 0..65535'],
  ['regex', [ruled({ httpRules: { httpRules: [{ headers: [path('(')] }] } })], '('],
  ['mode of a later version', [ruled({ weirMode: 9 as never })], 'weir_mode'],
]
function path(regex: string) {
  return { name: ':path', stringMatch: { safeRegex: { regex } } }
}

for (const [name, policies, expected] of BAD_UPDATES) {
  t.test(`one bad resource refuses all: ${name}`, async (t) => {
    const socket = socketPath(t)
    const server = await startServer(t, socket)
    const { applied } = startClient(t, socket)
    const stream = await server.streams.take()
    await stream.requests.take()
    stream.respond('V', [policy(8), ...policies])
    const { errorDetail, versionInfo, responseNonce } = await stream.requests.take()
    t.match({ versionInfo, responseNonce }, { versionInfo: '', responseNonce: 'nonce of V' })
    t.equal(errorDetail?.code, 13)
    t.ok(errorDetail?.message.includes(expected), errorDetail?.message ?? 'no reason')
    stream.respond('W', [policy(8)])
    t.same(idsIn(await applied.take()), [8], 'the bad one was never applied')
  })
}

t.test('rules that ask for what the proxy cannot do deny their peers, and nobody else', async (t) => {
  const socket = socketPath(t)
  const server = await startServer(t, socket)
  const { applied, log } = startClient(t, socket)
  const stream = await server.streams.take()
  await stream.requests.take()
  const update = [
    ruled(
      {
        name: 'topics',
        precedence: 5,
        remotePolicies: [300],
        l7Proto: 'kafka',
        kafkaRules: { kafkaRules: [{ apiVersion: -1, topic: 'x' }] },
      },
      { name: 'parser', precedence: 5, remotePolicies: [304], l7Proto: 'kafka' },
      { precedence: 5, remotePolicies: [301], l7Proto: 'cassandra', l7Rules: { l7AllowRules: [] } },
      { precedence: 5, remotePolicies: [302], serverNames: ['a.example'] },
      { name: 'mine', precedence: 5, remotePolicies: [305], proxyId: 10_001 },
      { precedence: 1, remotePolicies: [301, 302, 303, 304, 305] },
    ),
  ]
  stream.respond('1', update)
  t.equal((await stream.requests.take()).errorDetail, null, 'accepted: the rest of the node must not wait')
  const snapshot = compileSnapshot(await applied.take())
  const verdict = (sourceIdentity: number) => {
    const ends = { egressEndpoint: 0, ingressEndpoint: 1, destinationIdentity: 1, destinationPort: 80 }
    return snapshot.connection({ ...ends, sourceIdentity } as never)
  }
  const topics = verdict(300)
  const request = { apiKey: 0, apiVersion: 9, clientId: '' }
  if (topics.kind !== 'kafka') throw new Error(`topics are ${topics.kind}`)
  t.match(topics.judge.judge(request, { topic: 'x' }), { allowed: true })
  t.match(topics.judge.judge(request, { topic: 'y' }), { allowed: false, rule: 'topics' })
  t.match(verdict(304), { kind: 'deny', verdict: { rule: 'parser (l7_proto "kafka" is not supported)' } })
  t.match(verdict(301), { kind: 'deny', verdict: { rule: 'rule (l7_proto "cassandra" is not supported)' } })
  t.match(verdict(302), { kind: 'deny', verdict: { rule: /server_names/ } })
  t.match(verdict(305), { kind: 'deny', verdict: { rule: 'mine (proxy_id 10001 is not supported)' } })
  t.match(verdict(303), { kind: 'allow' })
  const { rules } = await log.takeUntil(({ msg }) => msg.startsWith('rules that deny'))
  t.match(rules, [
    /endpoint 1, ingress_per_port_policies\[0\]\.rules\[1\] \(parser\): l7_proto "kafka" is not/,
  ])
})

type Step =
  { readonly kind: 'good' | 'bad'; readonly endpoints: readonly number[] } | { readonly kind: 'restart' }

t.test('any series of updates, refusals and restarts ends in the last acceptable state', async (t) => {
  const endpoints = fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 })
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constantFrom<('good' | 'bad')[]>('good', 'bad'), endpoints }),
    },
    { weight: 1, arbitrary: fc.constant<Step>({ kind: 'restart' }) },
  )
  const property = fc.asyncProperty(
    fc.constantFrom<('split' | 'ads')[]>('split', 'ads'),
    fc.array(step, { maxLength: 12 }),
    async (mode, steps) => {
      const path = socketPath(t)
      let inForce: readonly number[] | undefined
      let server = await ScriptedXdsServer.start(path)
      const { client } = startClient(t, path, { mode, apply: (snapshot) => void (inForce = idsIn(snapshot)) })
      let stream = await server.streams.take()
      await stream.requests.take()
      let expected: readonly number[] | undefined
      let accepted = ''
      for (const [i, current] of steps.entries()) {
        if (current.kind === 'restart') {
          server.stop()
          server = await ScriptedXdsServer.start(path)
          stream = await server.streams.take()
          t.match(await stream.requests.take(), { versionInfo: '', responseNonce: '' })
          accepted = ''
          continue
        }
        const isGood = current.kind === 'good'
        const version = `v${i}`
        const policies = current.endpoints.map((id) => policy(id))
        stream.respond(version, isGood ? policies : [...policies, policy(0)])
        if (isGood) {
          expected = current.endpoints
          accepted = version
        }
        const answer = await stream.requests.take()
        if (answer.versionInfo !== accepted || answer.responseNonce !== `nonce of ${version}`) return false
        if ((answer.errorDetail === null) !== isGood) return false
        if (JSON.stringify(inForce) !== JSON.stringify(expected)) return false
      }
      client.close()
      server.stop()
      return JSON.stringify(inForce) === JSON.stringify(expected)
    },
  )
  await fc.assert(property, { numRuns: 40 })
  t.pass()
})
