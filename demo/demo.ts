// The demo: stage, Weir, the requests of the talk, a table of what became of them; then it stays up to be played with.
import { once } from 'node:events'
import { join } from 'node:path'
import { type Flow } from '../src/lib/flow.ts'
import { packageRoot } from '../src/lib/paths.ts'
import { curl, CURL_TIMED_OUT } from '../test/helpers/curl.ts'
import { type Namespace } from '../test/helpers/namespace.ts'
import { WeirProcess, weirCli } from '../test/helpers/weir-process.ts'
import {
  buildStage,
  DemoError,
  type ShipName,
  type Stage,
  type StageNames,
  strikeLeftovers,
} from './stage.ts'
import { perform } from './performance.ts'
import { type Addresses, type Cast, CONNECT_TIMEOUT_MS, type Player } from './story.ts'

const FOLDER = join(packageRoot(), 'demo')
const NAMES: StageNames = { node: 'weir-demo', podPrefix: '' }
const EXIT_INTERRUPTED = 130

export interface DemoOptions {
  readonly endsAfterTable: boolean
  readonly names?: StageNames
}

/** @returns the exit code: 0 when every outcome was right */
export async function runDemo({ endsAfterTable, names = NAMES }: DemoOptions): Promise<number> {
  if (strikeLeftovers(names)) console.log('removed what an earlier demo had left')
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort())
  const stage = await buildStage(names)
  const stopped = once(interrupted.signal, 'abort').then(() => 'stopped' as const)
  let weir: WeirProcess | undefined
  try {
    weir = await Promise.race([startWeir(stage), stopped.then(() => undefined)])
    const isAllRight = weir && (await Promise.race([performWith(stage, weir), stopped]))
    if (isAllRight === undefined || isAllRight === 'stopped') return EXIT_INTERRUPTED
    if (!endsAfterTable) {
      printInvitation(stage)
      await stopped
    }
    return isAllRight ? 0 : 1
  } finally {
    await strike(stage, weir)
  }
}

async function performWith(stage: Stage, weir: WeirProcess): Promise<boolean> {
  const isAllRight = await perform(castOf(stage), () => weir.flows<Flow>())
  if (!isAllRight) console.log(weir.logText())
  return isAllRight
}

async function startWeir(stage: Stage): Promise<WeirProcess> {
  const files = ['--endpoints', join(FOLDER, 'endpoints.yaml'), '--policies', join(FOLDER, 'policies')]
  const weir = await WeirProcess.start(stage.node, { command: ['run', ...files] })
  console.log(
    `weir runs in the namespace ${stage.node.name} (pid ${weir.pid}), nginx in ${stage.pods.deathstar.name}`,
  )
  return weir
}

function castOf({ node, pods }: Stage): Cast {
  const playerOf = (from: Namespace & Addresses): Player => ({
    v4: from.v4,
    v6: from.v6,
    send: async (method, url) => {
      const { status, exitCode, error } = await curl(from, url, {
        method,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
      })
      if (status !== 0) return String(status)
      return exitCode === CURL_TIMED_OUT ? 'dropped' : error
    },
  })
  const { tiefighter, xwing, deathstar } = pods
  return {
    players: { tiefighter: playerOf(tiefighter), xwing: playerOf(xwing), host: playerOf(node) },
    deathstar,
  }
}

function printInvitation({ node, pods }: Stage): void {
  const main = 'sudo node dist/src/main.js'
  const state = `--state-dir ${node.stateDir}`
  const curlAs = (who: ShipName, request: string, address = pods.deathstar.v4): string =>
    `sudo ip netns exec ${pods[who].name} curl -sS -m 2 ${request.replace('HOST', address)}`
  console.log(`
It stays up. In a second terminal, in this folder, see each request as it happens:
  ${main} observe -f ${state}

and in a third one:
  ${curlAs('tiefighter', '-X POST http://HOST/v1/request-landing')}
  ${curlAs('tiefighter', '-i -X PUT http://HOST/v1/exhaust-port', `[${pods.deathstar.v6}]`)}
  ${curlAs('xwing', '-X POST http://HOST/v1/request-landing')}
  ${main} status ${state}
  ${main} endpoint list ${state}
  ${main} bpf policy ${state}

Change demo/policies/empire-landing.yaml: what you save is in force at once.
Ctrl-C ends the demo and leaves the machine as it was.`)
}

/** Weir takes its own things away first, to show that it can; then everything else goes. */
async function strike(stage: Stage, weir: WeirProcess | undefined): Promise<void> {
  process.stdout.write('\ncleaning up ... ')
  const startedMs = performance.now()
  try {
    await weir?.stop()
    await weirCli(stage.node, ['cleanup'], { timeoutMs: 10_000 })
  } catch (error) {
    console.log(`Weir did not clean up after itself: ${String(error)}`)
  } finally {
    await stage.strike()
  }
  console.log(`done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`)
}

export { DemoError }
