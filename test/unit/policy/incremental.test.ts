// Whatever the history, what is enforced equals what a fresh repository makes of the same policies and
// endpoints; and what an update reports is exactly what it changed.
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { asEndpointId, asIdentity, type EndpointId } from '../../../src/lib/brands.ts'
import type { LabelledIdentity } from '../../../src/policy/identity.ts'
import { endpointLabels } from '../../../src/policy/labels.ts'
import { policyMapKey, type PolicyMapEntry } from '../../../src/policy/policy-map.ts'
import { diffPolicyMap } from '../../../src/policy/policy-map-diff.ts'
import { PolicyRepository, type EndpointPolicy, type PolicyEndpoint } from '../../../src/policy/repository.ts'
import type { ParsedPolicy } from '../../../src/policy/rule-model.ts'
import {
  endpointLabelsArbitrary,
  namespaceArbitrary,
  portsArbitrary,
  rawDocument,
  textOf,
} from '../../helpers/policy-arbitraries.ts'
import { parseGood } from '../../helpers/policy-world.ts'

type Step =
  | { readonly do: 'policy'; readonly policy: ParsedPolicy }
  | { readonly do: 'remove policy'; readonly key: string }
  | { readonly do: 'endpoint'; readonly endpoint: PolicyEndpoint }
  | { readonly do: 'remove endpoint'; readonly id: EndpointId }

const ids = fc.integer({ min: 1, max: 4 }).map(asEndpointId)
const numbers = new Map<string, number>()

const endpoint = fc
  .tuple(ids, namespaceArbitrary, endpointLabelsArbitrary, portsArbitrary)
  .map(([id, namespace, labels, ports]): PolicyEndpoint => {
    const set = endpointLabels(namespace, labels)
    const number = numbers.get(set.key) ?? 256 + numbers.size
    numbers.set(set.key, number)
    const names = Object.entries(ports).map(([name, port]) => ({ name, port, protocol: 6 }))
    return { id, identity: asIdentity(number), labels: set, addresses: [`10.0.0.${id}`], ports: names }
  })

const policy = rawDocument.map((document) => parseGood(textOf(document))[0]!)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: policy.map((one) => ({ do: 'policy' as const, policy: one })) },
  { weight: 1, arbitrary: policy.map(({ key }) => ({ do: 'remove policy' as const, key })) },
  { weight: 3, arbitrary: endpoint.map((one) => ({ do: 'endpoint' as const, endpoint: one })) },
  { weight: 1, arbitrary: ids.map((id) => ({ do: 'remove endpoint' as const, id })) },
)

const toUpdate = (steps: readonly Step[]): Parameters<PolicyRepository['update']>[0] => ({
  setPolicies: steps.flatMap((one) => (one.do === 'policy' ? one.policy : [])),
  removePolicies: steps.flatMap((one) => (one.do === 'remove policy' ? one.key : [])),
  setEndpoints: steps.flatMap((one) => (one.do === 'endpoint' ? one.endpoint : [])),
  removeEndpoints: steps.flatMap((one) => (one.do === 'remove endpoint' ? one.id : [])),
})

t.test('incremental equals full', async () => {
  fc.assert(
    fc.property(fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 12 }), (batches) => {
      const repository = new PolicyRepository()
      const endpoints = new Map<EndpointId, PolicyEndpoint>()
      const policies = new Map<string, ParsedPolicy>()
      for (const batch of batches) {
        const update = toUpdate(batch)
        const before = new Map([...endpoints.keys()].map((id) => [id, repository.endpointPolicy(id)]))
        const change = repository.update(update)
        for (const id of update.removeEndpoints ?? []) endpoints.delete(id)
        for (const one of update.setEndpoints ?? []) endpoints.set(one.id, one)
        for (const key of update.removePolicies ?? []) policies.delete(key)
        for (const one of update.setPolicies ?? []) policies.set(one.key, one)

        const fresh = new PolicyRepository()
        // The other way round, and one by one: order of arrival must not matter.
        for (const one of [...policies.values()].reverse()) fresh.update({ setPolicies: [one] })
        for (const one of [...endpoints.values()].reverse()) fresh.update({ setEndpoints: [one] })
        for (const id of endpoints.keys()) {
          if (!isDeepStrictEqual(plain(repository, id), plain(fresh, id))) fail(`endpoint ${id}`)
        }
        if (JSON.stringify(repository.identities()) !== JSON.stringify(fresh.identities())) fail()

        const reported = new Set(change.endpoints.map(({ id }) => id))
        for (const id of new Set([...before.keys(), ...endpoints.keys()])) {
          const changed = before.get(id) !== repository.endpointPolicy(id)
          if (changed !== reported.has(id)) fail(`endpoint ${id}: changed ${changed}`)
        }
        for (const { id, before: old, after } of change.endpoints) {
          if (old !== before.get(id) || after !== repository.endpointPolicy(id)) fail(`endpoint ${id}`)
          if (after !== undefined) checkDelta(old, after)
        }
      }
    }),
    { numRuns: 100 },
  )
})

const PEERS = 120
const FIRST_PEER = 20_000
/** Few kinds, so that most peers have others that the same rules name. */
const peerOf = (i: number): LabelledIdentity => ({
  identity: asIdentity(FIRST_PEER + i),
  labels: endpointLabels(i % 3 === 0 ? 'm' : 'n', { app: i % 2 === 0 ? 'a' : 'b', tier: 'a' }),
})
const peerStep = fc.oneof(
  { weight: 4, arbitrary: fc.record({ add: fc.array(fc.nat(PEERS - 1), { minLength: 1, maxLength: 6 }) }) },
  {
    weight: 3,
    arbitrary: fc.record({ remove: fc.array(fc.nat(PEERS - 1), { minLength: 1, maxLength: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ policy }) },
)

t.test('incremental equals full when many peers of few kinds come and go', async () => {
  fc.assert(
    fc.property(
      fc.array(policy, { minLength: 1, maxLength: 4 }),
      fc.array(endpoint, { minLength: 1, maxLength: 2 }),
      fc.array(peerStep, { minLength: 1, maxLength: 25 }),
      (first, endpoints, steps) => {
        const policies = new Map(first.map((one) => [one.key, one]))
        const peers = new Map(Array.from({ length: PEERS / 2 }, (_, i) => [2 * i, peerOf(2 * i)]))
        const repository = new PolicyRepository()
        const world = (): Parameters<PolicyRepository['update']>[0] => ({
          setPolicies: [...policies.values()],
          setEndpoints: endpoints,
          addPeers: [...peers.values()],
        })
        repository.update(world())
        for (const one of steps) {
          if ('policy' in one) policies.set(one.policy.key, one.policy)
          if ('add' in one) for (const i of one.add) peers.set(i, peerOf(i))
          if ('remove' in one) for (const i of one.remove) peers.delete(i)
          const change = repository.update({
            setPolicies: 'policy' in one ? [one.policy] : [],
            addPeers: 'add' in one ? one.add.map(peerOf) : [],
            removePeers: 'remove' in one ? one.remove.map((i) => peerOf(i).identity) : [],
          })
          for (const { before, after } of change.endpoints) if (after !== undefined) checkDelta(before, after)
          const fresh = new PolicyRepository()
          fresh.update(world())
          for (const { id } of endpoints) {
            if (!isDeepStrictEqual(plain(repository, id), plain(fresh, id))) fail(`endpoint ${id}`)
          }
        }
      },
    ),
    { numRuns: 60 },
  )
})

function plain(repository: PolicyRepository, id: EndpointId): unknown {
  const policy = repository.endpointPolicy(id)
  if (policy?.mapSize !== policy?.mapEntries.length) fail('size')
  return policy && [policy.identity, policy.networkPolicy, policy.mapEntries, policy.enforced]
}

/** The delta that was kept up to date says the same as comparing all entries. */
function checkDelta(before: EndpointPolicy | undefined, after: EndpointPolicy): void {
  const quick = after.deltaFrom(before)
  const slow = diffPolicyMap(before?.mapEntries ?? [], after.mapEntries)
  const sorted = (list: readonly PolicyMapEntry[]): string[] => list.map((one) => JSON.stringify(one)).sort()
  if (!isDeepStrictEqual(sorted(quick.additions), sorted(slow.additions))) fail('additions')
  const keys = (list: readonly PolicyMapEntry[]): string[] => list.map(policyMapKey).sort()
  if (!isDeepStrictEqual(keys(quick.deletions), keys(slow.deletions))) fail('deletions')
}

const entry = fc.record({
  identity: fc.integer({ min: 0, max: 2 }).map(asIdentity),
  direction: fc.constantFrom('ingress' as const, 'egress' as const),
  protocol: fc.constantFrom(0, 6),
  port: fc.constant(80),
  portBits: fc.constantFrom(15, 16),
  verdict: fc.constantFrom('allow' as const, 'deny' as const, 'redirect' as const),
  precedence: fc.integer({ min: 1, max: 2 }),
})
const entries = fc.uniqueArray(entry, { selector: policyMapKey })

t.test('applying a difference gives the new entries, and nothing is written in vain', async () => {
  fc.assert(
    fc.property(entries, entries, (before, after) => {
      const { additions, deletions } = diffPolicyMap(before, after)
      const map = new Map<string, PolicyMapEntry>(before.map((one) => [policyMapKey(one), one]))
      for (const one of additions) {
        const old = map.get(policyMapKey(one))
        if (old?.verdict === one.verdict && old.precedence === one.precedence) fail('in vain')
        map.set(policyMapKey(one), one)
      }
      for (const one of deletions) if (!map.delete(policyMapKey(one))) fail('deleted twice')
      const sorted = (list: Iterable<PolicyMapEntry>): string =>
        JSON.stringify([...list].sort((a, b) => (policyMapKey(a) < policyMapKey(b) ? -1 : 1)))
      if (sorted(map.values()) !== sorted(after)) fail('not the new entries')
    }),
  )
})

function fail(what = 'differs'): never {
  throw new Error(what)
}
