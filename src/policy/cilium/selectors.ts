// Endpoint selectors of Cilium's policies, and what they are silently bound to.
import {
  ANY_SOURCE,
  K8S_SOURCE,
  LabelSet,
  NAMESPACE_KEY,
  NAMESPACE_LABELS_PREFIX,
  RESERVED_SOURCE,
} from '../labels.ts'
import { parseRequirements, readCiliumKey } from '../label-requirements.ts'
import {
  holds,
  makeSelector,
  requireKey,
  requireLabel,
  type Requirement,
  type Selector,
} from '../selector.ts'
import type { Cursor } from '../yaml-cursor.ts'

/**
 * A peer: endpoints of the policy's namespace, unless the selector names namespaces or a reserved label.
 * @param namespace '' = of a clusterwide policy: endpoints of all namespaces, which only leaves out what is none.
 */
export function parsePeerSelector(at: Cursor, namespace: string): Selector | undefined {
  const requirements = parseRequirements(at, readCiliumKey)
  if (requirements === undefined) return undefined
  const isScoped = requirements.some(
    ({ source, key }) => source === RESERVED_SOURCE || isNamespaceKey(source, key),
  )
  return makeSelector(isScoped ? requirements : [...requirements, scope(namespace)])
}

/** The endpoints under policy: always those of the policy's namespace only; for a clusterwide one, all. */
export function parseSubjectSelector(at: Cursor, namespace: string): Selector | undefined {
  const requirements = parseRequirements(at, readCiliumKey)
  if (requirements === undefined) return undefined
  // Endpoints that wait for their labels have none, not even a namespace.
  if (requirements.some(({ source, key }) => source === RESERVED_SOURCE && key === 'init')) {
    return makeSelector(requirements)
  }
  const own = new LabelSet([{ source: K8S_SOURCE, key: NAMESPACE_KEY, value: namespace }])
  const isElsewhere = requirements.some((one) => one.key === NAMESPACE_KEY && !holds(one, own))
  if (isElsewhere && namespace !== '') {
    return at.fail(
      `selects endpoints outside of namespace ${namespace}, which a policy of that namespace cannot protect`,
      `remove ${NAMESPACE_KEY} from the selector or put the policy into the other namespace`,
    )
  }
  return makeSelector([...requirements, scope(namespace)])
}

function scope(namespace: string): Requirement {
  return namespace === ''
    ? requireKey(K8S_SOURCE, NAMESPACE_KEY)
    : requireLabel(K8S_SOURCE, NAMESPACE_KEY, namespace)
}

function isNamespaceKey(source: string, key: string): boolean {
  if (source !== K8S_SOURCE && source !== ANY_SOURCE) return false
  return key === NAMESPACE_KEY || key.startsWith(NAMESPACE_LABELS_PREFIX)
}
