// The reconciler against a kernel in memory: what is allowed at every step in between, how much is done, and
// what happens when something does not fit.
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { EndpointSpec } from '../../../src/agent/endpoints-document.ts'
import { EndpointRegistry } from '../../../src/agent/endpoint-registry.ts'
import { Reconciler } from '../../../src/agent/reconciler.ts'
import { createLogger } from '../../../src/lib/log.ts'
import { LOCAL_RANGE } from '../../../src/policy/identity.ts'
import { LocalIdentityAllocator } from '../../../src/policy/identity-allocator.ts'
import type { PolicySnapshot } from '../../../src/policy/network-policy.ts'
import type { ParsedPolicy } from '../../../src/policy/rule-model.ts'
import { FakeDatapath } from '../../helpers/fake-datapath.ts'
import { rawDocument, textOf } from '../../helpers/policy-arbitraries.ts'
import { kernelVerdict, proxyAllows } from '../../helpers/policy-simulation.ts'
import { parseGood, policyText } from '../../helpers/policy-world.ts'

class Rig {
  readonly datapath: FakeDatapath
  readonly reconciler: Reconciler
  snapshot: PolicySnapshot | undefined
  static #count = 0

  constructor(dir: string, maxPolicyEntries?: number) {
    this.datapath = new FakeDatapath(maxPolicyEntries)
    this.reconciler = new Reconciler({
      datapath: this.datapath,
      allocator: new LocalIdentityAllocator(),
      prefixAllocator: new LocalIdentityAllocator(undefined, LOCAL_RANGE),
      registry: new EndpointRegistry(join(dir, `endpoints-${Rig.#count++}.json`)),
      publish: async (snapshot) => (this.snapshot = snapshot),
      hostAddresses: () => ['10.9.9.9'],
      log: createLogger('test', 'silent'),
    })
  }
}

const spec = (
  name: string,
  labels: Record<string, string>,
  ports: Record<string, number> = {},
): EndpointSpec => ({
  name,
  namespace: name === 'm' ? 'm' : 'n',
  labels,
  devices: [`veth-${name}`],
  addresses: [`10.1.1.${name.charCodeAt(0)}`],
  ports: Object.entries(ports).map(([port, number]) => ({ name: port, protocol: 6, port: number })),
})

const OUTSIDE = [
  '10.9.9.9',
  '10.1.1.1',
  '10.1.2.1',
  '10.2.0.1',
  '192.0.2.1',
  '203.0.113.1',
  '2001:db8::1',
  'fd00::1',
]
const PORTS = [1, 80, 81, 443, 30_000]
const REQUESTS = [
  { method: 'GET', path: '/a' },
  { method: 'PUT', path: '/b' },
]

/** How much each flow of each endpoint is allowed: requests one by one, 2 = without looking. */
function allowed({ datapath, snapshot }: Rig, names: readonly string[]): Map<string, number> {
  const flows = new Map<string, number>()
  const ids = new Map(snapshot?.endpoints.map((endpoint) => [endpoint.name, endpoint]))
  for (const name of names) {
    const endpoint = ids.get(name)
    if (endpoint === undefined || !datapath.endpoints.has(endpoint.id)) continue
    const policy = snapshot?.policies.find(({ endpointId }) => endpointId === endpoint.id)
    const entries = datapath.policyOf(endpoint.id)
    for (const address of [...OUTSIDE, ...names.map((other) => spec(other, {}).addresses[0] ?? '')]) {
      const peer = datapath.identityOf(address)
      for (const direction of ['ingress', 'egress'] as const) {
        for (const port of PORTS) {
          const flow = { peer, direction, protocol: 6, port }
          const verdict = kernelVerdict(entries, flow)
          REQUESTS.forEach((request, i) => {
            const key = `${name} ${direction} ${address} ${port} ${i}`
            const passes =
              verdict !== 'redirect' || (policy !== undefined && proxyAllows(policy, flow, request))
            flows.set(key, verdict === 'deny' || !passes ? 0 : verdict === 'redirect' ? 1 : 2)
          })
        }
      }
    }
  }
  return flows
}

const NAMES = ['a', 'b', 'c', 'm']
const labelsArbitrary = fc.constantFrom<Record<string, string>>(
  {},
  { app: 'a' },
  { app: 'b' },
  { app: 'a', tier: 'b' },
)
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      policies: fc.array(rawDocument, { minLength: 1, maxLength: 3 }),
      remove: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ relabel: fc.constantFrom(...NAMES), labels: labelsArbitrary }) },
  { weight: 1, arbitrary: fc.record({ toggle: fc.constantFrom('b', 'c') }) },
)

t.test('nothing is allowed on the way that neither end of it allows', async (t) => {
  const dir = t.testdir()
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 2, maxLength: 6 }), async (steps) => {
      const rig = new Rig(dir)
      const endpoints = new Map(NAMES.map((name) => [name, spec(name, { app: name }, { web: 80 })]))
      const inForce = new Map<string, ParsedPolicy>()
      await rig.reconciler.apply({ endpoints: [...endpoints.values()] })
      for (const one of steps) {
        const before = allowed(rig, NAMES)
        const seen = new Map<string, { strength: number; call: string }>()
        rig.datapath.onChange = () => {
          for (const [flow, strength] of allowed(rig, NAMES)) {
            if (strength > (seen.get(flow)?.strength ?? 0)) {
              seen.set(flow, { strength, call: `${rig.datapath.calls.length} ${rig.datapath.calls.at(-1)}` })
            }
          }
        }
        if ('policies' in one) {
          const parsed = new Map(
            one.policies.flatMap((document) => parseGood(textOf(document))).map((p) => [p.key, p]),
          )
          const removePolicies = one.remove ? [...inForce.keys()].filter((key) => !parsed.has(key)) : []
          for (const key of removePolicies) inForce.delete(key)
          for (const [key, policy] of parsed) inForce.set(key, policy)
          await rig.reconciler.apply({ setPolicies: [...parsed.values()], removePolicies })
        } else {
          if ('relabel' in one) {
            if (endpoints.has(one.relabel))
              endpoints.set(one.relabel, spec(one.relabel, one.labels, { web: 81 }))
          } else if (!endpoints.delete(one.toggle))
            endpoints.set(one.toggle, spec(one.toggle, { app: one.toggle }))
          await rig.reconciler.apply({ endpoints: [...endpoints.values()] })
        }
        rig.datapath.onChange = () => {}
        const after = allowed(rig, NAMES)
        for (const [flow, { strength, call }] of seen) {
          // Endpoints that come or go are not under policy at one of the ends.
          const [name = ''] = flow.split(' ')
          if (!before.has(`${name} ingress 10.9.9.9 1 0`) || !after.has(flow)) continue
          // A peer that comes had its address before, and nobody there.
          const limit = Math.max(before.get(flow) ?? 0, after.get(flow) ?? 0)
          if (strength > limit)
            throw new Error(`${flow}: ${strength} at ${call}, but ${limit} before and after`)
        }
      }
    }),
    { numRuns: Number(process.env['WEIR_RECONCILER_RUNS'] ?? 25) },
  )
})

const server = { endpointSelector: { matchLabels: { app: 'server' } } }
const from = (app: string): object => ({ fromEndpoints: [{ matchLabels: { app } }] })

t.test('a change touches only the endpoints that it concerns', async (t) => {
  const rig = new Rig(t.testdir())
  const specs = Array.from({ length: 20 }, (_, i) => ({
    ...spec('x', { app: `app${i}` }),
    name: `e${i}`,
    devices: [`d${i}`],
    addresses: [`10.3.0.${i}`],
  }))
  const one = { ...spec('s', { app: 'server' }) }
  await rig.reconciler.apply({ endpoints: [...specs, one] })
  rig.datapath.calls.length = 0
  await rig.reconciler.apply({ setPolicies: parseGood(policyText({ ...server, ingress: [from('app1')] })) })
  t.strictSame(rig.datapath.calls, ['replacePolicy'], 'one map, as a whole: the direction closes')
  rig.datapath.calls.length = 0
  await rig.reconciler.apply({
    setPolicies: parseGood(policyText({ ...server, ingress: [from('app1'), from('app2')] })),
  })
  t.strictSame(rig.datapath.calls, ['addEntry'])
  rig.datapath.calls.length = 0
  const nobody = policyText({ endpointSelector: { matchLabels: { app: 'nobody' } }, ingress: [{}] }, 'q')
  await rig.reconciler.apply({ setPolicies: parseGood(nobody) })
  t.strictSame(rig.datapath.calls, [], 'a policy that selects nobody')
  await rig.reconciler.apply({ endpoints: [...specs, one, { ...spec('z', { app: 'app3' }) }] })
  t.strictSame(
    rig.datapath.calls.filter((call) => call === 'addEntry' || call === 'deleteEntry'),
    [],
    'a peer whom no policy names',
  )
})

t.test('an identity is in policy maps before its address is, and leaves after it', async (t) => {
  const rig = new Rig(t.testdir())
  const endpoints = [spec('a', { app: 'server' }), spec('b', { app: 'client' })]
  await rig.reconciler.apply({
    endpoints,
    setPolicies: parseGood(policyText({ ...server, ingress: [from('new')] })),
  })
  rig.datapath.calls.length = 0
  await rig.reconciler.apply({ endpoints: [...endpoints, spec('c', { app: 'new' })] })
  t.strictSame(rig.datapath.calls, ['addEntry', 'replacePolicy', 'setIpcache', 'setEndpoint'])
  rig.datapath.calls.length = 0
  await rig.reconciler.apply({ endpoints })
  t.strictSame(rig.datapath.calls, ['deleteIpcache', 'removeEndpoint', 'deleteEntry'])

  rig.datapath.calls.length = 0
  const cidr = policyText({ ...server, ingress: [{ fromCIDR: ['192.0.2.0/24'] }] }, 'cidr')
  await rig.reconciler.apply({ setPolicies: parseGood(cidr) })
  t.strictSame(rig.datapath.calls, ['setIpcache', 'addEntry'], 'no rule knew the prefix before')
  rig.datapath.calls.length = 0
  await rig.reconciler.apply({ removePolicies: ['n/cidr'] })
  t.strictSame(rig.datapath.calls, ['deleteEntry', 'deleteIpcache'])
})

t.test('an endpoint whose policy does not fit is locked, says so, and comes back', async (t) => {
  const rig = new Rig(t.testdir(), 16)
  const endpoints = [spec('a', { app: 'server' }), spec('b', { app: 'client' })]
  await rig.reconciler.apply({
    endpoints,
    setPolicies: parseGood(policyText({ ...server, ingress: [from('client')] })),
  })
  const odd = Array.from({ length: 17 }, (_, i) => ({ port: String(2 * i + 1), protocol: 'TCP' }))
  const many = policyText({ ...server, ingress: [{ ...from('client'), toPorts: [{ ports: odd }] }] })
  await rig.reconciler.apply({ setPolicies: parseGood(many) })
  const find = () => rig.reconciler.endpoints().find(({ spec: { name } }) => name === 'a')
  t.match(find(), { state: 'locked', message: /needs 18 entries, the limit is 16/ })
  t.strictSame(rig.datapath.listPolicy(find()!.id), [], 'all is denied')
  rig.datapath.bare.add(find()!.id)
  t.strictSame(rig.reconciler.restorePrograms(), ['n/a'], 'its programs are what closes it')
  t.match(find(), { state: 'locked', message: /needs 18 entries/ })
  await rig.reconciler.apply({ setPolicies: parseGood(policyText({ ...server, ingress: [from('client')] })) })
  t.match(find(), { state: 'ready', message: '' })
  t.equal(rig.datapath.listPolicy(find()!.id).length, 2)
})

t.test('a thousand endpoints: a look at one device is a look at one endpoint', async (t) => {
  const rig = new Rig(t.testdir())
  const endpoints = Array.from({ length: 1_000 }, (_, i) => ({
    ...spec(`e${i}`, { app: 'server' }),
    addresses: [`10.2.${i >> 8}.${i & 255}`],
  }))
  await rig.reconciler.apply({ endpoints })
  const { id } = rig.reconciler.endpoints()[500]!
  const { name } = rig.reconciler.endpoint(id)!.spec
  rig.datapath.looks = 0
  rig.datapath.bare.add(id)
  t.strictSame(rig.reconciler.restorePrograms({ indexes: new Set([id]) }), [`n/${name}`])
  t.equal(rig.datapath.looks, 1)
  t.strictSame(rig.reconciler.restorePrograms({ indexes: new Set([id]) }), [], 'once')

  rig.datapath.looks = 0
  rig.reconciler.checkDevices({ indexes: new Set(), names: new Set([`veth-${name}`]) })
  rig.reconciler.checkDevices({ indexes: new Set([123_456]), names: new Set(['eth0']) })
  t.equal(rig.datapath.looks, 1)
})
