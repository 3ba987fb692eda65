// The ways to redirect that are compared: Weir's five, and iptables alone with Weir's proxy behind it.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type RedirectMode } from '../../src/lib/redirect-mode.ts'
import { statusOf } from '../../test/helpers/observed.ts'
import { waitFor } from '../../test/helpers/wait.ts'
import { endpointOf, weirCli, WeirProcess } from '../../test/helpers/weir-process.ts'
import { policies } from './policy.ts'
import { REDIRECT_RULES, type Rules, TPROXY_RULES } from './reference-rules.ts'
import { type Site } from './site.ts'

export interface Running {
  /** Of the proxy. */
  pids(): number[]
  /** kill -9 of everything that this mode runs. */
  kill(): Promise<void>
  /** Start again after `kill`. */
  restart(): Promise<void>
  /** Resolves when it has noticed rules of NAT that are new on the node. */
  knowsOfNat(): Promise<void>
  /** Reasons that it gave for what it cannot do. */
  refusals(): Promise<string>
  /** Whether its status names it. */
  status(): Promise<string>
  /** Stop it, and remove all that it put on the node. */
  cleanUp(): Promise<void>
}

export const MODES: readonly Mode[] = [
  reference('redirect', 'iptables REDIRECT', REDIRECT_RULES),
  reference('tproxy', 'iptables TPROXY', TPROXY_RULES),
  weir('nat', '1 nat'),
  weir('tproxy', '2 tproxy'),
  weir('sk_assign', '3 sk_assign'),
  weir('sk_lookup', '4 sk_lookup'),
  weir('hybrid', '5 hybrid'),
]

/** Plain iptables says nothing. */
const SILENT = '-'
const REFUSALS: readonly string[] = ['REDIRECT_UNSUPPORTED', 'NAT_PORT_TAKEN']

export interface Mode {
  readonly name: string
  readonly title: string
  /** Of each endpoint, to be loaded and attached. */
  readonly hasPrograms: boolean
  start(site: Site): Promise<Running>
}

function weir(mode: RedirectMode, title: string): Mode {
  return {
    name: mode,
    title,
    hasPrograms: true,
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
        async knowsOfNat() {
          const hasRule = (): boolean =>
            node.execSync(['nft', 'list', 'table', 'inet', 'weir']).includes('dnat')
          await waitFor(hasRule, { what: 'rules against translation' })
        },
        async refusals() {
          const reasons = (await statusOf(running)).drops.map(({ reason }) => reason)
          return REFUSALS.filter((reason) => reasons.includes(reason)).join(', ') || 'none'
        },
        status: async () => ((await statusOf(running)).redirect === mode ? 'yes' : 'no'),
        async cleanUp() {
          await running.stop()
          await weirCli(node, ['cleanup'])
        },
      }
    },
  }
}

function reference(kind: 'redirect' | 'tproxy', title: string, rules: Rules): Mode {
  return {
    name: `iptables-${kind}`,
    title,
    hasPrograms: false,
    async start(site) {
      rules.set(site)
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
      const kill = async (): Promise<void> => {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
      return {
        pids: () => [child.pid ?? -1],
        kill,
        restart: async () => void (child = await start()),
        knowsOfNat: () => Promise.resolve(),
        refusals: () => Promise.resolve(SILENT),
        status: () => Promise.resolve(SILENT),
        async cleanUp() {
          await kill()
          rules.remove(site)
        },
      }
    },
  }
}
