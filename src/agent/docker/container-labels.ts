// Labels of a container, as policy may select by them. Pure.
import {
  CLUSTER_KEY,
  labelKeyProblem,
  labelValueProblem,
  NAMESPACE_KEY,
  NAMESPACE_LABELS_PREFIX,
} from '../../policy/labels.ts'
import { isIdentityRelevant } from '../../policy/identity-labels.ts'

export interface ContainerLabels {
  readonly labels: Readonly<Record<string, string>>
  /** Of each label that was left out, and why; not of those that would not have counted anyway. */
  readonly notes: readonly string[]
}

const SHOWN_MAX = 60

/**
 * Docker lets keys and values be anything. Policy knows those of Kubernetes' form, and a label that is not of it can
 * neither be selected nor shown without doubt: it is left out, and the container stays.
 */
export function containerLabels(all: Readonly<Record<string, string>>): ContainerLabels {
  const labels: Record<string, string> = {}
  const notes: string[] = []
  for (const [key, value] of Object.entries(all)) {
    if (!isIdentityRelevant(key)) continue
    const problem = labelProblem(key, value)
    if (problem === undefined) labels[key] = value
    else notes.push(`label ${shown(key)} is left out: ${problem}`)
  }
  return { labels, notes: notes.sort() }
}

function labelProblem(key: string, value: string): string | undefined {
  if (key === NAMESPACE_KEY || key === CLUSTER_KEY || key.startsWith(NAMESPACE_LABELS_PREFIX)) {
    return 'keys of this kind are set by Weir'
  }
  const keyProblem = labelKeyProblem(key)
  if (keyProblem !== undefined) return keyProblem
  const valueProblem = labelValueProblem(value)
  return valueProblem === undefined ? undefined : `of its value: ${valueProblem}`
}

function shown(key: string): string {
  return JSON.stringify(key.length > SHOWN_MAX ? `${key.slice(0, SHOWN_MAX)}...` : key)
}
