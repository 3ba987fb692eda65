import t from 'tap'
import { asEndpointId } from '../../../src/lib/brands.ts'
import type { NetworkPolicy, PortRule } from '../../../src/policy/network-policy.ts'
import { forOtherProxies } from '../../../src/policy/npds-foreign.ts'

const rule = (name: string, parts: Partial<PortRule> = {}): PortRule => {
  return { name, precedence: 1, deny: false, remoteIdentities: undefined, http: undefined, ...parts }
}
const http = (mode?: 'audit') => ({ name: 'h', headers: [], ...(mode === undefined ? {} : { mode }) })

function plain(...rules: PortRule[]): readonly (readonly PortRule[])[] {
  const policy: NetworkPolicy = {
    endpointId: asEndpointId(1),
    endpointIps: ['10.0.0.1'],
    ingress: [{ port: 80, endPort: 80, rules }],
    egress: [{ port: 0, endPort: 0, rules: [] }],
  }
  const { ingress, egress } = forOtherProxies(policy)
  t.same(egress, policy.egress, 'an entry that never had rules admits everybody, as before')
  return ingress.map((entry) => entry.rules)
}

t.test('enforced rules stay as they are', async (t) => {
  const rules = [rule('a'), rule('b', { deny: true }), rule('c', { http: [http()] })]
  t.same(plain(...rules), [rules])
})

t.test('rules in audit and shadow go, allowing or denying', async (t) => {
  t.same(plain(rule('a', { mode: 'audit' }), rule('b', { mode: 'shadow', deny: true }), rule('c')), [
    [rule('c')],
  ])
})

t.test('an entry that loses all of its rules goes: without rules it would admit everybody', async (t) => {
  t.same(plain(rule('a', { mode: 'audit' })), [])
  t.same(plain(rule('a', { http: [] })), [])
})

t.test('rules for Kafka go: others would let every request of their peers through', async (t) => {
  const kafka = [{ name: 'k', topic: 'a' }]
  t.same(plain(rule('a', { kafka }), rule('b', { http: [http()] })), [[rule('b', { http: [http()] })]])
  t.same(plain(rule('a', { kafka })), [])
})

t.test('HTTP rules in audit go; a rule that loses them all admits its peers', async (t) => {
  t.same(plain(rule('a', { http: [http(), http('audit')] })), [[rule('a', { http: [http()] })]])
  t.same(plain(rule('a', { http: [http('audit')] })), [[rule('a')]])
})
