// Label selectors as Kubernetes writes them: matchLabels and matchExpressions.
import {
  ANY_SOURCE,
  K8S_SOURCE,
  labelKeyProblem,
  labelValueProblem,
  NAMESPACE_KEY,
  NAMESPACE_LABELS_PREFIX,
  parseLabelName,
  RESERVED_SOURCE,
} from './labels.ts'
import { requireLabel, type Operator, type Requirement } from './selector.ts'
import type { Cursor, FieldTable } from './yaml-cursor.ts'

const SELECTOR: FieldTable = { known: ['matchLabels', 'matchExpressions'] }
const EXPRESSION: FieldTable = { known: ['key', 'operator', 'values'] }
const SOURCES = [K8S_SOURCE, ANY_SOURCE, RESERVED_SOURCE, 'container']
const OPERATORS: readonly Operator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist']

/** Kubernetes gives every namespace this label, with its name for a value. */
const NAMESPACE_NAME_LABEL = `${NAMESPACE_LABELS_PREFIX}kubernetes.io/metadata.name`

type Fail = (message: string, mend: string) => undefined
/** What a key in the document stands for; undefined after a problem. */
export type KeyReader = (name: string, fail: Fail) => { source: string; key: string } | undefined

/** `source:key` of Cilium; without a source it is that of Kubernetes. */
export const readCiliumKey: KeyReader = (name, fail) => {
  const label = parseLabelName(name, K8S_SOURCE)
  if (!SOURCES.includes(label.source)) {
    return fail(
      `label key "${name}" has the unknown source "${label.source}"`,
      `use one of ${SOURCES.join(', ')}, or no source, which means ${K8S_SOURCE}`,
    )
  }
  return checkedKey(name, label, fail)
}

/** A label of a pod. */
export const readPodKey: KeyReader = (name, fail) => checkedKey(name, { source: K8S_SOURCE, key: name }, fail)

/** A label of the pod's namespace. */
export const readNamespaceKey: KeyReader = (name, fail) => {
  const label = checkedKey(name, { source: K8S_SOURCE, key: name }, fail)
  return label && { source: K8S_SOURCE, key: namespaceKey(`${NAMESPACE_LABELS_PREFIX}${name}`) }
}

function checkedKey(
  name: string,
  { source, key }: { source: string; key: string },
  fail: Fail,
): { source: string; key: string } | undefined {
  const problem = labelKeyProblem(key)
  if (problem !== undefined) return fail(`label key "${name}" is not valid`, problem)
  return { source, key: namespaceKey(key) }
}

/** Endpoints carry the name of their namespace once. */
function namespaceKey(key: string): string {
  return key === NAMESPACE_NAME_LABEL ? NAMESPACE_KEY : key
}

/** undefined after a problem. */
export function parseRequirements(at: Cursor, readKey: KeyReader): Requirement[] | undefined {
  const fields = at.fields(SELECTOR)
  if (fields === undefined) return undefined
  const requirements: (Requirement | undefined)[] = []
  for (const [name, value] of fields.get('matchLabels')?.entries() ?? []) {
    requirements.push(parseMatchLabel(name, value, readKey))
  }
  for (const item of fields.get('matchExpressions')?.items() ?? []) {
    requirements.push(parseExpression(item, readKey))
  }
  return requirements.every((one) => one !== undefined) ? requirements : undefined
}

function parseMatchLabel(name: string, at: Cursor, readKey: KeyReader): Requirement | undefined {
  const label = readKey(name, (message, mend) => at.failKey(message, mend))
  const value = parseValue(at)
  return label === undefined || value === undefined ? undefined : requireLabel(label.source, label.key, value)
}

function parseExpression(at: Cursor, readKey: KeyReader): Requirement | undefined {
  const fields = at.fields(EXPRESSION)
  if (fields === undefined) return undefined
  const keyAt = fields.get('key') ?? at.failMissing('key', 'name the label')
  const name = keyAt?.string()
  const label = name === undefined ? undefined : readKey(name, (message, mend) => keyAt?.fail(message, mend))
  const operator = parseOperator(
    fields.get('operator') ?? at.failMissing('operator', `use ${OPERATORS.join(', ')}`),
  )
  const valuesAt = fields.get('values')
  const values = valuesAt?.items()?.map(parseValue)
  if (label === undefined || operator === undefined) return undefined
  const takesValues = operator === 'In' || operator === 'NotIn'
  if (!takesValues) {
    if (values !== undefined && values.length > 0) {
      return valuesAt?.fail(`${operator} takes no values`, 'remove the values, or use In or NotIn')
    }
    return { ...label, operator, values: [] }
  }
  if (valuesAt === undefined) return at.failMissing('values', `list at least one value for ${operator}`)
  if (values?.length === 0) return valuesAt.fail(`${operator} needs values`, 'list at least one')
  if (values === undefined || !values.every((value) => value !== undefined)) return undefined
  return { ...label, operator, values }
}

function parseOperator(at: Cursor | undefined): Operator | undefined {
  const text = at?.string()
  if (at === undefined || text === undefined) return undefined
  const operator = OPERATORS.find((known) => known === text)
  return operator ?? at.fail('unknown operator', `use ${OPERATORS.join(', ')}`)
}

function parseValue(at: Cursor): string | undefined {
  const value = at.string()
  if (value === undefined) return undefined
  const problem = labelValueProblem(value)
  return problem === undefined ? value : at.fail('is not a label value', problem)
}
