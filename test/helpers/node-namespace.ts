// A node in one network namespace, pods in namespaces of their own, joined by routed veths as a ptp CNI does it, or as
// ports of a bridge.
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { basename } from 'node:path'
import { removeLeftovers, TEST_PREFIX } from './leftovers.ts'
import { Namespace } from './namespace.ts'

const GATEWAY_V4 = '169.254.1.1'
const GATEWAY_V6 = 'fe80::1'
const MAX_DEVICE_NAME = 15
export const BRIDGE = 'br0'
const BRIDGE_V4 = '10.244.0.1'
const BRIDGE_V6 = 'fd00:244::ffff'

export interface PodOptions {
  readonly name: string
  readonly v4: string
  readonly v6: string
  /** Of the network namespace; default: that of the node, then the pod's. */
  readonly namespaceName?: string
}

export interface NodeOptions {
  /** Settings of the node's namespace beside forwarding, e.g. `net.ipv4.conf.all.rp_filter`. */
  readonly sysctls?: Readonly<Record<string, string | number>>
  /** Pods are ports of the bridge `br0`; 'netfilter': bridged packets pass iptables, too. Default: routed veths. */
  readonly bridge?: 'plain' | 'netfilter'
}

interface Teardown {
  readonly name: string
  teardown(handler: () => void): void
}

export class Pod extends Namespace {
  readonly podName: string
  readonly v4: string
  readonly v6: string
  /** Host side of the veth, in the node's namespace. Its other end is `eth0`. */
  readonly device: string

  constructor(node: Namespace, options: PodOptions) {
    super(options.namespaceName ?? `${node.name}-${options.name}`)
    this.podName = options.name
    this.v4 = options.v4
    this.v6 = options.v6
    this.device = `lxc-${options.name}`
    if (this.device.length > MAX_DEVICE_NAME) throw new Error(`device name ${this.device} is too long`)
  }
}

export class NodeNamespace extends Namespace {
  /** Addresses of the node itself: source of what its own processes send to pods. */
  readonly v4 = '10.200.0.1'
  readonly v6 = 'fd00:200::1'
  readonly pods: Pod[] = []
  /** For `--state-dir`; weir makes it. */
  readonly stateDir: string
  /** Pins of the weir that uses `stateDir`. */
  readonly bpffsDir: string
  /** For files of the test; removed with the node. */
  readonly workDir: string
  readonly #isBridged: boolean

  private constructor(name: string, isBridged: boolean) {
    super(name)
    this.#isBridged = isBridged
    this.stateDir = `/run/${name}`
    this.bpffsDir = `/sys/fs/bpf/${basename(this.stateDir)}`
    this.workDir = `/run/${name}-work`
  }

  /** A node that vanishes with everything in it when the test `t` ends, or at the next run if it is killed. */
  static forTest(t: Teardown, options: NodeOptions = {}): NodeNamespace {
    removeLeftovers()
    destroyOnExit()
    const label = t.name.toLowerCase().replace(/[^a-z0-9]+/g, '-')
    count++
    const node = NodeNamespace.named(`${TEST_PREFIX}${process.pid}-${count}-${label.slice(0, 30)}`, options)
    t.teardown(() => node.destroy())
    return node
  }

  /** A node that the caller must `destroy`. */
  static named(name: string, options: NodeOptions = {}): NodeNamespace {
    const node = new NodeNamespace(name, options.bridge !== undefined)
    node.create()
    live.add(node)
    mkdirSync(node.workDir, { recursive: true })
    node.sysctl({
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 1,
      'net.ipv6.conf.all.accept_dad': 0,
      'net.ipv6.conf.default.accept_dad': 0,
      ...options.sysctls,
    })
    node.ip(
      'link set lo up',
      `address add ${node.v4}/32 dev lo scope global`,
      `address add ${node.v6}/128 dev lo nodad`,
    )
    if (options.bridge !== undefined) node.#addBridge(options.bridge === 'netfilter')
    return node
  }

  #addBridge(callsNetfilter: boolean): void {
    this.ip(
      `link add ${BRIDGE} type bridge`,
      `link set ${BRIDGE} up`,
      `address add ${BRIDGE_V4}/24 dev ${BRIDGE}`,
      `address add ${BRIDGE_V6}/64 dev ${BRIDGE} nodad`,
    )
    this.sysctl({
      'net.bridge.bridge-nf-call-iptables': Number(callsNetfilter),
      'net.bridge.bridge-nf-call-ip6tables': Number(callsNetfilter),
    })
  }

  addPod(options: PodOptions): Pod {
    const pod = new Pod(this, options)
    pod.create()
    this.pods.push(pod)
    pod.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 })
    this.connect(pod)
    return pod
  }

  /** Make the veth and the routes of a pod, also again after its device was deleted. Neighbours are fixed: no ARP. */
  connect(pod: Pod): void {
    if (this.#isBridged) return this.#connectToBridge(pod)
    const hostMac = macAddress(`${pod.device} host`)
    const podMac = macAddress(`${pod.device} pod`)
    this.ip(
      `link add ${pod.device} address ${hostMac} type veth peer name eth0 address ${podMac} netns ${pod.name}`,
      `link set ${pod.device} up`,
      `neighbour replace ${pod.v4} lladdr ${podMac} dev ${pod.device} nud permanent`,
      `neighbour replace ${pod.v6} lladdr ${podMac} dev ${pod.device} nud permanent`,
    )
    pod.ip(
      'link set lo up',
      'link set eth0 up',
      `address add ${pod.v4}/32 dev eth0`,
      `address add ${pod.v6}/128 dev eth0 nodad`,
      `neighbour replace ${GATEWAY_V4} lladdr ${hostMac} dev eth0 nud permanent`,
      `neighbour replace ${GATEWAY_V6} lladdr ${hostMac} dev eth0 nud permanent`,
      `route replace default via ${GATEWAY_V4} dev eth0 onlink`,
      `route replace default via ${GATEWAY_V6} dev eth0 onlink`,
    )
    // After the peer is up, or the kernel takes IPv6 routes of a device without carrier away again.
    this.ip(
      `route replace ${pod.v4}/32 dev ${pod.device} scope link src ${this.v4}`,
      `route replace ${pod.v6}/128 dev ${pod.device} src ${this.v6}`,
    )
  }

  #connectToBridge(pod: Pod): void {
    this.ip(
      `link add ${pod.device} type veth peer name eth0 netns ${pod.name}`,
      `link set ${pod.device} master ${BRIDGE} up`,
    )
    pod.ip(
      'link set lo up',
      'link set eth0 up',
      `address add ${pod.v4}/24 dev eth0`,
      `address add ${pod.v6}/64 dev eth0 nodad`,
      `route replace default via ${BRIDGE_V4} dev eth0`,
      `route replace default via ${BRIDGE_V6} dev eth0`,
    )
  }

  /** The pod's veth goes, as when a container stops. */
  disconnect(pod: Pod): void {
    this.ip(`link delete ${pod.device}`)
  }

  removePod(pod: Pod): void {
    pod.destroy()
    this.pods.splice(this.pods.indexOf(pod), 1)
  }

  /** Processes, namespaces, pins and files: all gone afterwards. Fine to call twice. */
  override destroy(): void {
    super.destroy()
    for (const pod of this.pods.splice(0)) pod.destroy()
    for (const dir of [this.bpffsDir, this.stateDir, this.workDir])
      rmSync(dir, { recursive: true, force: true })
    live.delete(this)
  }
}

/** Pod to pod over both families: every address that `pod` can be reached by. */
export function addressesOf(target: { readonly v4: string; readonly v6: string }): string[] {
  return [target.v4, target.v6]
}

/** `http://10.0.0.1/path`, `http://[fd00::1]:8080/path` */
export function urlOf(address: string, path: string, port = 80): string {
  return `http://${address.includes(':') ? `[${address}]` : address}${port === 80 ? '' : `:${port}`}${path}`
}

let count = 0
let isWatchingExit = false
const live = new Set<NodeNamespace>()

/** Locally administered, and the same each time, so that a captured packet can be read. */
function macAddress(seed: string): string {
  const bytes = createHash('sha256').update(seed).digest().subarray(0, 5)
  return ['0a', ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))].join(':')
}

/** tap ends a test file that takes too long by SIGTERM: t.teardown does not run then, this does. */
function destroyOnExit(): void {
  if (isWatchingExit) return
  isWatchingExit = true
  process.once('exit', () => {
    for (const node of live) node.destroy()
  })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
}
