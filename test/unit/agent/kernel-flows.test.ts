import t from 'tap'
import { asIdentity } from '../../../src/lib/brands.ts'
import type { DatapathEvent } from '../../../src/redirect/datapath-api.ts'
import { kernelFlow, type FlowContext } from '../../../src/agent/kernel-flows.ts'

const event: DatapathEvent = {
  reason: 'POLICY_DENIED',
  direction: 'ingress',
  protocol: 6,
  source: '10.0.0.1',
  sourcePort: 40_000,
  destination: '10.0.0.2',
  destinationPort: 80,
  sourceIdentity: asIdentity(256),
  destinationIdentity: asIdentity(257),
  endpoint: 7,
}
const context: FlowContext = {
  describe: (address, identity) => ({ ID: 0, identity, namespace: 'n', labels: [], pod_name: address }),
  policiesOf: (endpoint) => (endpoint === 7 ? ['n/a', 'n/b'] : []),
  revision: 3,
  time: '2026-01-01T00:00:00.000Z',
}

t.test('a denied packet names the policies that did not admit it', async (t) => {
  t.strictSame(kernelFlow(event, context), {
    time: '2026-01-01T00:00:00.000Z',
    verdict: 'DROPPED',
    drop_reason_desc: 'POLICY_DENIED',
    IP: { source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: 40_000, destination_port: 80 } },
    source: { ID: 0, identity: 256, namespace: 'n', labels: [], pod_name: '10.0.0.1' },
    destination: { ID: 0, identity: 257, namespace: 'n', labels: [], pod_name: '10.0.0.2' },
    Type: 'L3_L4',
    traffic_direction: 'INGRESS',
    Summary: 'TCP dropped: POLICY_DENIED',
    weir: { where: 'kernel', rule: 'n/a, n/b', reason: 'POLICY_DENIED', revision: 3 },
  })
})

t.test('a packet that no policy was asked about names none', async (t) => {
  const flow = kernelFlow({ ...event, reason: 'INVALID_SOURCE_IP', direction: 'egress' }, context)
  t.match(flow, { drop_reason_desc: 'INVALID_SOURCE_IP', traffic_direction: 'EGRESS', weir: { rule: '' } })
})

t.test('protocols without ports, and unknown ones', async (t) => {
  t.strictSame(
    kernelFlow({ ...event, protocol: 58, source: 'fd00::1', destination: 'fd00::2' }, context).l4,
    {},
  )
  t.equal(kernelFlow({ ...event, protocol: 47 }, context).Summary, 'IP protocol 47 dropped: POLICY_DENIED')
  t.strictSame(kernelFlow({ ...event, protocol: 17 }, context).l4, {
    UDP: { source_port: 40_000, destination_port: 80 },
  })
})
