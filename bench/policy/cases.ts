// What is measured, and how it is set up.
import type { EndpointId } from '../../src/lib/brands.ts'
import { elementFilters } from '../../src/policy/element-filters.ts'
import { LOCAL_RANGE } from '../../src/policy/identity.ts'
import { LocalIdentityAllocator } from '../../src/policy/identity-allocator.ts'
import { MapState } from '../../src/policy/map-state.ts'
import { portPolicies } from '../../src/policy/port-policies.ts'
import { prefixSelector } from '../../src/policy/cidr-labels.ts'
import type { PolicyMapDiff } from '../../src/policy/policy-map-diff.ts'
import { PolicyRepository, type PolicyChange } from '../../src/policy/repository.ts'
import { PolicyTransitions } from '../../src/policy/transition.ts'
import type { PolicyMaps } from '../../src/redirect/policy-map.ts'
import { heapOf, row, times, type Row } from './measure.ts'
import { element, endpoint, identities, identity, ingressRule, numberOf, policy, select } from './world.ts'

const PEERS = 100_000
const SELECTORS = 10_000

/** 100,000 identities, 10,000 selectors, 5,000 policies, 100 endpoints under policy. */
export function churn(maps: PolicyMaps | undefined): Row[] {
  const groupOf = (i: number): Record<string, string> => ({ group: `g${i % SELECTORS}` })
  const repository = new PolicyRepository()
  const held = heapOf(() => repository.update({ addPeers: identities(PEERS, groupOf) }))
  const endpoints = Array.from({ length: 100 }, (_, i) => endpoint(i + 1, { app: `app${i}` }))
  repository.update({ setEndpoints: endpoints })
  const policies = Array.from({ length: SELECTORS / 2 }, (_, i) => {
    const elements = [0, 1].map((j) => element(`e${j}`, [select('group', `g${2 * i + j}`)], 1 + (i % 60_000)))
    return policy(`p${i}`, [ingressRule(select('app', `app${i % 100}`), elements)])
  })
  repository.update({ setPolicies: policies })
  const add = (run: number) => {
    const group = groupOf(run + 1000)
    return deltas(repository.update({ addPeers: [identity(PEERS + run + 1000, group)] }))
  }
  const remove = (run: number) => deltas(repository.update({ removePeers: [numberOf(PEERS + run + 1000)] }))
  const added = times(500, (run) => void add(run))
  const removed = times(500, (run) => void remove(run), 0)
  const inKernel = maps === undefined ? [] : churnOfMaps(maps, repository, add, remove)
  let touched = 0
  const unrelated = times(500, (run) => {
    touched += repository.update({ addPeers: [identity(2 * PEERS + run + 1000, { group: 'none' })] })
      .endpoints.length
  })
  return [
    row('identity added, to its delta', PEERS, added, held.bytes / PEERS),
    row('identity removed, to its delta', PEERS, removed),
    ...inKernel,
    row(`identity that no policy names (${touched} endpoints touched)`, PEERS, unrelated),
  ]
}

interface Delta extends PolicyMapDiff {
  readonly id: EndpointId
}

function deltas({ endpoints }: PolicyChange): Delta[] {
  return endpoints.flatMap(({ id, before, after }) => {
    return after === undefined ? [] : { id, ...after.deltaFrom(before) }
  })
}

/** The same, until the policy maps of the kernel have it. */
function churnOfMaps(
  maps: PolicyMaps,
  repository: PolicyRepository,
  add: (run: number) => Delta[],
  remove: (run: number) => Delta[],
): Row[] {
  for (const { endpointId, mapEntries } of repository.endpointPolicies()) maps.replace(endpointId, mapEntries)
  const write = (list: readonly Delta[]): void => {
    for (const { id, additions, deletions } of list) maps.apply(id, additions, deletions)
  }
  const added = times(500, (run) => write(add(run)))
  const removed = times(500, (run) => write(remove(run)), 0)
  return [
    row('identity added, to the policy maps of the kernel', PEERS, added),
    row('identity removed, from the policy maps of the kernel', PEERS, removed),
  ]
}

const RULES = 3000
const GROUPS = 10

export function oneEndpointName(count: number): string {
  return `${RULES} rules, ${count} identities`
}

/** One endpoint, 3,000 rules on a port each, of which each selects a tenth of the identities. */
export function oneEndpoint(count: number): Row[] {
  const groupOf = (i: number): Record<string, string> => ({ group: `g${i % GROUPS}` })
  const elements = Array.from({ length: RULES }, (_, i) =>
    element(`r${i}`, [select('group', `g${i % GROUPS}`)], 1 + i),
  )
  const rules = elements.map((one) => ingressRule(select('app', 'server'), [one]))
  const peers = identities(count, groupOf)
  const selections = new Map(
    Array.from({ length: GROUPS }, (_, group) => {
      const members = peers.filter((_peer, i) => i % GROUPS === group).map((peer) => peer.identity)
      return [select('group', `g${group}`).key, members]
    }),
  )
  const view = {
    selection: ({ key }: { readonly key: string }) => selections.get(key) ?? [],
    portsOf: () => [],
    withPorts: () => [],
  }
  const resolve = () => elements.flatMap((one) => elementFilters(one, 'ingress', true, view))
  const resolved = times(20, () => void resolve(), 5)
  // Fresh filters each time: what was made for the same ones before would be found again.
  const rounds = Array.from({ length: 25 }, resolve)
  const distilled = times(20, (run) => void MapState.build('ingress', rounds[run + 5] ?? []), 5)
  const state = heapOf(() => MapState.build('ingress', resolve()))

  const fresh = Array.from({ length: 5 }, () => new PolicyRepository())
  for (const one of fresh) one.update({ addPeers: peers, setEndpoints: [endpoint(1, { app: 'server' })] })
  const whole = times(5, (run) => void fresh[run]?.update({ setPolicies: [policy('p', rules)] }), 0)
  const repository = fresh[0] ?? new PolicyRepository()
  let entries = 0
  const added = times(300, (run) => {
    const { endpoints } = repository.update({ addPeers: [identity(count + run + 1000, groupOf(run + 1000))] })
    for (const { before, after } of endpoints) entries = after?.deltaFrom(before).additions.length ?? 0
  })
  const name = oneEndpointName(count)
  return [
    row(`${name}: resolve`, count, resolved),
    row(`${name}: distil ${state.made.size} entries`, count, distilled, state.bytes / state.made.size),
    row(`${name}: policies to endpoint, all together`, count, whole),
    row(`${name}: new identity to its ${entries} entries`, count, added),
  ]
}

/** Each allowed prefix has a denied half. */
export function prefixes(): Row[] {
  const COUNT = 1000
  const allowed = Array.from({ length: COUNT }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  const denied = Array.from({ length: COUNT }, (_, i) => `10.${i >> 8}.${i & 255}.128/25`)
  const allow = element(
    'allow',
    allowed.map((one) => prefixSelector(one)),
    443,
  )
  const deny = {
    ...element(
      'deny',
      denied.map((one) => prefixSelector(one)),
      0,
    ),
    action: 'deny' as const,
  }
  const rule = ingressRule(select('app', 'server'), [deny, allow])
  const made = policy('cidr', [rule], [...allowed, ...denied])
  const run = (): PolicyTransitions => {
    const transitions = new PolicyTransitions(new LocalIdentityAllocator(undefined, LOCAL_RANGE))
    transitions.repository.update({ setEndpoints: [endpoint(1, { app: 'server' })] })
    for (const step of transitions.update({ setPolicies: [made] })) void step
    return transitions
  }
  const held = heapOf(run)
  const entries = held.made.repository.endpointPolicies()[0]?.mapSize ?? 0
  return [
    row(
      `${COUNT} allowed and ${COUNT} denied prefixes to ${entries} entries`,
      2 * COUNT,
      times(10, () => void run(), 2),
      held.bytes / entries,
    ),
  ]
}

/** 2,000 ports for 2,000 peers: four million entries if written out, each peer with the same ones. */
export function portsTimesPeers(): Row[] {
  const COUNT = 2000
  const peers = identities(COUNT, () => ({ app: 'client' }))
  const elements = Array.from({ length: COUNT }, (_, i) =>
    element(`r${i}`, [select('app', 'client')], 1 + 2 * i),
  )
  const repository = new PolicyRepository()
  repository.update({ addPeers: peers, setEndpoints: [endpoint(1, { app: 'server' })] })
  const made = policy('p', [ingressRule(select('app', 'server'), elements)])
  const whole = times(
    5,
    () => {
      repository.update({ removePolicies: [made.key] })
      repository.update({ setPolicies: [{ ...made }] })
    },
    1,
  )
  const list = peers.map((peer) => peer.identity)
  const view = { selection: () => list, portsOf: () => [], withPorts: () => [] }
  const filters = elements.flatMap((one) => elementFilters(one, 'ingress', true, view))
  const forProxies = times(20, () => void portPolicies(filters), 2)
  const size = repository.endpointPolicies()[0]?.mapSize ?? 0
  return [
    row(`${COUNT} ports for ${COUNT} peers: ${size} entries`, COUNT, whole),
    row(`${COUNT} ports for ${COUNT} peers: the proxies' form`, COUNT, forProxies),
  ]
}
