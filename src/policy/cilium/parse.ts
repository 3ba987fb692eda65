// CiliumNetworkPolicy documents in, policies and problems out. Pure: the same text gives the same answer.
import { namespaceProblem, objectNameProblem } from '../labels.ts'
import { inTextOrder, shortened, type Problem } from '../problem.ts'
import type { ParsedPolicy, Rule } from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { parseYamlDocuments, type YamlDocument } from '../yaml-document.ts'
import { DOCUMENT, METADATA } from './fields.ts'
import type { RegexValidator } from './http.ts'
import { parseRule } from './rule.ts'

export type { RegexValidator } from './http.ts'

export const API_VERSION = 'cilium.io/v2'
export const KIND = 'CiliumNetworkPolicy'
export const DEFAULT_NAMESPACE = 'default'

export interface ParseOptions {
  readonly validateRegex: RegexValidator
}

/** One document of a file. Either it has a policy or it has problems. */
export interface PolicyDocument {
  /** `namespace/name`, as far as the document says it, even when it is broken otherwise. */
  readonly key: string | undefined
  readonly policy: ParsedPolicy | undefined
  readonly problems: readonly Problem[]
  readonly line: number
}

export interface ParsedPolicies {
  /** Of all documents without problems, in the order of the file. */
  readonly policies: readonly ParsedPolicy[]
  /** Of all documents. */
  readonly problems: readonly Problem[]
  readonly documents: readonly PolicyDocument[]
}

/** Never throws. `file` is used in positions only. Documents that hold nothing but comments are left out. */
export function parseCiliumPolicies(text: string, file: string, options: ParseOptions): ParsedPolicies {
  const lines = new Map<string, number>()
  const documents = parseYamlDocuments(text, file)
    .filter(({ root, problems }) => root !== undefined || problems.length > 0)
    .map((document) => parseDocument(document, file, options))
    .map((document) => refuseRepeated(document, file, lines))
  return {
    documents,
    policies: documents.flatMap(({ policy }) => policy ?? []),
    problems: documents.flatMap(({ problems }) => problems),
  }
}

/** Of two policies with one name in a file the first counts. */
function refuseRepeated(document: PolicyDocument, file: string, lines: Map<string, number>): PolicyDocument {
  if (document.policy === undefined) return document
  const { key } = document.policy
  const earlier = lines.get(key)
  if (earlier === undefined) {
    lines.set(key, document.line)
    return document
  }
  return {
    ...document,
    policy: undefined,
    problems: [nameTaken(key, file, document.line, `${file}:${earlier}`)],
  }
}

/** Also used for collisions between files. */
export function nameTaken(key: string, file: string, line: number, holder: string): Problem {
  return {
    file,
    line,
    column: 1,
    path: 'metadata.name',
    message: `policy ${key} is already defined at ${holder}`,
    value: JSON.stringify(key.slice(key.indexOf('/') + 1)),
    mend: 'rename or remove one of the two; until then this one is not in force',
  }
}

function parseDocument(document: YamlDocument, file: string, options: ParseOptions): PolicyDocument {
  const { root, problems, line } = document
  const broken = (key: string | undefined): PolicyDocument => {
    return { key, policy: undefined, problems: inTextOrder(problems), line }
  }
  const isBrokenYaml = problems.length > 0
  if (root === undefined) return broken(undefined)
  const before = problems.length
  const fields = root.fields(DOCUMENT)
  if (fields === undefined) return broken(undefined)
  const isOurs = checkType(root, fields.get('apiVersion'), fields.get('kind'))
  const name = parseMetadata(root, fields.get('metadata'))
  // Values of broken YAML are guesses of the parser: what is wrong with them would only be noise.
  if (isBrokenYaml) problems.length = before
  if (isBrokenYaml || !isOurs || name === undefined) return broken(name?.key)
  const rules = parseRules(root, fields.get('spec'), fields.get('specs'), name, options)
  if (problems.length > 0) return broken(name.key)
  return { key: name.key, policy: { ...name, rules, yaml: document.text, file, line }, problems, line }
}

function checkType(root: Cursor, apiVersionAt: Cursor | undefined, kindAt: Cursor | undefined): boolean {
  const kind = (kindAt ?? root.failMissing('kind', `write kind: ${KIND}`))?.string()
  const mend = `write kind: ${KIND} with apiVersion: ${API_VERSION}`
  if (kind !== undefined && kind !== KIND)
    kindAt?.fail(`kind "${shortened(kind)}" is not supported yet`, mend)
  const apiVersion = (
    apiVersionAt ?? root.failMissing('apiVersion', `write apiVersion: ${API_VERSION}`)
  )?.string()
  if (kind !== KIND || apiVersion === undefined) return false
  if (apiVersion === API_VERSION) return true
  apiVersionAt?.fail(`is not an apiVersion of ${KIND}`, `write ${API_VERSION}`)
  return false
}

interface PolicyName {
  readonly key: string
  readonly namespace: string
  readonly name: string
}

function parseMetadata(root: Cursor, at: Cursor | undefined): PolicyName | undefined {
  if (at === undefined) return root.failMissing('metadata', 'add metadata with a name')
  const fields = at.fields(METADATA)
  if (fields === undefined) return undefined
  const namespaceAt = fields.get('namespace')
  const namespace = namespaceAt === undefined ? DEFAULT_NAMESPACE : checked(namespaceAt, namespaceProblem)
  const nameAt = fields.get('name') ?? at.failMissing('name', 'give the policy a name')
  const name = nameAt === undefined ? undefined : checked(nameAt, objectNameProblem)
  return name === undefined || namespace === undefined
    ? undefined
    : { key: `${namespace}/${name}`, namespace, name }
}

function checked(at: Cursor, problemOf: (text: string) => string | undefined): string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const problem = problemOf(text)
  return problem === undefined ? text : at.fail('is not a valid name', problem)
}

function parseRules(
  root: Cursor,
  specAt: Cursor | undefined,
  specsAt: Cursor | undefined,
  { key, namespace }: PolicyName,
  { validateRegex }: ParseOptions,
): Rule[] {
  if (specAt === undefined && specsAt === undefined) root.failMissing('spec', 'add spec or specs')
  const rules: (Rule | undefined)[] = []
  if (specAt !== undefined) rules.push(parseRule(specAt, { validateRegex, namespace, prefix: `${key} ` }))
  const items = specsAt?.items() ?? []
  if (specsAt !== undefined && specsAt.isList && items.length === 0) specsAt.fail('lists no rule', 'add one')
  items.forEach((item, i) => {
    rules.push(parseRule(item, { validateRegex, namespace, prefix: `${key} specs[${i}].` }))
  })
  return rules.filter((rule) => rule !== undefined)
}
