// Random policies over a small universe, dense enough that rules overlap, contradict and hide each other.
import fc from 'fast-check'
import type { RawDocument, RawElement, RawPolicy, RawPort, RawSelector, RawSpec } from './policy-oracle.ts'
import type { RawHttp, RawKafka } from './policy-oracle-world.ts'
import type {
  RawClusterPeer,
  RawClusterPolicy,
  RawClusterRule,
  RawNetworkPolicy,
  RawPods,
  RawRule,
} from './policy-oracle-kubernetes.ts'
import { documentText } from './policy-world.ts'

export const NAMESPACES = ['n', 'm'] as const
export const PORTS = [1, 79, 80, 81, 82, 443, 65_535] as const

/** Undefined otherwise. */
function rarely<T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: 6, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })
}

const value = fc.constantFrom('a', 'b')
const key = fc.constantFrom('app', 'k8s:app', 'any:app', 'tier')
const namespace = fc.constantFrom(...NAMESPACES)

const expression = fc.oneof(
  fc.record({
    key,
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.uniqueArray(value, { minLength: 1 }),
  }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
)

const localSelector: fc.Arbitrary<RawSelector> = fc.oneof(
  { weight: 1, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: fc.record({ matchLabels: fc.dictionary(key, value, { maxKeys: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ matchExpressions: fc.array(expression, { maxLength: 2 }) }) },
)

const peerSelector: fc.Arbitrary<RawSelector> = fc.oneof(
  { weight: 4, arbitrary: localSelector },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.dictionary(key, value, { maxKeys: 1 }), namespace)
      .map(([labels, name]) => ({ matchLabels: { ...labels, 'io.kubernetes.pod.namespace': name } })),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      matchExpressions: [{ key: 'k8s:io.kubernetes.pod.namespace', operator: 'Exists' as const }],
    }),
  },
)

const entity = fc.constantFrom(
  ...['all', 'none', 'host', 'world', 'cluster', 'remote-node', 'kube-apiserver', 'world-ipv4', 'world-ipv6'],
)

/** Nested, beside each other, single addresses, whole families. */
const PREFIXES = [
  '10.0.0.0/8',
  '10.1.0.0/16',
  '10.1.1.0/24',
  '10.1.1.1/32',
  '192.0.2.0/24',
  '0.0.0.0/0',
  '::/0',
  '2001:db8::/32',
]
const prefix = fc.constantFrom(...PREFIXES)
const cidrItem = fc.oneof(
  fc.record({ cidr: prefix }),
  fc.constantFrom(
    { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] },
    { cidr: '10.0.0.0/8', except: ['10.1.1.0/24', '10.1.1.1/32'] },
    { cidr: '0.0.0.0/0', except: ['10.0.0.0/8'] },
  ),
)
const icmps = fc.array(
  fc.record({
    fields: fc.array(
      fc.record({ type: fc.constantFrom(0, 8, 128), family: fc.constantFrom('IPv4', 'IPv6') }),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  { minLength: 1, maxLength: 2 },
)

const portOf = (protocols: readonly string[], allowZero: boolean): fc.Arbitrary<RawPort> => {
  const numbers = fc.constantFrom(...PORTS.map(String))
  const single = fc.record({ port: numbers, protocol: fc.constantFrom(...protocols) })
  const range = fc
    .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS), fc.constantFrom(...protocols))
    .map(([a, b, protocol]) => ({ port: String(Math.min(a, b)), endPort: Math.max(a, b), protocol }))
  const every = fc.record({ port: fc.constant('0'), protocol: fc.constantFrom(...protocols) })
  const named = fc.record({ port: fc.constantFrom('web', 'Other'), protocol: fc.constantFrom(...protocols) })
  return allowZero ? fc.oneof(single, range, every, named) : fc.oneof(single, range, named)
}

const http = fc.record(
  { method: fc.constantFrom('GET', 'POST|GET', 'P.*'), path: fc.constantFrom('/a', '/.*', '/b|/c') },
  { requiredKeys: [] },
)

const kafka = fc.oneof(
  fc.record(
    {
      apiKey: fc.constantFrom('produce' as const, 'fetch' as const),
      clientID: fc.constant('c'),
      topic: fc.constantFrom('a', 'ab'),
      group: fc.constantFrom('g', 'h'),
    },
    { requiredKeys: [] },
  ),
  fc.record({ topicPrefix: fc.constantFrom('a', 'ab', 'b') }),
)
const requestRules: fc.Arbitrary<{ readonly http: RawHttp[] } | { readonly kafka: RawKafka[] }> = fc.oneof(
  fc.record({ http: fc.array(http, { minLength: 1, maxLength: 2 }) }),
  fc.record({ kafka: fc.array(kafka, { minLength: 1, maxLength: 2 }) }),
)

const portRule = (deny: boolean): fc.Arbitrary<NonNullable<RawElement['toPorts']>[number]> => {
  const plain = fc.record({
    ports: fc.array(portOf(['TCP', 'UDP', 'SCTP', 'ANY'], true), { minLength: 1, maxLength: 3 }),
  })
  if (deny) return plain
  const l7 = fc.record({
    ports: fc.array(portOf(['TCP'], false), { minLength: 1, maxLength: 2 }),
    rules: requestRules,
  })
  return fc.oneof(plain, l7)
}

const element = (side: 'from' | 'to', deny: boolean): fc.Arbitrary<RawElement> => {
  const toPorts = fc.option(fc.array(portRule(deny), { maxLength: 2 }), { nil: undefined })
  const peers = fc.oneof(
    { weight: 1, arbitrary: fc.constant({}) },
    {
      weight: 3,
      arbitrary: fc.array(peerSelector, { maxLength: 2 }).map((list) => ({ [`${side}Endpoints`]: list })),
    },
    {
      weight: 2,
      arbitrary: fc.array(entity, { maxLength: 2 }).map((list) => ({ [`${side}Entities`]: list })),
    },
    {
      weight: 1,
      arbitrary: fc.array(prefix, { maxLength: 2 }).map((list) => ({ [`${side}CIDR`]: list })),
    },
    {
      weight: 1,
      arbitrary: fc.array(cidrItem, { maxLength: 2 }).map((list) => ({ [`${side}CIDRSet`]: list })),
    },
  )
  return fc.tuple(peers, toPorts, rarely(icmps)).map(([who, ports, types]) => {
    if (types !== undefined) return { ...who, icmps: types }
    return { ...who, ...(ports === undefined ? {} : { toPorts: ports }) }
  })
}

const section = (side: 'from' | 'to', deny: boolean): fc.Arbitrary<readonly RawElement[]> => {
  return fc.array(element(side, deny), { minLength: 1, maxLength: deny ? 1 : 3 })
}

const spec: fc.Arbitrary<RawSpec> = fc
  .tuple(
    fc.record(
      {
        endpointSelector: localSelector,
        enableDefaultDeny: fc.record({ ingress: fc.boolean(), egress: fc.boolean() }, { requiredKeys: [] }),
        ingress: section('from', false),
        egress: section('to', false),
        ingressDeny: section('from', true),
        egressDeny: section('to', true),
      },
      { requiredKeys: ['endpointSelector', 'ingress'] },
    ),
    fc.boolean(),
  )
  .map(([raw, keepsDefault]) => {
    // Mostly without: switching default deny off makes nearly every flow allowed.
    const { enableDefaultDeny, ...rest } = raw
    return keepsDefault || enableDefaultDeny === undefined ? rest : { ...rest, enableDefaultDeny }
  })

const mode = rarely(fc.constantFrom('audit' as const, 'shadow' as const))
const inMode = <T extends object>(document: fc.Arbitrary<T>): fc.Arbitrary<T> => {
  return fc.tuple(document, mode).map(([one, two]) => (two === undefined ? one : { ...one, mode: two }))
}

export const rawPolicy: fc.Arbitrary<RawPolicy> = inMode(
  fc.record({
    name: fc.constantFrom('p', 'q', 'r', 's'),
    namespace: fc.constantFrom('n', 'n', 'm', ''),
    spec,
  }),
)

const pods: fc.Arbitrary<RawPods> = fc.oneof(
  fc.record({ podSelector: plainSelector() }),
  fc.record({ namespaceSelector: namespaceSelector(), podSelector: plainSelector() }),
  fc.record({ namespaceSelector: namespaceSelector() }),
)

/** Kubernetes knows no sources of labels. */
function plainSelector(): fc.Arbitrary<RawSelector> {
  const name = fc.constantFrom('app', 'tier')
  return fc.oneof(
    fc.constant({}),
    fc.record({ matchLabels: fc.dictionary(name, value, { minKeys: 1, maxKeys: 2 }) }),
    fc.record({
      matchExpressions: fc.array(
        fc.record({ key: name, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
        { maxLength: 1 },
      ),
    }),
  )
}

function namespaceSelector(): fc.Arbitrary<RawSelector> {
  return fc.constantFrom<RawSelector>(
    {},
    { matchLabels: { team: 'x' } },
    { matchLabels: { 'kubernetes.io/metadata.name': 'n' } },
    { matchExpressions: [{ key: 'team', operator: 'NotIn', values: ['x'] }] },
  )
}

const kubernetesPort = fc.oneof(
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP') }),
  fc.record({ port: fc.constantFrom<number | string>(...PORTS, 'web') }),
  fc.record({
    port: fc.constant(79),
    endPort: fc.constantFrom(80, 443),
    protocol: fc.constantFrom('TCP', 'UDP'),
  }),
)
const kubernetesRule = (side: 'from' | 'to'): fc.Arbitrary<RawRule> => {
  const peer = fc.oneof(pods, fc.record({ ipBlock: cidrItem }))
  return fc.record(
    { [side]: fc.array(peer, { maxLength: 2 }), ports: fc.array(kubernetesPort, { maxLength: 2 }) },
    { requiredKeys: [] },
  )
}
const networkPolicy = fc
  .record({
    podSelector: plainSelector(),
    ingress: fc.array(kubernetesRule('from'), { maxLength: 2 }),
    egress: fc.array(kubernetesRule('to'), { maxLength: 2 }),
    isExplicit: fc.boolean(),
  })
  .map(({ isExplicit, ...rest }): RawNetworkPolicy => {
    return isExplicit ? { ...rest, policyTypes: ['Ingress', 'Egress'] } : rest
  })

const clusterPeer = (side: 'from' | 'to'): fc.Arbitrary<RawClusterPeer> => {
  const inside = fc.oneof(
    fc.record({ namespaces: namespaceSelector() }),
    fc.record({ pods: fc.record({ namespaceSelector: namespaceSelector(), podSelector: plainSelector() }) }),
  )
  if (side === 'from') return inside
  return fc.oneof(
    inside,
    fc.constant({ nodes: {} }),
    fc.record({ networks: fc.array(prefix, { minLength: 1, maxLength: 2 }) }),
  )
}
const clusterPort = fc.constantFrom(
  { number: 80 },
  { number: 443 },
  { range: { start: 79, end: 81 } },
  { range: { start: 1, end: 65_535 } },
)
const clusterRule = (side: 'from' | 'to'): fc.Arbitrary<RawClusterRule> => {
  const destination = fc.record({ destinationPort: clusterPort })
  const protocol = fc.oneof(fc.record({ tcp: destination }), fc.record({ udp: destination }))
  return fc
    .tuple(
      fc.constantFrom('Accept' as const, 'Deny' as const, 'Pass' as const, 'Pass' as const),
      fc.array(clusterPeer(side), { minLength: 1, maxLength: 2 }),
      fc.option(fc.array(protocol, { minLength: 1, maxLength: 2 }), { nil: undefined }),
    )
    .map(([action, peers, protocols]) => {
      return { action, [side]: peers, ...(protocols === undefined ? {} : { protocols }) }
    })
}
const clusterPolicy: fc.Arbitrary<RawClusterPolicy> = fc.record({
  tier: fc.constantFrom('Admin' as const, 'Baseline' as const),
  priority: fc.constantFrom(0, 1, 1000),
  subject: fc.constantFrom<RawClusterPeer>(
    { namespaces: {} },
    { namespaces: { matchLabels: { team: 'x' } } },
  ),
  ingress: fc.array(clusterRule('from'), { maxLength: 3 }),
  egress: fc.array(clusterRule('to'), { maxLength: 3 }),
})

type DocumentOf<K> = Extract<RawDocument, { readonly kind: K }>

const name = fc.constantFrom('p', 'q', 'r', 's')
const kubernetesDocument: fc.Arbitrary<DocumentOf<'NetworkPolicy'>> = fc.record({
  kind: fc.constant('NetworkPolicy' as const),
  name,
  namespace: fc.constantFrom('n', 'm'),
  spec: networkPolicy,
})
const clusterDocument: fc.Arbitrary<DocumentOf<'ClusterNetworkPolicy'>> = fc.record({
  kind: fc.constant('ClusterNetworkPolicy' as const),
  name,
  namespace: fc.constant(''),
  spec: clusterPolicy,
})
export const rawDocument: fc.Arbitrary<RawDocument> = fc.oneof(
  { weight: 4, arbitrary: rawPolicy },
  { weight: 1, arbitrary: inMode(kubernetesDocument) },
  { weight: 2, arbitrary: inMode(clusterDocument) },
)

export const rawDocuments = fc.uniqueArray(rawDocument, {
  maxLength: 5,
  selector: (document) => `${document.kind ?? ''} ${document.namespace}/${document.name}`,
})

export function textOf(document: RawDocument): string {
  const { namespace, name: own, spec: content, mode: written } = document
  const kind = document.kind ?? (namespace === '' ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy')
  return documentText(kind, content, {
    name: own,
    ...(namespace === '' ? {} : { namespace }),
    ...(written === undefined ? {} : { annotations: { 'weir/mode': written } }),
  })
}

export const endpointLabelsArbitrary = fc.dictionary(fc.constantFrom('app', 'tier'), value, { maxKeys: 2 })
export const namespaceArbitrary = namespace
export const portsArbitrary = fc.dictionary(fc.constantFrom('web', 'other'), fc.constantFrom(80, 81), {
  maxKeys: 2,
})
