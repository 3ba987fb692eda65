import t from 'tap'
import { policyKeyOf, ruleLines } from '../../../src/policy/rule-line.ts'
import { parseGood } from '../../helpers/policy-world.ts'

const FILE = `# a comment
---
# another one
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: one }
spec:
  endpointSelector: {}
  ingress:
    - fromEntities: [world]
    - toPorts:
        - ports: [{ port: '80', protocol: TCP }]
          rules:
            http:
              - path: /a
              - path: /b
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: two }
specs:
  - endpointSelector: {}
    egressDeny:
      - &all
        toEntities: [world]
      - *all
`

const [one, two] = parseGood(FILE, 'file.yaml').map(ruleLines)

for (const [name, line] of [
  ['default/one', 4],
  ['default/one ingress[0]', 10],
  ['default/one ingress[1]', 11],
  ['default/one ingress[1].toPorts[0].rules.http[1]', 16],
  ['default/one ingress[1] (default deny is off)', 11],
  ['default/one ingress[7].toPorts[0]', 10],
] as const) {
  t.equal(one?.(name), line, name)
}
t.equal(two?.('default/two specs[0].egressDeny[0]'), 25, 'the value, behind its anchor')
t.equal(two?.('default/two specs[0].egressDeny[1]'), 26)
t.equal(two?.('default/two'), 18)
t.equal(policyKeyOf('default/one ingress[0]'), 'default/one')
