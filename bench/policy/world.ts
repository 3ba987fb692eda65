// Policies and identities of the sizes that the measurements ask for, without documents around them.
import { asEndpointId, asIdentity, type Identity } from '../../src/lib/brands.ts'
import type { LabelledIdentity } from '../../src/policy/identity.ts'
import { endpointLabels } from '../../src/policy/labels.ts'
import { NORMAL_LEVEL } from '../../src/policy/precedence.ts'
import type { PolicyEndpoint } from '../../src/policy/repository.ts'
import { TCP, type ParsedPolicy, type Rule, type RuleElement } from '../../src/policy/rule-model.ts'
import { makeSelector, requireLabel, type Selector } from '../../src/policy/selector.ts'

export const NAMESPACE = 'n'
const FIRST_IDENTITY = 100_000

export function select(key: string, value: string): Selector {
  return makeSelector([
    requireLabel('k8s', key, value),
    requireLabel('k8s', 'io.kubernetes.pod.namespace', NAMESPACE),
  ])
}

/** @param labels of the identity of that number. */
export function identities(count: number, labels: (i: number) => Record<string, string>): LabelledIdentity[] {
  return Array.from({ length: count }, (_, i) => identity(i, labels(i)))
}

export function identity(i: number, labels: Record<string, string>): LabelledIdentity {
  return { identity: numberOf(i), labels: endpointLabels(NAMESPACE, { id: `i${i}`, ...labels }) }
}

export function numberOf(i: number): Identity {
  return asIdentity(FIRST_IDENTITY + i)
}

export function endpoint(id: number, labels: Record<string, string>): PolicyEndpoint {
  return {
    id: asEndpointId(id),
    identity: asIdentity(256 + id),
    labels: endpointLabels(NAMESPACE, labels),
    addresses: [`10.0.${id >> 8}.${id & 255}`],
  }
}

export function element(name: string, peers: readonly Selector[], port: number): RuleElement {
  const span = { protocol: TCP, firstPort: port, lastPort: port }
  const grant = port === 0 ? { protocol: 0, firstPort: 0, lastPort: 65_535 } : span
  return {
    name,
    action: 'allow',
    level: NORMAL_LEVEL,
    peers,
    grants: [{ spans: [grant], named: [], http: undefined }],
  }
}

export function ingressRule(subject: Selector, elements: readonly RuleElement[]): Rule {
  return {
    subject,
    ingress: { defaultDeny: true, elements },
    egress: { defaultDeny: false, elements: [] },
  }
}

export function policy(name: string, rules: readonly Rule[], prefixes: readonly string[] = []): ParsedPolicy {
  const key = `${NAMESPACE}/${name}`
  const kind = 'CiliumNetworkPolicy'
  return { key, kind, namespace: NAMESPACE, name, rules, prefixes, yaml: '', file: '', line: 1 }
}
