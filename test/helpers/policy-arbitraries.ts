// Random policies over a small universe, dense enough that rules overlap, contradict and hide each other.
import fc from 'fast-check'
import type { RawElement, RawPolicy, RawPort, RawSelector, RawSpec } from './policy-oracle.ts'

export const NAMESPACES = ['n', 'm'] as const
export const PORTS = [1, 79, 80, 81, 82, 443, 65_535] as const

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

const entity = fc.constantFrom('all', 'none', 'host', 'world', 'cluster')

const portOf = (protocols: readonly string[], allowZero: boolean): fc.Arbitrary<RawPort> => {
  const numbers = fc.constantFrom(...PORTS.map(String))
  const single = fc.record({ port: numbers, protocol: fc.constantFrom(...protocols) })
  const range = fc
    .tuple(fc.constantFrom(...PORTS), fc.constantFrom(...PORTS), fc.constantFrom(...protocols))
    .map(([a, b, protocol]) => ({ port: String(Math.min(a, b)), endPort: Math.max(a, b), protocol }))
  const every = fc.record({ port: fc.constant('0'), protocol: fc.constantFrom(...protocols) })
  return allowZero ? fc.oneof(single, range, every) : fc.oneof(single, range)
}

const http = fc.record(
  { method: fc.constantFrom('GET', 'POST|GET', 'P.*'), path: fc.constantFrom('/a', '/.*', '/b|/c') },
  { requiredKeys: [] },
)

const portRule = (deny: boolean): fc.Arbitrary<NonNullable<RawElement['toPorts']>[number]> => {
  const plain = fc.record({
    ports: fc.array(portOf(['TCP', 'UDP', 'SCTP', 'ANY'], true), { minLength: 1, maxLength: 3 }),
  })
  if (deny) return plain
  const l7 = fc.record({
    ports: fc.array(portOf(['TCP'], false), { minLength: 1, maxLength: 2 }),
    rules: fc.record({ http: fc.array(http, { minLength: 1, maxLength: 2 }) }),
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
  )
  return fc
    .tuple(peers, toPorts)
    .map(([who, ports]) => ({ ...who, ...(ports === undefined ? {} : { toPorts: ports }) }))
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

export const rawPolicy: fc.Arbitrary<RawPolicy> = fc.record({
  name: fc.constantFrom('p', 'q', 'r', 's'),
  namespace: fc.constantFrom('n', 'n', 'm'),
  spec,
})

export const rawPolicies = fc.uniqueArray(rawPolicy, {
  maxLength: 4,
  selector: ({ name, namespace: ns }) => `${ns}/${name}`,
})

export const endpointLabelsArbitrary = fc.dictionary(fc.constantFrom('app', 'tier'), value, { maxKeys: 2 })
export const namespaceArbitrary = namespace
