// Rules of plain iptables for the reference modes, as tutorials and the kernel's documentation give them.
import { PROXY_PORT } from '../../src/redirect/layouts.ts'
import { type Site } from './site.ts'

export interface Rules {
  set(site: Site): void
  /** All of it: there was none before. */
  remove(site: Site): void
}

const FAMILIES = [
  ['iptables', '127.0.0.1'],
  ['ip6tables', '::1'],
] as const
const WEB = ['-p', 'tcp', '--dport', '80']
const PORT = String(PROXY_PORT)
const DEVICE_ADDRESS = '169.254.1.1/32'
const TO_TABLE = ['fwmark', '1', 'lookup', '100']
const LOCAL = ['local', 'default', 'dev', 'lo', 'table', '100']

/** As in every tutorial, for what comes in and for processes of the node. */
export const REDIRECT_RULES: Rules = {
  set({ node, client, server, second }) {
    // Packets go to the address of the device that they came in by; a routed veth has none.
    for (const { device } of [client, server, second])
      node.ip(`address replace ${DEVICE_ADDRESS} dev ${device}`)
    for (const [command] of FAMILIES) {
      const nat = [command, '-t', 'nat', '-A']
      node.execSync([...nat, 'PREROUTING', ...WEB, '-j', 'REDIRECT', '--to-ports', PORT])
      const others = ['-m', 'mark', '!', '--mark', '0xa00/0xf00']
      node.execSync([...nat, 'OUTPUT', ...WEB, ...others, '-j', 'REDIRECT', '--to-ports', PORT])
    }
  },
  remove({ node, client, server, second }) {
    for (const { device } of [client, server, second]) node.ip(`address del ${DEVICE_ADDRESS} dev ${device}`)
    node.execSync(['nft', 'flush', 'ruleset'])
  },
}

/** As in the kernel's documentation: sockets first, then new connections. */
export const TPROXY_RULES: Rules = {
  set({ node }) {
    for (const [command, address] of FAMILIES) {
      const mangle = [command, '-t', 'mangle', '-A', 'PREROUTING', '-p', 'tcp']
      node.execSync([...mangle, '-m', 'socket', '--transparent', '-j', 'MARK', '--set-mark', '1'])
      node.execSync([...mangle, '-m', 'socket', '--transparent', '-j', 'ACCEPT'])
      const target = ['--on-port', PORT, '--on-ip', address, '--tproxy-mark', '1']
      node.execSync([...mangle, '--dport', '80', '-j', 'TPROXY', ...target])
    }
    for (const family of ['-4', '-6']) {
      node.execSync(['ip', family, 'rule', 'add', ...TO_TABLE])
      node.execSync(['ip', family, 'route', 'add', ...LOCAL])
    }
  },
  remove({ node }) {
    for (const family of ['-4', '-6']) {
      node.execSync(['ip', family, 'rule', 'del', ...TO_TABLE])
      node.execSync(['ip', family, 'route', 'del', ...LOCAL])
    }
    node.execSync(['nft', 'flush', 'ruleset'])
  },
}
