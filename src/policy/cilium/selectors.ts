// Label selectors of CiliumNetworkPolicy, and the namespace that they are silently bound to.
import {
  ANY_SOURCE,
  K8S_SOURCE,
  labelKeyProblem,
  labelValueProblem,
  LabelSet,
  NAMESPACE_KEY,
  NAMESPACE_LABELS_PREFIX,
  parseLabelName,
  RESERVED_SOURCE,
} from '../labels.ts'
import {
  holds,
  makeSelector,
  requireLabel,
  type Operator,
  type Requirement,
  type Selector,
} from '../selector.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { EXPRESSION, SELECTOR } from './fields.ts'

const SOURCES = [K8S_SOURCE, ANY_SOURCE, RESERVED_SOURCE, 'container']
const OPERATORS: readonly Operator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist']

/** A peer: endpoints of the policy's namespace, unless the selector names namespaces or a reserved label. */
export function parsePeerSelector(at: Cursor, namespace: string): Selector | undefined {
  const requirements = parseRequirements(at)
  if (requirements === undefined) return undefined
  const isScoped = requirements.some(
    ({ source, key }) => source === RESERVED_SOURCE || isNamespaceKey(source, key),
  )
  return makeSelector(isScoped ? requirements : [...requirements, namespaceOnly(namespace)])
}

/** The endpoints under policy: always those of the policy's namespace only. */
export function parseSubjectSelector(at: Cursor, namespace: string): Selector | undefined {
  const requirements = parseRequirements(at)
  if (requirements === undefined) return undefined
  // Endpoints that wait for their labels have none, not even a namespace.
  if (requirements.some(({ source, key }) => source === RESERVED_SOURCE && key === 'init')) {
    return makeSelector(requirements)
  }
  const own = new LabelSet([{ source: K8S_SOURCE, key: NAMESPACE_KEY, value: namespace }])
  const isElsewhere = requirements.some((one) => one.key === NAMESPACE_KEY && !holds(one, own))
  if (isElsewhere) {
    return at.fail(
      `selects endpoints outside of namespace ${namespace}, which a policy of that namespace cannot protect`,
      `remove ${NAMESPACE_KEY} from the selector or put the policy into the other namespace`,
    )
  }
  return makeSelector([...requirements, namespaceOnly(namespace)])
}

function namespaceOnly(namespace: string): Requirement {
  return requireLabel(K8S_SOURCE, NAMESPACE_KEY, namespace)
}

function isNamespaceKey(source: string, key: string): boolean {
  if (source !== K8S_SOURCE && source !== ANY_SOURCE) return false
  return key === NAMESPACE_KEY || key.startsWith(NAMESPACE_LABELS_PREFIX)
}

/** undefined after a problem. */
function parseRequirements(at: Cursor): Requirement[] | undefined {
  const fields = at.fields(SELECTOR)
  if (fields === undefined) return undefined
  const requirements: (Requirement | undefined)[] = []
  for (const [name, value] of fields.get('matchLabels')?.entries() ?? []) {
    requirements.push(parseMatchLabel(name, value))
  }
  for (const item of fields.get('matchExpressions')?.items() ?? []) requirements.push(parseExpression(item))
  return requirements.every((one) => one !== undefined) ? requirements : undefined
}

function parseMatchLabel(name: string, at: Cursor): Requirement | undefined {
  const label = parseKey(name, (message, mend) => at.failKey(message, mend))
  const value = parseValue(at)
  return label === undefined || value === undefined ? undefined : requireLabel(label.source, label.key, value)
}

function parseExpression(at: Cursor): Requirement | undefined {
  const fields = at.fields(EXPRESSION)
  if (fields === undefined) return undefined
  const keyAt = fields.get('key') ?? at.failMissing('key', 'name the label')
  const name = keyAt?.string()
  const label = name === undefined ? undefined : parseKey(name, (message, mend) => keyAt?.fail(message, mend))
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

function parseKey(
  name: string,
  fail: (message: string, mend: string) => undefined,
): { source: string; key: string } | undefined {
  const label = parseLabelName(name, K8S_SOURCE)
  if (!SOURCES.includes(label.source)) {
    return fail(
      `label key "${name}" has the unknown source "${label.source}"`,
      `use one of ${SOURCES.join(', ')}, or no source, which means ${K8S_SOURCE}`,
    )
  }
  const problem = labelKeyProblem(label.key)
  return problem === undefined ? label : fail(`label key "${name}" is not valid`, problem)
}

function parseValue(at: Cursor): string | undefined {
  const value = at.string()
  if (value === undefined) return undefined
  const problem = labelValueProblem(value)
  return problem === undefined ? value : at.fail('is not a label value', problem)
}
