// The meaning of CiliumNetworkPolicy, one case per row. Numbers are those of the case list that the project
// keeps for all implementations; a letter marks a variation. A, B, C live in namespace n; M in namespace m.
import t from 'tap'
import { kafkaApiKey } from '../../../src/policy/kafka-apis.ts'
import { formatProblems } from '../../../src/policy/problem.ts'
import type { KafkaAsk } from '../../helpers/policy-simulation.ts'
import { parse, policyText, PolicyWorld } from '../../helpers/policy-world.ts'
import { A, documentText, http, META, peer, tcp, type Case } from './case.ts'
import { KAFKA_CASES } from './kafka-cases.ts'
import { KUBERNETES_CASES } from './kubernetes-cases.ts'
import { MODE_CASES } from './mode-cases.ts'
import { TIER_CASES } from './tier-cases.ts'

const select = (matchExpressions: object[]): object => ({
  ...A,
  ingress: [{ fromEndpoints: [{ matchExpressions }] }],
})

const CASES: readonly Case[] = [
  { id: '1', specs: [], flows: { 'A<B:80': 'allow', 'A>B:80': 'allow', 'A<world:0/ICMP': 'allow' } },
  {
    id: '2',
    specs: [{ ...A, ingress: [{}] }],
    flows: { 'A<B:80': 'deny', 'A>B:80': 'allow', 'B<A:80': 'allow' },
  },
  { id: '3', specs: [{ ...A, egress: [{}] }], flows: { 'A>B:80': 'deny', 'A<B:80': 'allow' } },
  {
    id: '4',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{}] }] }],
    flows: { 'A<B:80': 'allow', 'A<M:80': 'deny', 'A<world:80': 'deny', 'A<host:80': 'deny' },
  },
  {
    id: '5',
    policies: [
      documentText('CiliumClusterwideNetworkPolicy', { ...A, ingress: [{ fromEndpoints: [{}] }] }, META),
    ],
    flows: { 'A<B:80': 'allow', 'A<M:80': 'allow', 'A<world:80': 'deny', 'A<host:80': 'deny' },
  },
  {
    id: '5a a clusterwide subject is of any namespace',
    policies: [
      documentText(
        'CiliumClusterwideNetworkPolicy',
        { endpointSelector: { matchLabels: { name: 'M' } }, ingress: [{}] },
        META,
      ),
    ],
    flows: { 'M<A:80': 'deny', 'A<M:80': 'allow' },
  },
  {
    id: '15 what waits for its labels is closed, and rules may open it',
    specs: [
      {
        endpointSelector: { matchLabels: { 'reserved:init': '' } },
        ingress: [{ fromEntities: ['host'] }],
      },
    ],
    world: { I: { labels: { 'reserved:init': '' } } },
    flows: { 'I<host:80': 'allow', 'I<B:80': 'deny', 'I>B:80': 'deny' },
  },
  {
    id: '15a without rules',
    specs: [],
    world: { I: { labels: { 'reserved:init': '' } } },
    flows: { 'I<host:80': 'deny', 'I>B:80': 'deny' },
  },
  {
    id: '6 an empty list of peers is nobody, also with ports',
    specs: [{ ...A, ingress: [{ fromEndpoints: [], toPorts: [{ ports: [tcp('80')] }] }] }],
    flows: { 'A<B:80': 'deny', 'A<world:80': 'deny' },
  },
  {
    id: '6a an empty list of ports is every port',
    specs: [{ ...A, ingress: [{ ...peer('B'), toPorts: [] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:0/ICMP': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '7',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [tcp('80')] }] }] }],
    flows: { 'A<world:80': 'allow', 'A<M:80': 'allow', 'A<B:81': 'deny', 'A<B:80/UDP': 'deny' },
  },
  {
    id: '11',
    specs: [
      {
        ...A,
        enableDefaultDeny: { ingress: false },
        ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }],
      },
    ],
    flows: { 'A<C:443': 'allow', 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok' },
  },
  {
    id: '12 one rule with default deny closes the direction',
    specs: [
      { ...A, enableDefaultDeny: { ingress: false }, ingress: [peer('B')] },
      { ...A, ingress: [peer('C')] },
    ],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'allow', 'A<M:80': 'deny' },
  },
  {
    id: '13 denies bite without default deny',
    specs: [{ ...A, enableDefaultDeny: { ingress: false }, ingressDeny: [peer('B')] }],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '16',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { role: 'f' } }] }] }],
    world: { B: { labels: { role: 'f', x: '1' } }, C: { labels: { role: 'g' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '17',
    specs: [select([{ key: 'env', operator: 'NotIn', values: ['prod'] }])],
    world: { B: { labels: {} }, C: { labels: { env: 'prod' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '18',
    specs: [select([{ key: 'env', operator: 'DoesNotExist' }])],
    world: { B: { labels: { env: '' } }, C: { labels: {} } },
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '19',
    specs: [
      { ...A, ingress: [{ fromEndpoints: [{ matchLabels: { r: 'f' } }, { matchLabels: { r: 'g' } }] }] },
    ],
    world: { B: { labels: { r: 'g' } } },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '19a labels of one selector are ANDed',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { r: 'f', s: 'g' } }] }] }],
    world: { B: { labels: { r: 'f' } }, C: { labels: { r: 'f', s: 'g' } } },
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '20',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { 'any:name': 'B' } }] }] }],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '20a',
    specs: [{ ...A, ingress: [{ fromEndpoints: [{ matchLabels: { 'container:name': 'B' } }] }] }],
    flows: { 'A<B:80': 'deny' },
  },
  {
    id: '21',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'k8s:io.kubernetes.pod.namespace': 'm', r: '1' } }] }],
      },
    ],
    world: { M: { namespace: 'm', labels: { r: '1' } }, B: { labels: { r: '1' } } },
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '22',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.namespace.labels.team': 'a' } }] }],
      },
    ],
    world: { M: { namespace: 'm', labels: {}, namespaceLabels: { team: 'a' } } },
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '22a the label that Kubernetes gives every namespace',
    specs: [
      {
        ...A,
        ingress: [
          {
            fromEndpoints: [
              { matchLabels: { 'io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name': 'm' } },
            ],
          },
        ],
      },
    ],
    flows: { 'A<M:80': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '24',
    specs: [
      {
        ...A,
        ingress: [{ fromEndpoints: [{ matchLabels: { 'io.cilium.k8s.policy.serviceaccount': 'sa' } }] }],
      },
    ],
    world: {
      B: { labels: { r: '1', 'io.cilium.k8s.policy.serviceaccount': 'sa' } },
      C: { labels: { r: '1', 'io.cilium.k8s.policy.serviceaccount': 'other' } },
    },
    flows: { 'A<B:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '25',
    specs: [{ ...A, egress: [{ toCIDR: ['10.0.0.0/8', '2001:db8::/32'] }] }],
    flows: {
      'A>10.1.1.1:80': 'allow',
      'A>11.1.1.1:80': 'deny',
      'A>2001:db8::1:80': 'allow',
      'A>2001:db9::1:80': 'deny',
      'A>B:80': 'deny',
      'A>host:80': 'deny',
      'A>world:80': 'deny',
    },
  },
  {
    id: '25a an address without a length',
    specs: [{ ...A, egress: [{ toCIDR: ['192.0.2.7'] }] }],
    flows: { 'A>192.0.2.7:80': 'allow', 'A>192.0.2.8:80': 'deny' },
  },
  {
    id: '26',
    specs: [{ ...A, egress: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.96.0.0/12'] }] }] }],
    flows: { 'A>10.96.1.1:80': 'deny', 'A>10.95.1.1:80': 'allow', 'A>11.0.0.1:80': 'deny' },
  },
  {
    id: '27 an exception counts for its own item only',
    specs: [
      {
        ...A,
        egress: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.96.0.0/12'] }, { cidr: '10.96.5.0/24' }] }],
      },
    ],
    flows: { 'A>10.96.1.1:80': 'deny', 'A>10.96.5.1:80': 'allow', 'A>10.1.1.1:80': 'allow' },
  },
  {
    id: '29',
    specs: [{ ...A, egressDeny: [{ toCIDR: ['1.1.1.0/24'] }], egress: [{ toEntities: ['world'] }] }],
    flows: { 'A>1.1.1.5:80': 'deny', 'A>8.8.8.8:80': 'allow', 'A>B:80': 'deny' },
  },
  {
    id: '30 a denied prefix inside of an allowed one, and the reverse',
    specs: [
      { ...A, egress: [{ toCIDR: ['10.0.0.0/8'] }], egressDeny: [{ toCIDR: ['10.1.0.0/16'] }] },
      { ...A, egress: [{ toCIDR: ['10.1.2.0/24'] }] },
    ],
    flows: { 'A>10.2.0.1:80': 'allow', 'A>10.1.0.1:80': 'deny', 'A>10.1.2.1:80': 'deny' },
  },
  {
    id: '31 everything of a family',
    specs: [{ ...A, egress: [{ toCIDR: ['0.0.0.0/0'] }] }],
    flows: { 'A>8.8.8.8:80': 'allow', 'A>2001:db8::1:80': 'deny', 'A>B:80': 'deny' },
  },
  {
    id: '31a IPv4 is not inside of IPv6',
    specs: [{ ...A, egress: [{ toEntities: ['world-ipv6'] }] }],
    flows: { 'A>8.8.8.8:80': 'deny', 'A>2001:db8::1:80': 'allow' },
  },
  {
    id: '31b a prefix is part of the world',
    specs: [
      { ...A, egress: [{ toEntities: ['world'] }] },
      { ...A, ingress: [{ fromCIDR: ['10.0.0.0/8'] }] },
    ],
    flows: { 'A>10.1.1.1:80': 'allow', 'A<10.1.1.1:80': 'allow', 'A<11.1.1.1:80': 'deny' },
  },
  {
    id: '32a a pod of another cluster',
    specs: [{ ...A, ingress: [{ fromEntities: ['cluster'] }] }],
    world: { C: { labels: { 'io.cilium.k8s.policy.cluster': 'other' } } },
    flows: { 'A<C:80': 'deny', 'A<B:80': 'allow' },
  },
  {
    id: '32b',
    specs: [{ ...A, ingress: [{ fromEntities: ['cluster-mesh'] }] }],
    world: { C: { labels: { 'io.cilium.k8s.policy.cluster': 'other' } } },
    flows: { 'A<C:80': 'allow', 'A<world:80': 'deny' },
  },
  {
    id: '35',
    specs: [{ ...A, ingress: [{ fromEntities: ['remote-node'] }] }],
    flows: { 'A<kube-apiserver:80': 'allow', 'A<remote-node:80': 'allow', 'A<host:80': 'deny' },
  },
  {
    id: '35a',
    specs: [{ ...A, ingress: [{ fromEntities: ['kube-apiserver', 'health'] }] }],
    flows: { 'A<remote-node:80': 'deny', 'A<kube-apiserver:80': 'allow', 'A<health:80': 'allow' },
  },
  {
    id: '32',
    specs: [{ ...A, ingress: [{ fromEntities: ['cluster'] }] }],
    flows: {
      'A<M:80': 'allow',
      'A<host:80': 'allow',
      'A<remote-node:80': 'allow',
      'A<unmanaged:80': 'allow',
      'A<kube-apiserver:80': 'allow',
      'A<world:80': 'deny',
    },
  },
  {
    id: '33',
    specs: [{ ...A, ingress: [{ fromEntities: ['world'] }] }],
    flows: { 'A<world:80': 'allow', 'A<remote-node:80': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: '34',
    specs: [{ ...A, ingress: [{ fromEntities: ['all'] }] }],
    flows: { 'A<world:80': 'allow', 'A<B:80': 'allow', 'A<host:0/ICMP': 'allow' },
  },
  { id: '34a', specs: [{ ...A, ingress: [{ fromEntities: ['none'] }] }], flows: { 'A<B:80': 'deny' } },
  {
    id: '36a two kinds of peers in two elements are ORed',
    specs: [{ ...A, ingress: [peer('B'), { fromEntities: ['host'] }] }],
    flows: { 'A<B:80': 'allow', 'A<host:80': 'allow', 'A<C:80': 'deny' },
  },
  {
    id: '37 egress to entities and endpoints',
    specs: [{ ...A, egress: [{ toEntities: ['world'] }, { toEndpoints: [{ matchLabels: { name: 'B' } }] }] }],
    flows: { 'A>world:80': 'allow', 'A>B:80': 'allow', 'A>C:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '41',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'ANY' }] }] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:80/UDP': 'allow', 'A<B:80/SCTP': 'allow', 'A<B:0/ICMP': 'deny' },
  },
  {
    id: '41a no protocol means any',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80' }] }] }] }],
    flows: { 'A<B:80': 'allow', 'A<B:80/UDP': 'allow' },
  },
  {
    id: '42',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', endPort: 444, protocol: 'TCP' }] }] }] }],
    flows: { 'A<B:79': 'deny', 'A<B:80': 'allow', 'A<B:200': 'allow', 'A<B:444': 'allow', 'A<B:445': 'deny' },
  },
  {
    id: '43',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '1', endPort: 65535, protocol: 'TCP' }] }] }] }],
    flows: { 'A<B:1': 'allow', 'A<B:65535': 'allow', 'A<B:80/UDP': 'deny' },
  },
  {
    id: '44 port 0 is every port of the protocol',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: '0', protocol: 'UDP' }] }] }] }],
    flows: { 'A<B:53/UDP': 'allow', 'A<B:53': 'deny', 'A<B:0/ICMP': 'deny' },
  },
  {
    id: '45',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: 'http', protocol: 'TCP' }] }] }] }],
    world: { A: { labels: { name: 'A' }, ports: { http: 8080 } } },
    flows: { 'A<B:8080': 'allow', 'A<B:80': 'deny' },
  },
  {
    id: '45a a name that the subject does not know',
    specs: [{ ...A, ingress: [{ toPorts: [{ ports: [{ port: 'http' }] }] }] }],
    flows: { 'A<B:8080': 'deny', 'A<B:80': 'deny' },
  },
  {
    id: '45b on egress each peer has its own',
    specs: [{ ...A, egress: [{ toPorts: [{ ports: [{ port: 'HTTP' }] }] }] }],
    world: {
      B: { labels: { name: 'B' }, ports: { http: 8080 } },
      C: { labels: { name: 'C' }, ports: { http: 80, other: 8080 } },
    },
    flows: { 'A>B:8080': 'allow', 'A>B:80': 'deny', 'A>C:80': 'allow', 'A>C:8080': 'deny', 'A>M:80': 'deny' },
  },
  {
    id: '45c HTTP on a port by name',
    specs: [
      {
        ...A,
        ingress: [
          { toPorts: [{ ports: [{ port: 'http', protocol: 'TCP' }], rules: { http: [{ method: 'GET' }] } }] },
        ],
      },
    ],
    world: { A: { labels: { name: 'A' }, ports: { http: 8080 } } },
    flows: { 'A<B:8080': 'redirect', 'A<B:8080 GET /': 'ok', 'A<B:8080 POST /': '403' },
  },
  {
    id: '46',
    specs: [
      { ...A, ingress: [{ icmps: [{ fields: [{ type: 'EchoRequest' }, { family: 'IPv6', type: 128 }] }] }] },
    ],
    flows: {
      'A<B:8/ICMP': 'allow',
      'A<B:13/ICMP': 'deny',
      'A<B:8': 'deny',
      'A<B:128/ICMPv6': 'allow',
      'A<B:8/ICMPv6': 'deny',
    },
  },
  {
    id: '46a type 0',
    specs: [{ ...A, ingress: [{ ...peer('B'), icmps: [{ fields: [{ type: 0 }] }] }] }],
    flows: { 'A<B:0/ICMP': 'allow', 'A<B:8/ICMP': 'deny', 'A<C:0/ICMP': 'deny' },
  },
  {
    id: '48 deny wins over any allow, however specific',
    specs: [
      { ...A, ingress: [{ ...peer('B'), toPorts: [{ ports: [tcp('80')] }] }] },
      { ...A, ingressDeny: [{ toPorts: [{ ports: [{ port: '1', endPort: 1000, protocol: 'TCP' }] }] }] },
    ],
    flows: { 'A<B:80': 'deny', 'A<B:1001': 'deny' },
  },
  {
    id: '49',
    specs: [
      { ...A, ingressDeny: [peer('B')] },
      { ...A, ingress: [{ toPorts: [{ ports: [tcp('80')] }] }] },
    ],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: '50',
    specs: [
      { ...A, ingressDeny: [peer('B')], ingress: [{ fromEntities: ['all'] }] },
      {
        endpointSelector: { matchLabels: { name: 'B' } },
        egress: [{ toEndpoints: [{ matchLabels: { name: 'A' } }] }],
      },
    ],
    flows: { 'A<B:80': 'deny', 'B>A:80': 'allow', 'B>C:80': 'deny' },
  },
  {
    id: '51',
    specs: [{ ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET', path: '/public' }) }] }],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 GET /public': 'ok',
      'A<B:80 POST /public': '403',
      'A<B:80 GET /public/x': '403',
      'A<B:81': 'deny',
      'A<C:80': 'deny',
    },
  },
  {
    id: '52',
    specs: [
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET', path: '/a' }) }] },
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'PUT', path: '/b' }) }] },
    ],
    flows: {
      'A<B:80 GET /a': 'ok',
      'A<B:80 PUT /b': 'ok',
      'A<B:80 DELETE /a': '403',
      'A<B:80 GET /b': '403',
    },
  },
  {
    id: '53 HTTP and plain for the same peer: proxied, everything passes',
    specs: [
      { ...A, ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }] },
      { ...A, ingress: [{ ...peer('B'), toPorts: [{ ports: [tcp('80')] }] }] },
    ],
    flows: { 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok' },
  },
  {
    id: '54 HTTP for a port beside every port for the same peer',
    specs: [{ ...A, ingress: [peer('B'), { ...peer('B'), ...http({ method: 'GET' }) }] }],
    flows: { 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok', 'A<B:81': 'allow' },
  },
  {
    id: '55 HTTP for everybody, every port for one peer',
    specs: [{ ...A, ingress: [peer('B'), http({ method: 'GET' })] }],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 POST /': 'ok',
      'A<B:81': 'allow',
      'A<C:80 GET /': 'ok',
      'A<C:80 POST /': '403',
      'A<C:81': 'deny',
    },
  },
  {
    id: '56',
    specs: [
      {
        ...A,
        ingress: [
          { ...peer('B'), ...http({}) },
          { ...peer('C'), toPorts: [{ ports: [tcp('80')] }] },
        ],
      },
    ],
    flows: { 'A<B:80': 'redirect', 'A<C:80': 'allow' },
  },
  {
    id: '57 deny wins over HTTP',
    specs: [{ ...A, ingress: [http({})], ingressDeny: [peer('B')] }],
    flows: { 'A<B:80': 'deny', 'A<B:80 GET /': '403', 'A<C:80 GET /': 'ok' },
  },
  { id: '59', specs: [{ ...A, ingress: [http({})] }], flows: { 'A<world:80 PATCH /x': 'ok' } },
  {
    id: '60',
    specs: [{ ...A, ingress: [http({ headers: ['X-My-Header: true'] })] }],
    flows: {
      'A<B:80 GET / x-my-header=true': 'ok',
      'A<B:80 GET /': '403',
      'A<B:80 GET / x-my-header=false': '403',
    },
  },
  {
    id: '60a a header by its presence',
    specs: [{ ...A, ingress: [http({ headers: ['X-My-Header'] })] }],
    flows: { 'A<B:80 GET / x-my-header=any': 'ok', 'A<B:80 GET /': '403' },
  },
  {
    id: '61 headers that are noted or rewritten',
    specs: [
      {
        ...A,
        ingress: [
          http({ headerMatches: [{ name: 'X-A', value: '1', mismatch: 'REPLACE' }] }),
          { ...peer('B'), ...http({ headerMatches: [{ name: 'X-B', value: '1' }] }) },
        ],
      },
    ],
    flows: { 'A<B:80 GET /': 'ok', 'A<B:80': 'redirect' },
  },
  {
    id: '61a without a word the rule fails',
    specs: [{ ...A, ingress: [http({ headerMatches: [{ name: 'X-A', value: '1' }] })] }],
    flows: { 'A<B:80 GET / x-a=1': 'ok', 'A<B:80 GET / x-a=2': '403', 'A<B:80 GET /': '403' },
  },
  ...KAFKA_CASES,
  ...KUBERNETES_CASES,
  ...TIER_CASES,
  ...MODE_CASES,
]

t.test('meaning', async (t) => {
  for (const { id, specs = [], policies = [], world: others = {}, flows } of CASES) {
    const world = new PolicyWorld({
      A: { labels: { name: 'A' } },
      B: { labels: { name: 'B' } },
      C: { labels: { name: 'C' } },
      M: { namespace: 'm', labels: { name: 'M' } },
      ...others,
    })
    world.setPolicies(...specs.map((spec, i) => policyText(spec, `p${i}`)), ...policies)
    for (const [flow, expected] of Object.entries(flows))
      t.equal(verdict(world, flow), expected, `${id}: ${flow}`)
  }
})

function verdict(world: PolicyWorld, text: string): string {
  const parts: readonly string[] = /^(\w+)([<>])([\w.:-]+):(\S+)(?: (.*))?$/.exec(text) ?? []
  const [, subject = '', arrow, peer = '', port = '', request] = parts
  const direction = arrow === '<' ? 'ingress' : 'egress'
  if (request === undefined) return world.verdict(subject, direction, peer, port)
  if (/^[a-z]/.test(request)) {
    return world.allows(subject, direction, peer, port, parseKafka(request)) ? 'ok' : 'unauthorized'
  }
  const [method = '', path = '', ...headers] = request.split(' ')
  const fields: Record<string, string> = {}
  for (const header of headers)
    fields[header.slice(0, header.indexOf('='))] = header.slice(header.indexOf('=') + 1)
  return world.allows(subject, direction, peer, port, { method, path, headers: fields }) ? 'ok' : '403'
}

/** `fetch topic group=g client=c`. */
function parseKafka(text: string): KafkaAsk {
  const [api = '', ...rest] = text.split(' ')
  const value = (name: string): string | undefined => {
    return rest.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1)
  }
  const apiKey = kafkaApiKey(api)
  if (apiKey === undefined) throw new Error(`no API: ${text}`)
  const topic = rest.find((part) => !part.includes('='))
  return { apiKey, clientId: value('client') ?? '', topic, group: value('group') }
}

t.test('43: the range of all ports takes 16 entries', async (t) => {
  const world = new PolicyWorld({ A: { labels: { name: 'A' } } })
  const ports = [{ port: '1', endPort: 65535, protocol: 'TCP' }]
  world.setPolicies(policyText({ ...A, ingress: [{ toPorts: [{ ports }] }] }))
  t.equal(world.policyOf('A').mapEntries.filter(({ direction }) => direction === 'ingress').length, 16)
})

const ports = (count: number): object[] => Array.from({ length: count }, (_, i) => tcp(String(i + 1)))
const REJECTED: readonly [string, object, RegExp][] = [
  ['8', { endpointSelector: {}, labels: [] }, /spec: holds no rule/],
  ['9', { ingress: [{}] }, /spec.endpointSelector: is missing/],
  ['9a', { endpointSelector: {}, nodeSelector: {}, ingress: [{}] }, /spec.nodeSelector/],
  [
    '23',
    { endpointSelector: { matchLabels: { 'io.kubernetes.pod.namespace': 'm' } }, ingress: [{}] },
    /outside of namespace n/,
  ],
  ['34', { ...A, ingress: [{ fromEntities: ['bogus'] }] }, /unknown entity "bogus"/],
  [
    '28',
    { ...A, egress: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] }] }] },
    /does not lie inside of 10.0.0.0\/8/,
  ],
  [
    '28a shorter',
    { ...A, egress: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['10.0.0.0/7'] }] }] },
    /does not lie inside/,
  ],
  [
    '28b another family',
    { ...A, egress: [{ toCIDRSet: [{ cidr: '10.0.0.0/8', except: ['fd00::/16'] }] }] },
    /does not lie inside/,
  ],
  [
    '36',
    { ...A, ingress: [{ fromEndpoints: [{}], fromCIDR: ['10.0.0.0/8'] }] },
    /fromCIDR: cannot be combined with fromEndpoints/,
  ],
  [
    '36a',
    { ...A, ingress: [{ fromEndpoints: [{}], fromEntities: ['host'] }] },
    /cannot be combined with fromEndpoints/,
  ],
  ['38', { ...A, egress: [{ toFQDNs: [{ matchName: 'a.com' }] }] }, /toFQDNs/],
  [
    '40',
    { ...A, egressDeny: [{ toPorts: [{ ports: [tcp('80')], rules: { http: [{}] } }] }] },
    /"rules" is not supported/,
  ],
  [
    '46',
    { ...A, ingress: [{ icmps: [{ fields: [{ type: 8 }] }], toPorts: [{ ports: [tcp('80')] }] }] },
    /icmps: cannot be combined with toPorts/,
  ],
  [
    '47',
    { ...A, ingress: [{ toPorts: [{ ports: [tcp('0')], rules: { http: [{}] } }] }] },
    /http rules need a port/,
  ],
  ['47a', { ...A, ingress: [{ toPorts: [{ ports: ports(41) }] }] }, /lists 41 ports, the limit is 40/],
  [
    '58',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'UDP' }], rules: { http: [{}] } }] }] },
    /need protocol TCP, not UDP/,
  ],
  [
    '58a',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '80' }], rules: { http: [{}] } }] }] },
    /need protocol TCP, not ANY/,
  ],
  [
    '58b',
    {
      ...A,
      ingress: [
        { toPorts: [{ ports: [tcp('80'), { port: '80', protocol: 'UDP' }], rules: { http: [{}] } }] },
      ],
    },
    /not UDP/,
  ],
  [
    '58c',
    { ...A, ingress: [{ toPorts: [{ ports: [{ port: '53' }], rules: { dns: [{ matchName: 'a' }] } }] }] },
    /dns/,
  ],
  ['59', { ...A, ingress: [http({ path: '*' })] }, /regular expression is refused/],
  [
    '61 a secret',
    { ...A, ingress: [http({ headerMatches: [{ name: 'X', secret: { name: 's' } }] })] },
    /field "secret" is not supported/,
  ],
  ['64', { ...A, ingress: [{ toPorts: [{ ports: [tcp('443')], serverNames: ['a'] }] }] }, /serverNames/],
]

t.test('rejected', async (t) => {
  for (const [id, spec, reason] of REJECTED) {
    const { policies, problems } = parse(policyText(spec))
    t.equal(policies.length, 0, id)
    t.match(formatProblems(problems), reason, id)
  }
  t.equal(
    parse(policyText({ ...A, ingress: [{ toPorts: [{ ports: ports(40) }] }] })).problems.length,
    0,
    '47: 40 ports',
  )
})
