// The world as it would be with workloads that do not exist: the same policies compiled by the same code for
// all identities that there are and those to be added.
import { asEndpointId, asIdentity, type EndpointId, type Identity } from '../lib/brands.ts'
import { FIRST_ALLOCATED_IDENTITY } from '../policy/identity.ts'
import { K8S_SOURCE, NAMESPACE_KEY } from '../policy/labels.ts'
import { PolicyRepository } from '../policy/repository.ts'
import type { TracedEndpoint, TraceWorld } from '../policy/trace-world.ts'
import type { Hypothesis, Party } from './party.ts'

export interface Supposed {
  readonly world: TraceWorld
  /** In the order of the hypotheses; equal labels are one workload. */
  readonly parties: readonly Party[]
}

export function suppose(world: TraceWorld, hypotheses: readonly Hypothesis[]): Supposed {
  const supposed = new Map<string, TracedEndpoint>()
  const taken = new Set<number>(world.repository.identities().map(({ identity }) => identity))
  const ids = new Set<number>(world.endpoints.map(({ id }) => id))
  for (const { labels } of hypotheses) {
    if (supposed.has(labels.key)) continue
    supposed.set(labels.key, {
      id: asEndpointId(takeFree(ids, 1)),
      name: 'hypothetical',
      namespace: labels.get(K8S_SOURCE, NAMESPACE_KEY) ?? '',
      identity: asIdentity(takeFree(taken, FIRST_ALLOCATED_IDENTITY)),
      labels,
      addresses: [],
      ports: [],
      problem: '',
    })
  }
  const endpoints = [...world.endpoints, ...supposed.values()]
  const repository = compile(world, endpoints)
  return {
    world: {
      revision: world.revision,
      repository,
      endpoints,
      mapEntries: (id: EndpointId) => repository.endpointPolicy(id)?.mapEntries ?? [],
      ipcache: () => world.ipcache(),
      problems: world.problems,
    },
    parties: hypotheses.map(({ given, labels }) => {
      const endpoint = supposed.get(labels.key)
      const identity: Identity = endpoint?.identity ?? asIdentity(0)
      return { given, identity, labels, endpoint, address: undefined, isHypothetical: true }
    }),
  }
}

function compile({ repository }: TraceWorld, endpoints: readonly TracedEndpoint[]): PolicyRepository {
  const scratch = new PolicyRepository()
  const addPeers = repository.identities().flatMap(({ identity }) => {
    const labels = repository.labelsOf(identity)
    return labels === undefined ? [] : [{ identity, labels }]
  })
  scratch.update({ addPeers, setEndpoints: endpoints, setPolicies: repository.policies() })
  return scratch
}

function takeFree(taken: Set<number>, first: number): number {
  let free = first
  while (taken.has(free)) free++
  taken.add(free)
  return free
}
