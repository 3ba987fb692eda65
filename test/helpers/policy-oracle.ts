// The meaning of policies, spelt out from the YAML by brute force: no selector cache, no maps, no shared code.
import type { Direction } from '../../src/policy/network-policy.ts'
import type { Request } from './policy-simulation.ts'

export interface Expression {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values?: readonly string[]
}
export interface RawSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly Expression[]
}
export interface RawPort {
  readonly port: string
  readonly endPort?: number
  readonly protocol?: string
}
export interface RawElement {
  readonly fromEndpoints?: readonly RawSelector[]
  readonly fromEntities?: readonly string[]
  readonly toEndpoints?: readonly RawSelector[]
  readonly toEntities?: readonly string[]
  readonly toPorts?: readonly {
    readonly ports: readonly RawPort[]
    readonly rules?: { readonly http: readonly { readonly method?: string; readonly path?: string }[] }
  }[]
}
export interface RawSpec {
  readonly endpointSelector: RawSelector
  readonly enableDefaultDeny?: { readonly ingress?: boolean; readonly egress?: boolean }
  readonly ingress?: readonly RawElement[]
  readonly egress?: readonly RawElement[]
  readonly ingressDeny?: readonly RawElement[]
  readonly egressDeny?: readonly RawElement[]
}
export interface RawPolicy {
  readonly name: string
  readonly namespace: string
  readonly spec: RawSpec
}

/** A workload, or `host`, `world`. */
export interface Party {
  readonly entity?: 'host' | 'world'
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
}

export interface OracleFlow {
  readonly subject: Party
  readonly peer: Party
  readonly direction: Direction
  readonly protocol: 'TCP' | 'UDP' | 'SCTP' | 'ICMP'
  readonly port: number
}

export interface Expectation {
  readonly verdict: 'deny' | 'redirect' | 'allow'
  /** Per request, as far as the flow is TCP. */
  readonly allowed: readonly boolean[]
}

export function expectation(
  policies: readonly RawPolicy[],
  flow: OracleFlow,
  requests: readonly Request[],
): Expectation {
  let isEnforced = false
  let isDenied = false
  let isPlainlyAllowed = false
  let isProxied = false
  const allowed = requests.map(() => false)
  for (const { namespace, spec } of policies) {
    if (!isSelected(spec.endpointSelector, flow.subject, namespace)) continue
    const allows = spec[flow.direction] ?? []
    const denies = (flow.direction === 'ingress' ? spec.ingressDeny : spec.egressDeny) ?? []
    const isClosing = spec.enableDefaultDeny?.[flow.direction] ?? allows.length + denies.length > 0
    if (isClosing) isEnforced = true
    if (denies.some((element) => covers(element, flow, namespace).length > 0)) isDenied = true
    for (const grant of allows.flatMap((element) => covers(element, flow, namespace))) {
      if (grant.http === undefined) isPlainlyAllowed = true
      else {
        isProxied = true
        requests.forEach((request, i) => {
          if (!isClosing || grant.http?.some((rule) => fits(rule, request))) allowed[i] = true
        })
      }
    }
  }
  if (!isEnforced) isPlainlyAllowed = true
  if (isDenied || !(isPlainlyAllowed || isProxied)) {
    return { verdict: 'deny', allowed: requests.map(() => false) }
  }
  return {
    verdict: isProxied ? 'redirect' : 'allow',
    allowed: allowed.map((one) => one || isPlainlyAllowed),
  }
}

/** The grants of an element that hold for the flow. */
function covers(
  element: RawElement,
  flow: OracleFlow,
  namespace: string,
): { http: readonly { method?: string; path?: string }[] | undefined }[] {
  const endpoints = element.fromEndpoints ?? element.toEndpoints
  const entities = element.fromEntities ?? element.toEntities
  const items = element.toPorts ?? []
  if (endpoints === undefined && entities === undefined && items.length === 0) return []
  if (endpoints !== undefined && !endpoints.some((one) => isPeer(one, flow.peer, namespace))) return []
  if (entities !== undefined && !entities.some((one) => isEntity(one, flow.peer))) return []
  if (items.length === 0) return [{ http: undefined }]
  return items
    .filter(({ ports }) => ports.some((port) => holdsPort(port, flow)))
    .map(({ rules }) => ({ http: rules?.http }))
}

function holdsPort({ port, endPort, protocol = 'ANY' }: RawPort, flow: OracleFlow): boolean {
  if (flow.protocol === 'ICMP') return false
  if (protocol !== 'ANY' && protocol !== flow.protocol) return false
  const first = Number(port)
  return first === 0 || (first <= flow.port && flow.port <= (endPort ?? first))
}

function isEntity(entity: string, peer: Party): boolean {
  if (entity === 'all') return true
  if (entity === 'cluster') return peer.entity !== 'world'
  return entity === peer.entity
}

function isPeer(selector: RawSelector, peer: Party, namespace: string): boolean {
  const keys = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map(({ key }) => key),
  ]
  const namesNamespace = keys.some((key) => key.endsWith('io.kubernetes.pod.namespace'))
  if (!namesNamespace && peer.namespace !== namespace) return false
  return fulfils(selector, peer)
}

function isSelected(selector: RawSelector, subject: Party, namespace: string): boolean {
  return subject.namespace === namespace && fulfils(selector, subject)
}

function fulfils({ matchLabels = {}, matchExpressions = [] }: RawSelector, party: Party): boolean {
  const labels: Record<string, string> = { ...party.labels }
  if (party.namespace !== undefined) labels['io.kubernetes.pod.namespace'] = party.namespace
  const valueOf = (key: string): string | undefined => labels[key.replace(/^(k8s|any):/, '')]
  return (
    Object.entries(matchLabels).every(([key, value]) => valueOf(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = valueOf(key)
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      return (operator === 'In') === (value !== undefined && values.includes(value))
    })
  )
}

function fits(rule: { method?: string; path?: string }, request: Request): boolean {
  const whole = (pattern: string | undefined, text: string): boolean => {
    return pattern === undefined || new RegExp(`^(?:${pattern})$`).test(text)
  }
  return whole(rule.method, request.method) && whole(rule.path, request.path)
}
