// Another machine: a namespace of its own at the far end of the node's uplink.
import { Namespace } from './namespace.ts'
import { type NodeNamespace } from './node-namespace.ts'

export interface RemoteHost extends Namespace {
  readonly v4: string
  readonly v6: string
}

export const UPLINK = 'uplink0'
const NODE_SIDE = { v4: '192.0.2.1', v6: '2001:db8:2::1' }
const REMOTE_SIDE = { v4: '192.0.2.2', v6: '2001:db8:2::2' }

interface Teardown {
  teardown(handler: () => void): void
}

/** It knows the way to the node's pods; to the node it is the default route, as a router would be. */
export function addRemoteHost(t: Teardown, node: NodeNamespace): RemoteHost {
  const remote = Object.assign(new Namespace(`${node.name}-remote`), REMOTE_SIDE)
  remote.create()
  t.teardown(() => remote.destroy())
  remote.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 })
  node.ip(
    `link add ${UPLINK} type veth peer name eth0 netns ${remote.name}`,
    `link set ${UPLINK} up`,
    `address add ${NODE_SIDE.v4}/24 dev ${UPLINK}`,
    `address add ${NODE_SIDE.v6}/64 dev ${UPLINK} nodad`,
  )
  remote.ip(
    'link set lo up',
    'link set eth0 up',
    `address add ${remote.v4}/24 dev eth0`,
    `address add ${remote.v6}/64 dev eth0 nodad`,
    `route add default via ${NODE_SIDE.v4}`,
    `route add default via ${NODE_SIDE.v6}`,
  )
  node.ip(`route replace default via ${remote.v4}`, `route replace default via ${remote.v6}`)
  return remote
}

/** Of the node, on the uplink. */
export const uplinkAddresses = (): string[] => [NODE_SIDE.v4, NODE_SIDE.v6]
