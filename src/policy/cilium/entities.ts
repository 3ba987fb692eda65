// Entities: peers by role rather than by labels.
import { K8S_SOURCE, NAMESPACE_KEY, RESERVED_SOURCE } from '../labels.ts'
import { nearestName } from '../nearest-name.ts'
import { makeSelector, requireKey, type Selector } from '../selector.ts'
import type { Cursor } from '../yaml-cursor.ts'

const reserved = (name: string): Selector => makeSelector([requireKey(RESERVED_SOURCE, name)])

/** Endpoints have a namespace; what is reserved has not. */
const EVERY_ENDPOINT = makeSelector([requireKey(K8S_SOURCE, NAMESPACE_KEY)])

const SUPPORTED: Readonly<Record<string, readonly Selector[] | 'any'>> = {
  all: 'any',
  none: [],
  host: [reserved('host')],
  world: [reserved('world')],
  cluster: [
    ...['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'].map(reserved),
    EVERY_ENDPOINT,
  ],
}

const NOT_YET = [
  'world-ipv4',
  'world-ipv6',
  'cluster-mesh',
  'remote-node',
  'kube-apiserver',
  'ingress',
  'init',
  'health',
  'unmanaged',
]

export function parseEntity(at: Cursor): readonly Selector[] | 'any' | undefined {
  const name = at.string()
  if (name === undefined) return undefined
  const known = Object.keys(SUPPORTED)
  if (known.includes(name)) return SUPPORTED[name]
  if (NOT_YET.includes(name))
    return at.fail(`entity "${name}" is not supported yet`, `use ${known.join(', ')}`)
  const near = nearestName(name, known)
  return at.fail(
    `unknown entity "${name}"`,
    near === undefined ? `use ${known.join(', ')}` : `did you mean "${near}"?`,
  )
}
