// Entities: peers by role rather than by labels.
import { CLUSTER_KEY, K8S_SOURCE, LOCAL_CLUSTER, NAMESPACE_KEY, RESERVED_SOURCE } from '../labels.ts'
import { nearestName } from '../nearest-name.ts'
import { makeSelector, requireKey, requireLabel, type Requirement, type Selector } from '../selector.ts'
import type { Cursor } from '../yaml-cursor.ts'

const reserved = (name: string): Selector => makeSelector([requireKey(RESERVED_SOURCE, name)])

/** Endpoints have a namespace; what is reserved has not. */
const IS_ENDPOINT = requireKey(K8S_SOURCE, NAMESPACE_KEY)
const NAMES_NO_CLUSTER: Requirement = {
  source: K8S_SOURCE,
  key: CLUSTER_KEY,
  operator: 'DoesNotExist',
  values: [],
}

const ROLES = ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver']
const NODES_AND_ROLES = ROLES.map(reserved)

const ENTITIES: Readonly<Record<string, readonly Selector[] | 'any'>> = {
  all: 'any',
  none: [],
  world: [reserved('world')],
  'world-ipv4': [reserved('world-ipv4')],
  'world-ipv6': [reserved('world-ipv6')],
  cluster: [
    ...NODES_AND_ROLES,
    makeSelector([IS_ENDPOINT, NAMES_NO_CLUSTER]),
    makeSelector([IS_ENDPOINT, requireLabel(K8S_SOURCE, CLUSTER_KEY, LOCAL_CLUSTER)]),
  ],
  'cluster-mesh': [...NODES_AND_ROLES, makeSelector([IS_ENDPOINT])],
  ...Object.fromEntries(ROLES.map((name) => [name, [reserved(name)]])),
}

export function parseEntity(at: Cursor): readonly Selector[] | 'any' | undefined {
  const name = at.string()
  if (name === undefined) return undefined
  const known = Object.keys(ENTITIES)
  if (known.includes(name)) return ENTITIES[name]
  const near = nearestName(name, known)
  return at.fail(
    `unknown entity "${name}"`,
    near === undefined ? `use ${known.join(', ')}` : `did you mean "${near}"?`,
  )
}
