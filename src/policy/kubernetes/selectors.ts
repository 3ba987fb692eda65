// Selectors of Kubernetes' own policies: pods, by their labels and those of their namespaces.
import { K8S_SOURCE, NAMESPACE_KEY } from '../labels.ts'
import { parseRequirements, readNamespaceKey, readPodKey } from '../label-requirements.ts'
import { makeSelector, requireKey, requireLabel, type Requirement, type Selector } from '../selector.ts'
import type { Cursor } from '../yaml-cursor.ts'

/** Everything that is a pod. */
const IN_A_NAMESPACE = requireKey(K8S_SOURCE, NAMESPACE_KEY)

/**
 * @param namespacesAt undefined = only `namespace`; an empty selector = all namespaces.
 * @param podsAt undefined = all pods of them.
 */
export function podSelector(
  podsAt: Cursor | undefined,
  namespacesAt: Cursor | undefined,
  namespace: string,
): Selector | undefined {
  const scope: Requirement[] | undefined =
    namespacesAt === undefined
      ? [requireLabel(K8S_SOURCE, NAMESPACE_KEY, namespace)]
      : parseRequirements(namespacesAt, readNamespaceKey)?.concat(IN_A_NAMESPACE)
  const pods = podsAt === undefined ? [] : parseRequirements(podsAt, readPodKey)
  return scope === undefined || pods === undefined ? undefined : makeSelector([...scope, ...pods])
}
