// NetworkPolicy of Kubernetes: where it differs from Cilium's, mostly in what is absent and what is empty.
import { documentText, type Case } from './case.ts'

const NAME = { name: 'p', namespace: 'n' }
const policy = (spec: object): string => {
  return documentText('NetworkPolicy', { podSelector: { matchLabels: { name: 'A' } }, ...spec }, NAME)
}
const pods = (name: string): object => ({ podSelector: { matchLabels: { name } } })

export const KUBERNETES_CASES: readonly Case[] = [
  {
    id: 'k1 a rule without fields admits everybody',
    policies: [policy({ ingress: [{}] })],
    flows: { 'A<B:80': 'allow', 'A<world:80': 'allow', 'A<B:8/ICMP': 'allow', 'A>B:80': 'allow' },
  },
  { id: 'k2 no rule admits nobody', policies: [policy({})], flows: { 'A<B:80': 'deny', 'A>B:80': 'allow' } },
  {
    id: 'k3 the same for a direction that policyTypes names',
    policies: [policy({ policyTypes: ['Egress'] })],
    flows: { 'A<B:80': 'allow', 'A>B:80': 'deny' },
  },
  {
    id: 'k4 egress rules make it a policy of both directions',
    policies: [policy({ egress: [{ to: [pods('B')] }] })],
    flows: { 'A>B:80': 'allow', 'A>C:80': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: 'k5 pods are of the namespace of the policy',
    policies: [policy({ ingress: [{ from: [{ podSelector: {} }] }] })],
    flows: { 'A<B:80': 'allow', 'A<M:80': 'deny', 'A<host:80': 'deny' },
  },
  {
    id: 'k6 an empty namespaceSelector is every namespace, and only pods',
    policies: [policy({ ingress: [{ from: [{ namespaceSelector: {} }] }] })],
    flows: { 'A<B:80': 'allow', 'A<M:80': 'allow', 'A<world:80': 'deny' },
  },
  {
    id: 'k7 both selectors of a peer are ANDed',
    policies: [
      policy({
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { team: 'x' } }, ...pods('M') }] }],
      }),
    ],
    world: {
      M: { namespace: 'm', labels: { name: 'M' }, namespaceLabels: { team: 'x' } },
      C: { namespace: 'm', labels: { name: 'C' }, namespaceLabels: { team: 'x' } },
      B: { namespace: 'o', labels: { name: 'M' } },
    },
    flows: { 'A<M:80': 'allow', 'A<C:80': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: 'k8 a namespace by the name that Kubernetes gives it',
    policies: [
      policy({
        ingress: [{ from: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'm' } } }] }],
      }),
    ],
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: 'k9 ipBlock',
    policies: [
      policy({ ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }] }] }),
    ],
    flows: { 'A<10.2.0.1:80': 'allow', 'A<10.1.0.1:80': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: 'k10 ports: TCP unless said otherwise, ranges, names, whole protocols',
    policies: [
      policy({
        ingress: [
          { ports: [{ port: 80 }, { port: 90, endPort: 92 }, { port: 'http' }, { protocol: 'UDP' }] },
        ],
      }),
    ],
    world: { A: { labels: { name: 'A' }, ports: { http: 8080 } } },
    flows: {
      'A<B:80': 'allow',
      'A<B:91': 'allow',
      'A<B:93': 'deny',
      'A<B:8080': 'allow',
      'A<B:81': 'deny',
      'A<B:80/UDP': 'allow',
      'A<B:80/SCTP': 'deny',
    },
  },
  {
    id: 'k11 its rules and those of Cilium are ORed',
    policies: [policy({ ingress: [{ from: [pods('B')] }] })],
    specs: [
      {
        endpointSelector: { matchLabels: { name: 'A' } },
        ingress: [{ fromEndpoints: [{ matchLabels: { name: 'C' } }] }],
      },
    ],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'allow', 'A<M:80': 'deny' },
  },
]
