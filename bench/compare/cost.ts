// What a redirect costs: requests on connections that stay, connections that do not, and CPU time of the proxy.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { TEST_PREFIX } from '../../test/helpers/leftovers.ts'
import { NodeNamespace } from '../../test/helpers/node-namespace.ts'
import { cpuMicrosOf } from '../e2e/process-stats.ts'
import { median } from '../e2e/statistics.ts'
import { measurePrograms, nanosecondsPerPacket, type ProgramCost } from './bpf-stats.ts'
import { type Mode, type Running } from './modes.ts'
import { makeSite, type Site, useNginx } from './site.ts'

const CONNECTIONS = 32

export interface Cost {
  requestsPerSecond: number | null
  p50Us: number | null
  p99Us: number | null
  cpuUsPerRequest: number | null
  connectionsPerSecond: number | null
  bpfNsPerPacket: number | null
  programs: readonly ProgramCost[]
}

export interface CostOptions {
  readonly rounds: number
  readonly seconds: number
}

/** `mode` undefined: no proxy at all. */
export async function measureCost(mode: Mode | undefined, options: CostOptions): Promise<Cost> {
  const site = await makeSite(`${mode?.name ?? 'direct'}-cost`)
  try {
    await useNginx(site)
    const running = await mode?.start(site)
    await wrk(site, 1, [])
    const kept = []
    const fresh = []
    for (let round = 0; round < options.rounds; round++) {
      const before = cpuOf(running)
      const result = await wrk(site, options.seconds, [])
      kept.push({ ...result, cpuUsPerRequest: (cpuOf(running) - before) / result.requests })
      fresh.push(await wrk(site, options.seconds, ['-H', 'Connection: close']))
    }
    const programs =
      running === undefined ? [] : await measurePrograms(site.node, async () => void (await wrk(site, 1, [])))
    return {
      requestsPerSecond: median(kept.map(({ perSecond }) => perSecond)),
      p50Us: median(kept.map(({ p50Us }) => p50Us)),
      p99Us: median(kept.map(({ p99Us }) => p99Us)),
      cpuUsPerRequest: running === undefined ? null : median(kept.map((sample) => sample.cpuUsPerRequest)),
      connectionsPerSecond: median(fresh.map(({ perSecond }) => perSecond)),
      bpfNsPerPacket: nanosecondsPerPacket(programs) ?? null,
      programs,
    }
  } finally {
    site.destroy()
  }
}

function cpuOf(running: Running | undefined): number {
  return (running?.pids() ?? []).reduce((sum, pid) => sum + cpuMicrosOf(pid), 0)
}

interface Load {
  readonly requests: number
  readonly perSecond: number
  readonly p50Us: number
  readonly p99Us: number
}

async function wrk(site: Site, seconds: number, args: readonly string[]): Promise<Load> {
  const command = ['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency', ...args]
  const { stdout } = await site.client.exec([...command, `http://${site.server.v4}/ok`], {
    timeoutMs: 60_000,
  })
  const text = stdout.toString()
  const requests = Number(/(\d+) requests in/.exec(text)?.[1] ?? 0)
  if (requests === 0 || text.includes('Non-2xx')) throw new Error(`wrk said: ${text}`)
  return {
    requests,
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50Us: micros(/50%\s+([\d.]+)(us|ms|s)/.exec(text)),
    p99Us: micros(/99%\s+([\d.]+)(us|ms|s)/.exec(text)),
  }
}

function micros(match: RegExpExecArray | null): number {
  const factor = { us: 1, ms: 1_000, s: 1_000_000 }[match?.[2] ?? 'us'] ?? 1
  return Number(match?.[1]) * factor
}

export interface SetupCost {
  readonly endpoints: number
  readonly medianMs: number
  readonly p99Ms: number
  readonly totalMs: number
  /** Per endpoint: less than the time on a machine that has other things to do. */
  readonly cpuMs: number
}

/** Programs for so many devices, one after the other. */
export async function measureSetup(mode: string, endpoints: number): Promise<SetupCost> {
  const node = NodeNamespace.named(`${TEST_PREFIX}${process.pid}-compare-${mode}-setup`)
  try {
    const devices = Array.from(
      { length: endpoints },
      (_, i) => `link add ep${i} type veth peer name peer${i}`,
    )
    node.ip(...devices)
    const program = join(packageRoot(), 'dist', 'bench', 'compare', 'setup-cost.js')
    const args = [program, node.stateDir, mode, String(endpoints), 'ep']
    const { stdout } = await node.exec([process.execPath, ...args], { timeoutMs: 300_000 })
    const { milliseconds, cpuMs } = JSON.parse(stdout.toString()) as { milliseconds: number[]; cpuMs: number }
    const sorted = milliseconds.sort((a, b) => a - b)
    return {
      endpoints,
      medianMs: median(sorted) ?? NaN,
      p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
      totalMs: sorted.reduce((sum, value) => sum + value, 0),
      cpuMs: cpuMs / endpoints,
    }
  } finally {
    node.destroy()
  }
}

/** What the same would cost with a compiler for each endpoint. */
export function measureCompile(clang: string, rounds: number): number {
  const source = join(packageRoot(), 'bpf', 'tc_endpoint.bpf.c')
  const include = `/usr/include/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`
  readFileSync(source)
  const times = Array.from({ length: rounds }, () => {
    const started = performance.now()
    const flags = ['-O2', '-g', '-target', 'bpf', '-I', join(packageRoot(), 'bpf', 'include'), '-I', include]
    execFileSync(clang, [...flags, '-c', source, '-o', '/dev/null'])
    return performance.now() - started
  })
  return median(times) ?? NaN
}
