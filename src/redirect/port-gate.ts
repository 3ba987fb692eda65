// Ports of bridges that are not judged (yet) are closed, by netfilter of the bridge: a container engine puts a port into
// its bridge, and its container may send, before anybody could hang a program on it. Which ports are judged is a group
// of devices, so that it goes with the device, and the rules stay the same whoever comes and goes.
import { execFileSync } from 'node:child_process'
import { errorMessage, WeirError } from '../lib/errors.ts'
import { NETFILTER_TABLE } from './netfilter.ts'

/** Group of devices on which our programs hang. */
export const JUDGED_GROUP = 30_565

/** Engines and other software that connects namespaces name the ports of containers so. Those alone are closed. */
export const CONTAINER_PORT_PREFIX = 'veth'

const TABLE = `bridge ${NETFILTER_TABLE}`
/** Before whatever others do there, bridged packets shown to iptables included. */
const PRIORITY = -400
const SENDER = 'unknown_sender'
const RECEIVER = 'unknown_receiver'

/** As the programs on endpoints: ARP and neighbour discovery always pass, so that no first packet waits for them. */
const NEIGHBOURS = `
    ether type arp accept
    icmpv6 type { 133, 134, 135, 136, 137 } accept`

function rules(elsewhere: readonly number[]): string {
  const elements = elsewhere.length === 0 ? '' : `elements = { ${elsewhere.join(', ')} }`
  return `
table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  counter ${SENDER} { }
  counter ${RECEIVER} { }
  set elsewhere { type iface_index; ${elements} }
  chain from_port {
    type filter hook prerouting priority ${PRIORITY}; policy accept;
    iifgroup ${JUDGED_GROUP} accept
    iifname != "${CONTAINER_PORT_PREFIX}*" accept
    iif @elsewhere accept${NEIGHBOURS}
    counter name ${SENDER} drop
  }
  chain to_port {
    type filter hook postrouting priority ${PRIORITY}; policy accept;
    oifgroup ${JUDGED_GROUP} accept
    oifname != "${CONTAINER_PORT_PREFIX}*" accept
    oif @elsewhere accept${NEIGHBOURS}
    counter name ${RECEIVER} drop
  }
}
`
}

/** Nothing is changed. @throws WeirError KERNEL_UNSUPPORTED when this machine cannot do it */
export function checkPortGate(): void {
  apply(['-c', '-f', '-'], [])
}

/**
 * Put the rules up, in one step, or put them up anew. `elsewhere`: interface indexes of ports that are none of ours.
 * @throws WeirError KERNEL_UNSUPPORTED
 */
export function installPortGate(elsewhere: readonly number[]): void {
  apply(['-f', '-'], elsewhere)
}

function apply(args: readonly string[], elsewhere: readonly number[]): void {
  try {
    nft(args, rules(elsewhere))
  } catch (error) {
    throw new WeirError('KERNEL_UNSUPPORTED', `close unknown ports of bridges: ${nftMessage(error)}`, {
      cause: error,
      mend: 'install nftables; the kernel needs CONFIG_NF_TABLES_BRIDGE',
    })
  }
}

/** False when the rules are not (or no longer) what the change is about. */
export function changeElsewhere(added: readonly number[], removed: readonly number[]): boolean {
  const line = (verb: string, indexes: readonly number[]): string =>
    indexes.length === 0 ? '' : `${verb} element ${TABLE} elsewhere { ${indexes.join(', ')} }\n`
  return tryNft(['-f', '-'], line('delete', removed) + line('add', added)) !== undefined
}

export function hasPortGate(): boolean {
  return tryNft(['list', 'table', ...TABLE.split(' ')]) !== undefined
}

/** True when it was there. */
export function removePortGate(): boolean {
  return hasPortGate() && tryNft(['delete', 'table', ...TABLE.split(' ')]) !== undefined
}

/** Packets that were dropped because a container that sent them, or would have got them, was not known. */
export function portGateDrops(): { readonly egress: number; readonly ingress: number } {
  const answer = tryNft(['-j', 'list', 'counters', 'table', ...TABLE.split(' ')])
  const { nftables } = JSON.parse(answer ?? '{"nftables":[]}') as {
    nftables: { counter?: { name: string; packets: number } }[]
  }
  const packetsOf = (name: string): number =>
    nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? 0
  return { egress: packetsOf(SENDER), ingress: packetsOf(RECEIVER) }
}

function nft(args: readonly string[], input = ''): string {
  return execFileSync('nft', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
}

function tryNft(args: readonly string[], input = ''): string | undefined {
  try {
    return nft(args, input)
  } catch {
    return undefined
  }
}

function nftMessage(error: unknown): string {
  const { stderr } = error as { stderr?: string }
  return (stderr ?? errorMessage(error)).trim().split('\n')[0] ?? ''
}
