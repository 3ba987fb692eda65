// Modes: what rules in audit and shadow do, and what of it the kernel reports.
import { A, documentText, http, peer, type Case } from './case.ts'

const inMode = (annotations: object, spec: object): string => {
  return documentText(
    'CiliumNetworkPolicy',
    { ...A, ...spec },
    { name: 'moded', namespace: 'n', annotations },
  )
}
const AUDIT = { 'weir/mode': 'audit' }
const SHADOW = { 'weir/mode': 'shadow' }

export const MODE_CASES: readonly Case[] = [
  {
    id: 'm1 a default deny in audit passes and reports what it would drop',
    policies: [inMode(AUDIT, { ingress: [peer('B')] })],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'audit', 'A<world:8/ICMP': 'audit', 'A>C:80': 'allow' },
  },
  {
    id: 'm2 rules in audit may allow what enforced ones leave closed',
    policies: [inMode(AUDIT, { ingress: [peer('B')] })],
    specs: [{ ...A, ingress: [peer('C')] }],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'allow', 'A<M:80': 'deny' },
  },
  {
    id: 'm3 a deny in audit does not deny',
    policies: [inMode(AUDIT, { ingressDeny: [peer('B')] })],
    specs: [{ ...A, ingress: [peer('B'), peer('C')] }],
    flows: { 'A<B:80': 'audit', 'A<C:80': 'allow', 'A<M:80': 'deny' },
  },
  {
    id: 'm4 shadow changes nothing and reports what it would drop',
    policies: [inMode(SHADOW, { ingress: [peer('B')] })],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'audit' },
  },
  {
    id: 'm5 shadow does not allow',
    policies: [inMode(SHADOW, { ingress: [peer('B')] })],
    specs: [{ ...A, ingress: [peer('C')] }],
    flows: { 'A<B:80': 'deny', 'A<C:80': 'allow' },
  },
  {
    id: 'm6 HTTP rules in audit: the proxy looks, and lets everything through',
    policies: [inMode(AUDIT, { ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }] })],
    flows: { 'A<B:80': 'redirect', 'A<B:80 GET /': 'ok', 'A<B:80 POST /': 'ok', 'A<B:81': 'audit' },
  },
  {
    id: 'm7 HTTP rules in shadow on an open endpoint',
    policies: [inMode(SHADOW, { ingress: [{ ...peer('B'), ...http({ method: 'GET' }) }] })],
    flows: { 'A<B:80': 'redirect', 'A<B:80 POST /': 'ok' },
  },
  {
    id: 'm8 single rules',
    policies: [
      inMode(
        { 'weir/rule-modes': 'ingress[1]=audit, ingressDeny[0]=shadow' },
        {
          ingressDeny: [peer('C')],
          ingress: [peer('B'), peer('C')],
        },
      ),
    ],
    flows: { 'A<B:80': 'allow', 'A<C:80': 'audit', 'A<M:80': 'deny' },
  },
  {
    id: 'm9 a single HTTP rule',
    policies: [
      inMode(
        { 'weir/rule-modes': 'ingress[0].toPorts[0].rules.http[1]=shadow' },
        {
          ingress: [{ ...peer('B'), ...http({ method: 'GET' }, { method: 'POST' }) }],
        },
      ),
    ],
    flows: { 'A<B:80 GET /': 'ok', 'A<B:80 POST /': '403' },
  },
]
