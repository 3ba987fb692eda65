import t from 'tap'
import { bindPorts, type Attachment, type BridgePort } from '../../../../src/agent/docker/port-binding.ts'

const attachment = (containerId: string, bridge = 'docker0'): Attachment => ({
  containerId,
  network: 'n',
  bridge,
  mac: `02:42:00:00:00:${containerId}`,
  addresses: ['172.17.0.2'],
})

const port = (ifindex: number, more: Partial<BridgePort> = {}): BridgePort => ({
  ifindex,
  name: `veth${ifindex}`,
  bridge: 'docker0',
  namespace: undefined,
  peerMac: '',
  ...more,
})

const NOTHING = { namespaces: new Map(), before: new Map(), isRunning: () => false }
const nobody = new Map()

t.test('a container that runs is found by its network namespace, on each of its bridges', async (t) => {
  const bindings = bindPorts({
    ...NOTHING,
    isRunning: () => true,
    attachments: [attachment('aa'), attachment('aa', 'br-1'), attachment('bb')],
    ports: [port(1, { namespace: 7 }), port(2, { namespace: 7, bridge: 'br-1' }), port(3, { namespace: 8 })],
    namespaces: new Map([
      ['aa', 7],
      ['bb', 8],
    ]),
  })
  t.same(
    [...bindings].map(([ifindex, { containerId, isConfirmed }]) => [ifindex, containerId, isConfirmed]),
    [
      [1, 'aa', true],
      [2, 'aa', true],
      [3, 'bb', true],
    ],
  )
})

t.test('before it runs, by the MAC address that the engine gave it', async (t) => {
  const attachments = [attachment('aa')]
  const ports = [port(1, { namespace: 7, peerMac: '02:42:00:00:00:aa' })]
  t.same([...bindPorts({ ...NOTHING, attachments, ports })], [[1, { containerId: 'aa', isConfirmed: false }]])
  t.same(
    bindPorts({ ...NOTHING, attachments, ports, isRunning: () => true }),
    nobody,
    'not once it could change it',
  )
})

t.test('an address that two ports have decides nothing', async (t) => {
  const peerMac = '02:42:00:00:00:aa'
  const ports = [port(1, { namespace: 7, peerMac }), port(2, { namespace: 8, peerMac })]
  t.same(bindPorts({ ...NOTHING, attachments: [attachment('aa')], ports }), nobody)
})

t.test('a port that is known stays known, and is no candidate for others', async (t) => {
  const before = new Map([[1, { containerId: 'aa', isConfirmed: true }]])
  const ports = [port(1, { namespace: 7, peerMac: '02:42:00:00:00:bb' })]
  const facts = { ...NOTHING, before, ports }
  t.same([...bindPorts({ ...facts, attachments: [attachment('aa'), attachment('bb')] }).keys()], [1])
  t.same(bindPorts({ ...facts, attachments: [attachment('bb')] }), nobody)
})

t.test('the namespace overrules what the MAC address had said', async (t) => {
  const before = new Map([[1, { containerId: 'aa', isConfirmed: false }]])
  const ports = [port(1, { namespace: 8 }), port(2, { namespace: 7 })]
  const attachments = [attachment('aa')]
  const namespaces = new Map([['aa', 7]])
  t.same(
    [...bindPorts({ attachments, ports, namespaces, before, isRunning: () => true })],
    [[2, { containerId: 'aa', isConfirmed: true }]],
  )
})
