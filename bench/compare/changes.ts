// What happens to a site between two questions: other settings of its devices, rules of somebody else.
import { type Pod } from '../../test/helpers/node-namespace.ts'
import { type Site } from './site.ts'

export const SERVICE = { v4: '10.96.0.10', v6: 'fd00:96::10' } as const
const LARGE_MTU = 9000
const IPTABLES = { v4: 'iptables', v6: 'ip6tables' } as const

/** Of the client, of the server: both ends of their devices. */
function* ends({ node, client, server }: Site): Generator<readonly [Pod | Site['node'], string]> {
  for (const pod of [client, server]) {
    yield [node, pod.device]
    yield [pod, 'eth0']
  }
}

export function setLargeMtu(site: Site): void {
  for (const [namespace, device] of ends(site)) namespace.ip(`link set ${device} mtu ${LARGE_MTU}`)
}

export function turnOffloadOff(site: Site): void {
  for (const [namespace, device] of ends(site))
    namespace.execSync(['ethtool', '-K', device, 'tx', 'off', 'rx', 'off'])
}

/** As kube-proxy makes it. Before a rule of REDIRECT, or that would come first and never know the server. */
export function addService({ node, server }: Site): void {
  for (const [family, target, bits] of [
    ['v4', server.v4, 32],
    ['v6', `[${server.v6}]`, 128],
  ] as const) {
    const address = `${SERVICE[family]}/${bits}`
    for (const chain of ['PREROUTING', 'OUTPUT']) {
      const match = ['-d', address, '-p', 'tcp', '--dport', '80']
      const action = ['-j', 'DNAT', '--to-destination', `${target}:80`]
      node.execSync([IPTABLES[family], '-t', 'nat', '-I', chain, ...match, ...action])
    }
    node.ip(`route replace ${address} dev lo`)
  }
}

/** A firewall that knows connections and drops what belongs to none. */
export function dropInvalid(site: Site, isOn: boolean): void {
  for (const command of Object.values(IPTABLES)) {
    for (const chain of ['INPUT', 'OUTPUT', 'FORWARD']) {
      const rule = ['-m', 'conntrack', '--ctstate', 'INVALID', '-j', 'DROP']
      site.node.execSync([command, isOn ? '-I' : '-D', chain, ...rule])
    }
  }
}

/** The client hears nothing more on the connections of these ports: neither FIN nor RST reaches it. */
export function setDeaf({ client }: Site, ports: readonly number[], isDeaf: boolean): void {
  for (const command of Object.values(IPTABLES)) {
    for (const port of ports) {
      const rule = ['-p', 'tcp', '--dport', String(port), '-j', 'DROP']
      client.execSync([command, isDeaf ? '-I' : '-D', 'INPUT', ...rule])
    }
  }
}
