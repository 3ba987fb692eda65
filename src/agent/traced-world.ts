// What `weir policy trace` looks at: the maps as the kernel holds them, and the policies in force.
import type { EndpointId } from '../lib/brands.ts'
import type { TraceWorld } from '../policy/trace-world.ts'
import type { Datapath } from '../redirect/datapath-api.ts'
import type { Reconciler } from './reconciler.ts'

export function tracedWorld(
  reconciler: Reconciler,
  datapath: Pick<Datapath, 'listPolicy' | 'listIpcache'>,
  problems: readonly string[],
): TraceWorld {
  return {
    revision: reconciler.revision,
    repository: reconciler.repository,
    endpoints: reconciler.endpoints().map(({ spec, id, identity, labels, state, message }) => ({
      id,
      name: spec.name,
      namespace: spec.namespace,
      identity,
      labels,
      addresses: spec.addresses,
      ports: spec.ports ?? [],
      problem: state === 'ready' ? '' : `is ${state}: ${message}`,
    })),
    mapEntries: (id: EndpointId) => datapath.listPolicy(id),
    ipcache: () => datapath.listIpcache(),
    problems,
  }
}
