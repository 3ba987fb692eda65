// Labels: `source:key=value`. Policy selects endpoints by them, and identities are numbers for sets of them.
import { WeirError } from '../lib/errors.ts'

export interface Label {
  /** Who vouches for the label: `k8s`, `container`, `reserved`. */
  readonly source: string
  readonly key: string
  readonly value: string
}

/** Source of labels that come from Kubernetes, or from a file or a container engine that stands in for it. */
export const K8S_SOURCE = 'k8s'
export const RESERVED_SOURCE = 'reserved'
/** In selectors only: the label may come from any source. */
export const ANY_SOURCE = 'any'

export const NAMESPACE_KEY = 'io.kubernetes.pod.namespace'
/** Followed by the key of a label of the namespace that the endpoint lives in. */
export const NAMESPACE_LABELS_PREFIX = 'io.cilium.k8s.namespace.labels.'
export const CLUSTER_KEY = 'io.cilium.k8s.policy.cluster'
/** Value of CLUSTER_KEY for endpoints of this cluster; those without the label are of this cluster too. */
export const LOCAL_CLUSTER = 'default'

/** `source:key=value`; the `=` is left out when the value is empty, as in `reserved:host`. */
export function formatLabel(label: Label): string {
  const name = `${label.source}:${label.key}`
  return label.value === '' ? name : `${name}=${label.value}`
}

/**
 * The reverse of `formatLabel`; a text without a source gets `defaultSource`.
 * @throws WeirError CONFIG_INVALID when the key is missing.
 */
export function parseLabel(text: string, defaultSource: string = K8S_SOURCE): Label {
  const equals = text.indexOf('=')
  const name = equals < 0 ? text : text.slice(0, equals)
  const { source, key } = parseLabelName(name, defaultSource)
  if (key === '' || source === '') {
    throw new WeirError('CONFIG_INVALID', `label ${JSON.stringify(text)} is not source:key=value`)
  }
  return { source, key, value: equals < 0 ? '' : text.slice(equals + 1) }
}

/** Split `source:key`; without a colon the source is `defaultSource`. */
export function parseLabelName(name: string, defaultSource: string): { source: string; key: string } {
  const colon = name.indexOf(':')
  if (colon < 0) return { source: defaultSource, key: name }
  return { source: name.slice(0, colon), key: name.slice(colon + 1) }
}

const NAME_PART = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const DNS_LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/
const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/
const NAME_MAX = 63
const PREFIX_MAX = 253

/** Why `key` (without a source) is not a label key by the rules of Kubernetes; undefined = it is one. */
export function labelKeyProblem(key: string): string | undefined {
  const slash = key.indexOf('/')
  if (slash >= 0) {
    const prefix = key.slice(0, slash)
    if (prefix.length > PREFIX_MAX || !DNS_SUBDOMAIN.test(prefix)) {
      return `the part before "/" must be a DNS name of at most ${PREFIX_MAX} characters`
    }
  }
  const name = key.slice(slash + 1)
  if (name === '') return slash < 0 ? 'the key is empty' : 'nothing follows the "/"'
  // Keys of namespace labels embed a whole label key, which may be longer than a name.
  const max = key.startsWith(NAMESPACE_LABELS_PREFIX) ? PREFIX_MAX : NAME_MAX
  if (name.length > max) return `the name has ${name.length} characters, the limit is ${max}`
  if (NAME_PART.test(name)) return undefined
  return 'letters, digits, "-", "_" and "." are allowed, beginning and ending with a letter or digit'
}

/** Why `value` is not a label value by the rules of Kubernetes; undefined = it is one. */
export function labelValueProblem(value: string): string | undefined {
  if (value === '') return undefined
  if (value.length > NAME_MAX) return `it has ${value.length} characters, the limit is ${NAME_MAX}`
  if (NAME_PART.test(value)) return undefined
  return 'letters, digits, "-", "_" and "." are allowed, beginning and ending with a letter or digit'
}

/** Why `name` cannot name a namespace; undefined = it can. */
export function namespaceProblem(name: string): string | undefined {
  if (name.length <= NAME_MAX && DNS_LABEL.test(name)) return undefined
  return `a namespace has 1 to ${NAME_MAX} lower-case letters, digits and "-", none at its ends but letters and digits`
}

/** Why `name` cannot name an object such as a policy; undefined = it can. */
export function objectNameProblem(name: string): string | undefined {
  if (name.length <= PREFIX_MAX && DNS_SUBDOMAIN.test(name)) return undefined
  return `a name has 1 to ${PREFIX_MAX} lower-case letters, digits, "-" and ".", and begins and ends with a letter or digit`
}

/** An immutable set of labels, with fast look-up by key. */
export class LabelSet {
  /** Sorted by source and key; one label per source and key. */
  readonly labels: readonly Label[]
  /** Equal for equal sets: the sorted labels, each followed by `;`. */
  readonly key: string
  readonly #byKey = new Map<string, Label[]>()

  /** Of labels with the same source and key the last counts. */
  constructor(labels: Iterable<Label>) {
    const unique = new Map<string, Label>()
    for (const label of labels) unique.set(`${label.source}:${label.key}`, label)
    this.labels = [...unique.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, label]) => label)
    this.key = this.labels.map((label) => `${formatLabel(label)};`).join('')
    for (const label of this.labels) {
      const same = this.#byKey.get(label.key)
      if (same === undefined) this.#byKey.set(label.key, [label])
      else same.push(label)
    }
  }

  /** @throws WeirError CONFIG_INVALID */
  static parse(texts: readonly string[]): LabelSet {
    return new LabelSet(texts.map((text) => parseLabel(text)))
  }

  has(source: string, key: string): boolean {
    return this.#find(source, key, undefined)
  }

  /** True when a label of that source (`any` = every source) and key has one of the values. */
  hasValue(source: string, key: string, values: readonly string[]): boolean {
    return this.#find(source, key, values)
  }

  get(source: string, key: string): string | undefined {
    return this.#byKey.get(key)?.find((label) => label.source === source)?.value
  }

  /** `source:key=value`, sorted. */
  toStrings(): string[] {
    return this.labels.map(formatLabel)
  }

  #find(source: string, key: string, values: readonly string[] | undefined): boolean {
    for (const label of this.#byKey.get(key) ?? []) {
      if (source !== ANY_SOURCE && label.source !== source) continue
      if (values === undefined || values.includes(label.value)) return true
    }
    return false
  }
}

/** Labels of an endpoint as policy sees them: its own with the source `k8s`, its namespace and the labels of that. */
export function endpointLabels(
  namespace: string,
  labels: Readonly<Record<string, string>>,
  namespaceLabels: Readonly<Record<string, string>> = {},
): LabelSet {
  const own = Object.entries(labels).map(([key, value]) => ({ source: K8S_SOURCE, key, value }))
  const inherited = Object.entries(namespaceLabels).map(([key, value]) => {
    return { source: K8S_SOURCE, key: `${NAMESPACE_LABELS_PREFIX}${key}`, value }
  })
  return new LabelSet([...own, ...inherited, { source: K8S_SOURCE, key: NAMESPACE_KEY, value: namespace }])
}
