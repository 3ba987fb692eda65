import t from 'tap'
import { type Inventory, isOutdated, takeInventory } from '../../../../src/agent/docker/inventory.ts'
import type { Bindings, BridgePort } from '../../../../src/agent/docker/port-binding.ts'

const PORT: BridgePort = {
  ifindex: 7,
  name: 'veth7',
  bridge: 'br0',
  namespace: 3,
  peerMac: '02:42:ac:1f:01:02',
}
const KNOWN: Bindings = new Map([[PORT.ifindex, { containerId: 'a', isConfirmed: true }]])

t.test('when another look may find out more', async (t) => {
  const engine = {
    containers: () => Promise.resolve([]),
    networks: () => Promise.resolve([]),
    network: () => Promise.resolve(undefined),
    pidOf: () => Promise.resolve(undefined),
  }
  const { signature: _, ...nothing } = await takeInventory(engine, new Map())
  const look = (others: Partial<Inventory>): Inventory => ({
    ...nothing,
    signature: '7 1 3',
    ports: [PORT],
    ...others,
  })
  const links = [
    {
      ifindex: 7,
      name: 'veth7',
      master: 1,
      group: 0,
      isUp: true,
      mac: '',
      peer: { ifindex: 2, namespace: 3 },
    },
    {
      ifindex: 8,
      name: 'eth0',
      master: 0,
      group: 0,
      isUp: true,
      mac: '',
      peer: { ifindex: 0, namespace: undefined },
    },
  ]
  t.equal(isOutdated(look({ bindings: KNOWN }), links), false, 'all ports are known')
  t.equal(isOutdated(look({ elsewhere: [7] }), links), false, "a port of another's bridge")
  t.equal(isOutdated(look({ bindings: KNOWN }), []), true, 'a port is gone')
  t.equal(isOutdated(look({ bindings: new Map() }), links), true, 'whose port it is may be told by now')
})
