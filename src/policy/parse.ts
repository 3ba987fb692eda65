// Policy documents in, policies and problems out. Pure: the same text gives the same answer.
import { CIDR_SOURCE } from './cidr-labels.ts'
import type { HttpRuleValidator, RegexValidator } from './cilium/http.ts'
import { parseCiliumRules } from './cilium/spec.ts'
import { parseModes, withModes, type PolicyModes } from './document-modes.ts'
import { parseClusterNetworkPolicy } from './kubernetes/cluster-network-policy.ts'
import { parseNetworkPolicy } from './kubernetes/network-policy.ts'
import { namespaceProblem, objectNameProblem, RESERVED_SOURCE } from './labels.ts'
import { nearestName } from './nearest-name.ts'
import { inTextOrder, shortened, type Problem } from './problem.ts'
import type { ParsedPolicy, PolicyKind, Rule } from './rule-model.ts'
import type { Cursor, Fields, FieldTable } from './yaml-cursor.ts'
import { parseYamlDocuments, type YamlDocument } from './yaml-document.ts'

export type { HttpRuleValidator, RegexValidator } from './cilium/http.ts'

export const DEFAULT_NAMESPACE = 'default'

export interface ParseOptions {
  readonly validateRegex: RegexValidator
  readonly validateHttpRule?: HttpRuleValidator
}

interface Kind {
  readonly apiVersion: string
  readonly isNamespaced: boolean
  readonly hasSpecs: boolean
  parse(root: Cursor, fields: Fields, name: PolicyName, options: ParseOptions): Rule[]
}

const CILIUM = {
  apiVersion: 'cilium.io/v2',
  hasSpecs: true,
  parse: (root: Cursor, fields: Fields, { namespace, prefix }: PolicyName, options: ParseOptions): Rule[] => {
    return parseCiliumRules(root, fields, { ...options, namespace, prefix })
  },
}

const KINDS: Readonly<Record<PolicyKind, Kind>> = {
  CiliumNetworkPolicy: { ...CILIUM, isNamespaced: true },
  CiliumClusterwideNetworkPolicy: { ...CILIUM, isNamespaced: false },
  NetworkPolicy: {
    apiVersion: 'networking.k8s.io/v1',
    isNamespaced: true,
    hasSpecs: false,
    parse: (root, fields, { namespace, prefix }) => parseNetworkPolicy(root, fields, namespace, prefix),
  },
  ClusterNetworkPolicy: {
    apiVersion: 'policy.networking.k8s.io/v1alpha2',
    isNamespaced: false,
    hasSpecs: false,
    parse: (root, fields, { prefix }) => parseClusterNetworkPolicy(root, fields, prefix),
  },
}
const KIND_NAMES = Object.keys(KINDS) as PolicyKind[]

/** `status` is written by controllers and comes along when a policy is exported. */
const DOCUMENT: FieldTable = { known: ['apiVersion', 'kind', 'metadata', 'spec', 'specs', 'status'] }

const METADATA: FieldTable = {
  known: [
    'name',
    'namespace',
    'labels',
    'annotations',
    // What the API server adds; none of it changes what the policy means.
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'managedFields',
    'ownerReferences',
    'finalizers',
    'selfLink',
  ],
}

/** One document of a file. Either it has a policy or it has problems. */
export interface PolicyDocument {
  /** See ParsedPolicy; as far as the document says it, even when it is broken otherwise. */
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
export function parsePolicies(text: string, file: string, options: ParseOptions): ParsedPolicies {
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
    value: JSON.stringify(key.slice(key.search(/[^/:]*$/))),
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
  const kind = parseKind(root, fields)
  const name = parseMetadata(root, fields.get('metadata'), kind)
  if (kind !== undefined && !KINDS[kind].hasSpecs) {
    fields.get('specs')?.failKey('unknown field "specs"', 'write one document for each policy')
  }
  // Values of broken YAML are guesses of the parser: what is wrong with them would only be noise.
  if (isBrokenYaml) problems.length = before
  if (isBrokenYaml || kind === undefined || name === undefined) return broken(name?.key)
  const parsed = KINDS[kind].parse(root, fields, name, options)
  const rules = problems.length > 0 ? parsed : withModes(parsed, name.modes, name.prefix)
  if (problems.length > 0) return broken(name.key)
  const { key, namespace } = name
  const prefixes = prefixesOf(rules)
  const policy = { key, kind, namespace, name: name.name, rules, prefixes, yaml: document.text, file, line }
  return { key, policy, problems, line }
}

function parseKind(root: Cursor, fields: Fields): PolicyKind | undefined {
  const kindAt = fields.get('kind') ?? root.failMissing('kind', `write one of ${KIND_NAMES.join(', ')}`)
  const text = kindAt?.string()
  const apiVersionAt = fields.get('apiVersion')
  const kind = KIND_NAMES.find((name) => name === text)
  if (text !== undefined && kind === undefined) {
    const near = nearestName(text, KIND_NAMES)
    const mend = near === undefined ? `known are ${KIND_NAMES.join(', ')}` : `did you mean "${near}"?`
    kindAt?.fail(`kind "${shortened(text)}" is not supported yet`, mend)
  }
  const wanted = kind === undefined ? undefined : KINDS[kind].apiVersion
  const apiVersion = (
    apiVersionAt ?? root.failMissing('apiVersion', `write apiVersion: ${wanted ?? CILIUM.apiVersion}`)
  )?.string()
  if (kind === undefined || wanted === undefined || apiVersion === undefined) return undefined
  if (apiVersion === wanted) return kind
  return apiVersionAt?.fail(`is not an apiVersion of ${kind}`, `write ${wanted}`)
}

interface PolicyName {
  readonly key: string
  /** '' = of a clusterwide policy. */
  readonly namespace: string
  readonly name: string
  /** Begins the names of its rules. */
  readonly prefix: string
  readonly modes: PolicyModes
}

function parseMetadata(
  root: Cursor,
  at: Cursor | undefined,
  kind: PolicyKind | undefined,
): PolicyName | undefined {
  if (at === undefined) return root.failMissing('metadata', 'add metadata with a name')
  const fields = at.fields(METADATA)
  if (fields === undefined) return undefined
  const namespace = parseNamespace(fields.get('namespace'), kind)
  const nameAt = fields.get('name') ?? at.failMissing('name', 'give the policy a name')
  const name = nameAt === undefined ? undefined : checked(nameAt, objectNameProblem)
  const modes = parseModes(fields.get('annotations'))
  if (name === undefined || namespace === undefined) return undefined
  const path = namespace === '' ? name : `${namespace}/${name}`
  const key = kind === undefined || kind === 'CiliumNetworkPolicy' ? path : `${kind}:${path}`
  return { key, namespace, name, prefix: `${key} `, modes }
}

function parseNamespace(at: Cursor | undefined, kind: PolicyKind | undefined): string | undefined {
  if (kind === undefined || KINDS[kind].isNamespaced) {
    return at === undefined ? DEFAULT_NAMESPACE : checked(at, namespaceProblem)
  }
  return at === undefined ? '' : at.failKey(`a ${kind} belongs to no namespace`, 'remove it')
}

function checked(at: Cursor, problemOf: (text: string) => string | undefined): string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const problem = problemOf(text)
  return problem === undefined ? text : at.fail('is not a valid name', problem)
}

const FAMILIES: Readonly<Record<string, string>> = { 'world-ipv4': '0.0.0.0/0', 'world-ipv6': '::/0' }

/** What addresses must be told apart for: prefixes of selectors, and the families. */
function prefixesOf(rules: readonly Rule[]): string[] {
  const elements = rules.flatMap(({ ingress, egress }) => [...ingress.elements, ...egress.elements])
  const selectors = elements.flatMap(({ peers }) => (peers === 'any' ? [] : peers))
  const prefixes = selectors.flatMap(({ requirements }) => {
    return requirements.flatMap(({ source, key }) => {
      if (source === CIDR_SOURCE) return [key]
      return source === RESERVED_SOURCE ? (FAMILIES[key] ?? []) : []
    })
  })
  return [...new Set(prefixes)].sort()
}
