// The ways to redirect that are compared: Weir's five, and iptables alone with Weir's proxy behind it.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type RedirectMode } from '../../src/lib/redirect-mode.ts'
import { endpointOf, WeirProcess } from '../../test/helpers/weir-process.ts'
import { policies } from './policy.ts'
import { type Site } from './site.ts'

export interface Running {
  /** Of the proxy. */
  pids(): number[]
  /** kill -9 of everything that this mode runs. */
  kill(): Promise<void>
  /** Start again after `kill`. */
  restart(): Promise<void>
}

export interface Mode {
  readonly name: string
  readonly title: string
  start(site: Site): Promise<Running>
}

export const MODES: readonly Mode[] = [
  reference('redirect', 'iptables REDIRECT', redirectRules),
  reference('tproxy', 'iptables TPROXY', tproxyRules),
  weir('nat', '1 nat'),
  weir('tproxy', '2 tproxy'),
  weir('sk_assign', '3 sk_assign'),
  weir('sk_lookup', '4 sk_lookup'),
  weir('hybrid', '5 hybrid'),
]

function weir(mode: RedirectMode, title: string): Mode {
  return {
    name: mode,
    title,
    async start({ node, client, server, second }) {
      const start = (): Promise<WeirProcess> =>
        WeirProcess.start(node, {
          endpoints: [client, server, second].map((pod) => endpointOf(pod, { app: pod.podName })),
          policies: policies(['server', 'second']),
          args: ['--workers', '1', '--redirect', mode],
        })
      let running = await start()
      return {
        pids: () => running.processes().flatMap(({ command, pid }) => (command === 'proxy' ? [pid] : [])),
        kill: async () => void (await running.kill9()),
        restart: async () => void (running = await start()),
      }
    },
  }
}

function reference(kind: 'redirect' | 'tproxy', title: string, rules: (site: Site) => void): Mode {
  return {
    name: `iptables-${kind}`,
    title,
    async start(site) {
      rules(site)
      const start = async (): Promise<ChildProcess> => {
        const program = join(packageRoot(), 'dist', 'bench', 'compare', 'reference-proxy.js')
        const child = site.node.spawn([process.execPath, program, kind], {
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const ended = once(child, 'exit').then(([code]) => {
          throw new Error(`the proxy of ${title} ended at once: ${String(code)}`)
        })
        await Promise.race([once(child.stdout!, 'data'), ended])
        ended.catch(() => undefined) // later on it is killed on purpose
        return child
      }
      let child = await start()
      return {
        pids: () => [child.pid ?? -1],
        async kill() {
          const ended = once(child, 'exit')
          child.kill('SIGKILL')
          await ended
        },
        restart: async () => void (child = await start()),
      }
    },
  }
}

const FAMILIES = [
  ['iptables', '127.0.0.1'],
  ['ip6tables', '::1'],
] as const
const WEB = ['-p', 'tcp', '--dport', '80']

/** As in every tutorial, for what comes in and for processes of the node. */
function redirectRules({ node, client, server, second }: Site): void {
  // Packets go to the address of the device that they came in by; a routed veth has none.
  for (const { device } of [client, server, second]) node.ip(`address replace 169.254.1.1/32 dev ${device}`)
  for (const [command] of FAMILIES) {
    const nat = [command, '-t', 'nat', '-A']
    node.execSync([...nat, 'PREROUTING', ...WEB, '-j', 'REDIRECT', '--to-ports', '15900'])
    const others = ['-m', 'mark', '!', '--mark', '0xa00/0xf00']
    node.execSync([...nat, 'OUTPUT', ...WEB, ...others, '-j', 'REDIRECT', '--to-ports', '15900'])
  }
}

/** As in the kernel's documentation: sockets first, then new connections. */
function tproxyRules({ node }: Site): void {
  for (const [command, address] of FAMILIES) {
    const mangle = [command, '-t', 'mangle', '-A', 'PREROUTING', '-p', 'tcp']
    node.execSync([...mangle, '-m', 'socket', '--transparent', '-j', 'MARK', '--set-mark', '1'])
    node.execSync([...mangle, '-m', 'socket', '--transparent', '-j', 'ACCEPT'])
    const target = ['--on-port', '15900', '--on-ip', address, '--tproxy-mark', '1']
    node.execSync([...mangle, '--dport', '80', '-j', 'TPROXY', ...target])
    const family = command === 'iptables' ? '-4' : '-6'
    node.execSync(['ip', family, 'rule', 'add', 'fwmark', '1', 'lookup', '100'])
    node.execSync(['ip', family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', '100'])
  }
}
