// Kafka rules: what they cover, and what becomes of them beside others.
import { A, documentText, http, peer, tcp, type Case } from './case.ts'

const kafka = (...rules: object[]): object => ({ toPorts: [{ ports: [tcp('80')], rules: { kafka: rules } }] })
const fromB = (...rules: object[]): object => ({ ...A, ingress: [{ ...peer('B'), ...kafka(...rules) }] })

export const KAFKA_CASES: readonly Case[] = [
  {
    id: 'k1 a topic, and what names none',
    specs: [fromB({ topic: 'a' })],
    flows: {
      'A<B:80': 'redirect',
      'A<C:80': 'deny',
      'A<B:81': 'deny',
      'A<B:80 produce a': 'ok',
      'A<B:80 fetch a': 'ok',
      'A<B:80 produce ab': 'unauthorized',
      'A<B:80 metadata': 'ok',
      'A<B:80 heartbeat group=g': 'ok',
      'A<B:80 GET /': '403',
    },
  },
  {
    id: 'k2 a role',
    specs: [fromB({ role: 'produce', topicPrefix: 'a' })],
    flows: {
      'A<B:80 produce ab': 'ok',
      'A<B:80 produce b': 'unauthorized',
      'A<B:80 fetch ab': 'unauthorized',
      'A<B:80 metadata': 'ok',
      'A<B:80 metadata b': 'unauthorized',
      'A<B:80 initproducerid': 'ok',
      'A<B:80 createtopics ab': 'unauthorized',
    },
  },
  {
    id: 'k3 a group alone opens every topic',
    specs: [fromB({ group: 'g' })],
    flows: {
      'A<B:80 fetch a': 'ok',
      'A<B:80 joingroup group=g': 'ok',
      'A<B:80 joingroup group=h': 'unauthorized',
      'A<B:80 offsetcommit a group=h': 'unauthorized',
    },
  },
  {
    id: 'k4 topic and group in one rule, and in two',
    specs: [fromB({ topic: 'a', group: 'g' }, { topic: 'b', clientID: 'c' })],
    flows: {
      'A<B:80 offsetcommit a group=g': 'ok',
      'A<B:80 offsetcommit a group=h': 'unauthorized',
      'A<B:80 offsetcommit b group=h client=c': 'ok',
      'A<B:80 offsetcommit b group=g client=d': 'unauthorized',
    },
  },
  {
    id: 'k5 rules of several policies add up; a plain allow makes them void; a deny beats them',
    specs: [
      fromB({ topic: 'a' }),
      fromB({ topic: 'b' }),
      { ...A, ingress: [{ ...peer('C'), ...kafka({ topic: 'a' }) }, peer('C')] },
      { ...A, ingress: [{ ...peer('M'), ...kafka({}) }], ingressDeny: [{ fromEntities: ['world'] }] },
    ],
    flows: {
      'A<B:80 fetch a': 'ok',
      'A<B:80 fetch b': 'ok',
      'A<B:80 fetch c': 'unauthorized',
      'A<C:80': 'redirect',
      'A<C:80 fetch x': 'ok',
      'A<world:80': 'deny',
    },
  },
  {
    id: 'k6 rules for HTTP and Kafka that meet let nothing through',
    specs: [
      fromB({}),
      {
        ...A,
        ingress: [
          { ...peer('B'), ...http({}) },
          { ...peer('C'), ...http({}) },
        ],
      },
    ],
    flows: {
      'A<B:80': 'redirect',
      'A<B:80 fetch a': 'unauthorized',
      'A<B:80 GET /': '403',
      'A<C:80 GET /': 'ok',
    },
  },
  {
    id: 'k7 a policy that does not close the direction refuses no request',
    specs: [{ ...fromB({ topic: 'a' }), enableDefaultDeny: { ingress: false } }],
    flows: { 'A<B:80': 'redirect', 'A<B:80 fetch b': 'ok', 'A<B:80 GET /': 'ok', 'A<C:80': 'allow' },
  },
  {
    id: 'k8 on the way out',
    specs: [
      { ...A, egress: [{ toEndpoints: [{ matchLabels: { name: 'B' } }], ...kafka({ apiKey: 'fetch' }) }] },
    ],
    flows: { 'A>B:80': 'redirect', 'A>B:80 fetch a': 'ok', 'A>B:80 produce a': 'unauthorized' },
  },
  {
    id: 'k9 a rule in audit',
    policies: [
      documentText('CiliumNetworkPolicy', fromB({ topic: 'a' }), {
        name: 'moded',
        namespace: 'n',
        annotations: { 'weir/rule-modes': 'ingress[0].toPorts[0].rules.kafka[0]=audit' },
      }),
    ],
    flows: { 'A<B:80': 'redirect', 'A<B:80 fetch b': 'ok', 'A<C:80': 'deny' },
  },
]
