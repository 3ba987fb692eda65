// What an agent would make of endpoints and policies, without kernel and without proxies.
import type { EndpointId } from '../lib/brands.ts'
import { asEndpointId, asRevision } from '../lib/brands.ts'
import type { EndpointSpec } from '../agent/endpoints-document.ts'
import { LocalIdentityAllocator } from '../policy/identity-allocator.ts'
import { identityLabels } from '../policy/identity-labels.ts'
import { LOCAL_RANGE } from '../policy/identity.ts'
import { endpointLabels } from '../policy/labels.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import type { TracedEndpoint, TraceWorld } from '../policy/trace-world.ts'
import { PolicyTransitions } from '../policy/transition.ts'

/** Addresses of the node itself are not known here: they are `world` unless a policy names them. */
export function rehearse(specs: readonly EndpointSpec[], policies: readonly ParsedPolicy[]): TraceWorld {
  const transitions = new PolicyTransitions(new LocalIdentityAllocator(undefined, LOCAL_RANGE))
  const { repository } = transitions
  const endpoints = toEndpoints(specs)
  repository.update({ setEndpoints: endpoints })
  // Each step is complete when the next one is asked for; nobody else needs to follow them here.
  Array.from(transitions.update({ setPolicies: policies }))
  const addresses = endpoints.flatMap(({ identity, addresses }) => {
    return addresses.map((address) => ({ prefix: address, identity }))
  })
  const prefixes = [...transitions.prefixes()].map(([prefix, identity]) => ({ prefix, identity }))
  return {
    revision: asRevision(repository.revision),
    repository,
    endpoints,
    mapEntries: (id: EndpointId) => repository.endpointPolicy(id)?.mapEntries ?? [],
    ipcache: () => [...prefixes, ...addresses],
    problems: [],
  }
}

function toEndpoints(specs: readonly EndpointSpec[]): TracedEndpoint[] {
  const allocator = new LocalIdentityAllocator()
  return specs.flatMap((spec, i) => {
    const labels = identityLabels(endpointLabels(spec.namespace, spec.labels, spec.namespaceLabels))
    return allocator.allocate([labels]).map((identity) => ({
      id: asEndpointId(i + 1),
      name: spec.name,
      namespace: spec.namespace,
      identity,
      labels,
      addresses: spec.addresses,
      ports: spec.ports ?? [],
      problem: '',
    }))
  })
}
