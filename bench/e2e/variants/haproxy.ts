// HAProxy on the node, dialled by the client: one thread, one upstream connection per client connection.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canDial } from '../../../test/helpers/tcp.ts'
import { endProcess, untilUp } from '../child.ts'
import { maxPairs } from '../descriptors.ts'
import { onOthersCore, pinProxy } from '../pinning.ts'
import { MAIN, RULE_SETS, type RuleSet, ruleSetOf } from '../rules.ts'
import { FIRST_PROXY_PORT, type Stage } from '../stage.ts'
import { type Variant } from './variant.ts'

/** `log`: http with a line of its own log format for each request, into a file. */
export type Mode = 'http' | 'log' | 'tcp'

/** All modes run side by side on one stage. */
const FIRST_PORT: Readonly<Record<Mode, number>> = {
  http: FIRST_PROXY_PORT,
  tcp: FIRST_PROXY_PORT + 100,
  log: FIRST_PROXY_PORT + 300,
}

export async function startHaproxy(stage: Stage, mode: Mode, sets: readonly RuleSet[]): Promise<Variant> {
  const directory = join(stage.node.workDir, `haproxy-${mode}`)
  mkdirSync(directory, { recursive: true })
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(file, configurationText(stage, mode, sets, directory))
  const log = join(directory, 'requests.log')
  // HAProxy opens no files for logs, but writes them to a descriptor that it is given.
  const command = ['sh', '-c', 'exec haproxy -db -f "$0" 3>>"$1"', file, log]
  const child = stage.node.spawn(onOthersCore(command), { detached: true })
  await untilUp(child, `haproxy in ${mode} mode`, () =>
    canDial(stage.node, { host: stage.node.v4, port: portOf(mode, MAIN) }),
  )
  const pid = child.pid!
  pinProxy(pid)
  return {
    name: `haproxy-${mode}`,
    client: stage.client,
    workDir: stage.node.workDir,
    pids: [pid],
    canDo: (load) =>
      mode !== 'tcp' || (load.isDenied !== true && load.rules === undefined && load.streams === undefined),
    targetOf: (load) => ({ host: stage.node.v4, port: portOf(mode, ruleSetOf(load)) }),
    restMs: 1000,
    tidy: () => truncateSync(log),
    stop: () => endProcess(child),
  }
}

function portOf(mode: Mode, set: RuleSet): number {
  return FIRST_PORT[mode] + RULE_SETS.indexOf(set)
}

function configurationText(stage: Stage, mode: Mode, sets: readonly RuleSet[], directory: string): string {
  return `
global
  nbthread 1
  maxconn ${maxPairs()}
defaults
  mode ${mode === 'tcp' ? 'tcp' : 'http'}
  maxconn ${maxPairs()}
  backlog 4096
  retries 0
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  ${mode === 'tcp' ? '' : 'timeout http-keep-alive 1h\n  http-reuse never'}
  ${mode === 'log' ? 'log fd@3 format raw local0 info\n  option httplog' : ''}
${sets.map((set) => proxyText(stage, mode, set, directory)).join('\n')}
`
}

function proxyText(stage: Stage, mode: Mode, set: RuleSet, directory: string): string {
  const patterns = join(directory, `paths-${set.port}`)
  writeFileSync(patterns, set.paths.map((path) => `^${path}$\n`).join(''))
  const rule = `http-request deny unless { method ${set.method ?? 'GET'} } { path -m reg -f ${patterns} }`
  return `
frontend front-${set.port}
  bind ${stage.node.v4}:${portOf(mode, set)}${set.isHttp2 === true ? ' proto h2' : ''}
  ${mode === 'tcp' ? '' : rule}
  default_backend back-${set.port}
backend back-${set.port}
  server nginx ${stage.server.v4}:${set.port}${set.isHttp2 === true ? ' proto h2' : ''}
`
}
