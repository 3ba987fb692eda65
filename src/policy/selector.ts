// Selectors: predicates over labels, in a canonical form, so that equal ones are recognised by their key.
import { K8S_SOURCE, NAMESPACE_KEY, type LabelSet } from './labels.ts'

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'

/** `NotIn` and `DoesNotExist` are the exact opposites of `In` and `Exists`: they hold when the key is absent. */
export interface Requirement {
  /** `any` = labels of every source. */
  readonly source: string
  readonly key: string
  readonly operator: Operator
  /** Sorted, unique; empty for `Exists` and `DoesNotExist`. */
  readonly values: readonly string[]
}

/** All requirements must hold; without any, everything is selected. Made by `makeSelector` only. */
export interface Selector {
  /** Equal for selectors with the same requirements, in whatever order they were written. */
  readonly key: string
  /** Sorted, unique. */
  readonly requirements: readonly Requirement[]
  /** The only namespaces in which something can match; undefined = the selector is not bound to namespaces. */
  readonly namespaces: readonly string[] | undefined
}

export function makeSelector(requirements: readonly Requirement[]): Selector {
  const unique = new Map<string, Requirement>()
  for (const requirement of requirements) {
    const values = [...new Set(requirement.values)].sort()
    const canonical = { ...requirement, values }
    unique.set(formatRequirement(canonical), canonical)
  }
  const sorted = [...unique.entries()].sort(([a], [b]) => (a < b ? -1 : 1))
  const all = sorted.map(([, requirement]) => requirement)
  return { key: sorted.map(([text]) => text).join(', '), requirements: all, namespaces: boundNamespaces(all) }
}

/** A requirement of one value, as in `matchLabels`. */
export function requireLabel(source: string, key: string, value: string): Requirement {
  return { source, key, operator: 'In', values: [value] }
}

export function requireKey(source: string, key: string): Requirement {
  return { source, key, operator: 'Exists', values: [] }
}

export function selects(selector: Selector, labels: LabelSet): boolean {
  return selector.requirements.every((requirement) => holds(requirement, labels))
}

export function holds(requirement: Requirement, labels: LabelSet): boolean {
  const { source, key, operator, values } = requirement
  switch (operator) {
    case 'In':
      return labels.hasValue(source, key, values)
    case 'NotIn':
      return !labels.hasValue(source, key, values)
    case 'Exists':
      return labels.has(source, key)
    case 'DoesNotExist':
      return !labels.has(source, key)
  }
}

/** `k8s:app In [a,b]`. */
export function formatRequirement({ source, key, operator, values }: Requirement): string {
  return values.length === 0
    ? `${source}:${key} ${operator}`
    : `${source}:${key} ${operator} [${values.join(',')}]`
}

function boundNamespaces(requirements: readonly Requirement[]): readonly string[] | undefined {
  return requirements.find(
    ({ source, key, operator }) => source === K8S_SOURCE && key === NAMESPACE_KEY && operator === 'In',
  )?.values
}
