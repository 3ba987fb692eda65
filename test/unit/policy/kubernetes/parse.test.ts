// What is refused of Kubernetes' own policies and of annotations, where exactly, and with which mend.
import t from 'tap'
import { formatProblem } from '../../../../src/policy/problem.ts'
import type { PolicyKind } from '../../../../src/policy/rule-model.ts'
import { documentText, parse, policyText } from '../../../helpers/policy-world.ts'

const problems = (kind: PolicyKind, spec: object, metadata: object = { name: 'p' }): string[] => {
  return parse(documentText(kind, spec, metadata)).problems.map(formatProblem)
}
const rule = (ingress: object): object => ({ podSelector: {}, ingress: [ingress] })
const cluster = (extra: object): object => ({
  tier: 'Admin',
  priority: 1,
  subject: { namespaces: {} },
  ...extra,
})
const ingress = (extra: object): object =>
  cluster({ ingress: [{ action: 'Deny', from: [{ namespaces: {} }], ...extra }] })
const egress = (extra: object): object =>
  cluster({ egress: [{ action: 'Deny', to: [{ namespaces: {} }], ...extra }] })

t.test('NetworkPolicy', async (t) => {
  const cases: [object, RegExp][] = [
    [{ ingress: [] }, /spec.podSelector: is missing/],
    [{ podSelector: {}, policyTypes: ['ingress'] }, /policyTypes\[0\]: unknown policy type/],
    [{ podSelector: {}, policyTypes: [] }, /policyTypes: lists no type/],
    [
      { podSelector: {}, policyTypes: ['Egress'], ingress: [{}] },
      /ingress: has rules, but policyTypes leaves/,
    ],
    [{ podSelector: { matchLabels: { 'k8s:a': 'b' } } }, /label key "k8s:a" is not valid/],
    [rule({ from: [{}] }), /from\[0\]: names nobody/],
    [rule({ from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }] }), /ipBlock: cannot be combined/],
    [rule({ from: [{ ipBlock: { cidr: '10.0.0.1' } }] }), /cidr: is not a prefix/],
    [
      rule({ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }),
      /does not lie inside of/,
    ],
    [rule({ form: [] }), /unknown field "form" .*did you mean "from"/],
    [rule({ ports: [{ port: 0 }] }), /port must be 1 to 65535/],
    [rule({ ports: [{ port: 80, endPort: 79 }] }), /endPort must be 80 to 65535/],
    [rule({ ports: [{ endPort: 79 }] }), /endPort without port/],
    [rule({ ports: [{ port: 'http', endPort: 79 }] }), /a port by name has no end/],
    [rule({ ports: [{ port: '80' }] }), /is not a port name .*numbers stand without quotes/],
    [rule({ ports: [{ protocol: 'ICMP' }] }), /unknown protocol .*TCP, UDP, SCTP/],
  ]
  for (const [spec, expected] of cases)
    t.match(problems('NetworkPolicy', spec)[0], expected, JSON.stringify(spec))
})

t.test('ClusterNetworkPolicy', async (t) => {
  const many = Array.from({ length: 26 }, () => ({ action: 'Deny', from: [{ namespaces: {} }] }))
  const cases: [object, RegExp][] = [
    [cluster({ tier: 'admin' }), /spec.tier: is not known here .*Admin, Baseline/],
    [cluster({ priority: 1001 }), /spec.priority: priority must be 0 to 1000/],
    [cluster({ subject: {} }), /spec.subject: is empty .*exactly one field/],
    [cluster({ subject: { namespaces: {}, pods: {} } }), /subject: holds namespaces and pods/],
    [cluster({ subject: { pods: { podSelector: {} } } }), /namespaceSelector: is missing/],
    [cluster({ ingress: many }), /has 26 rules, the limit is 25/],
    [ingress({ action: 'Allow' }), /action: is not known here .*Accept, Deny, Pass/],
    [ingress({ from: [] }), /from: lists nothing/],
    [ingress({ from: [{}] }), /from\[0\]: names nobody/],
    [ingress({ from: [{ nodes: {} }] }), /unknown field "nodes"/],
    [ingress({ name: 'x'.repeat(101) }), /name: has 101 characters/],
    [ingress({ protocols: [] }), /protocols: lists nothing/],
    [ingress({ protocols: [{ tcp: {} }] }), /destinationPort: is missing/],
    [ingress({ protocols: [{ tcp: { destinationPort: { number: 0 } } }] }), /a port is 1 to 65535/],
    [
      ingress({ protocols: [{ tcp: { destinationPort: { range: { start: 2, end: 2 } } } }] }),
      /end must be above start 2/,
    ],
    [egress({ to: [{ domainNames: ['a.com'] }] }), /"domainNames" is not supported yet .*use networks/],
    [egress({ to: [{ nodes: { matchLabels: { a: 'b' } } }] }), /nodes cannot be told apart by labels/],
    [
      egress({ to: [{ networks: ['10.0.0.0/8'] }], protocols: [{ destinationNamedPort: 'http' }] }),
      /a port by name beside networks or nodes/,
    ],
  ]
  for (const [spec, expected] of cases) {
    t.match(problems('ClusterNetworkPolicy', spec)[0], expected, JSON.stringify(spec))
  }
  const inNamespace = problems('ClusterNetworkPolicy', ingress({}), { name: 'p', namespace: 'n' })
  t.match(inNamespace, [/metadata.namespace: a ClusterNetworkPolicy belongs to no namespace/])
})

t.test('policies of different kinds may share a name', async (t) => {
  const texts = [
    policyText({ endpointSelector: {}, ingress: [{}] }),
    documentText('CiliumClusterwideNetworkPolicy', { endpointSelector: {}, ingress: [{}] }, { name: 'p' }),
    documentText('NetworkPolicy', { podSelector: {} }, { name: 'p', namespace: 'n' }),
    documentText('ClusterNetworkPolicy', ingress({}), { name: 'p' }),
  ]
  const { policies, problems: found } = parse(texts.join('\n---\n'))
  t.strictSame(found, [])
  t.strictSame(
    policies.map(({ key }) => key),
    ['n/p', 'CiliumClusterwideNetworkPolicy:p', 'NetworkPolicy:n/p', 'ClusterNetworkPolicy:p'],
  )
})

t.test('modes', async (t) => {
  const found = (annotations: object): string[] => {
    const spec = { endpointSelector: {}, ingress: [{}] }
    return problems('CiliumNetworkPolicy', spec, { name: 'p', annotations })
  }
  t.strictSame(found({ 'weir/mode': 'audit', 'weir/rule-modes': 'ingress[0]=shadow', 'other/mode': 'x' }), [])
  const cases: [object, RegExp][] = [
    [{ 'weir/mode': 'warn' }, /unknown mode "warn" .*enforce, audit, shadow/],
    [{ 'weir/mod': 'audit' }, /unknown annotation "weir\/mod" .*did you mean "weir\/mode"/],
    [{ 'weir/rule-modes': 'ingress[1]=audit' }, /the policy has no rule ingress\[1\]/],
    [{ 'weir/rule-modes': 'ingress[0]' }, /"ingress\[0\]" is not rule=mode/],
    [{ 'weir/rule-modes': 'ingress[0]=off' }, /unknown mode "off"/],
  ]
  for (const [annotations, expected] of cases) t.match(found(annotations)[0], expected)
})
