// What weir says about traffic: the records of `weir observe -f`, and the counters of `weir status`.
import { type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { type Status__Output } from '../../src/gen/weir/v1/Status.ts'
import { type Flow } from '../../src/lib/flow.ts'
import { packageRoot } from '../../src/lib/paths.ts'
import { waitFor } from './wait.ts'
import { type WeirProcess } from './weir-process.ts'

/** Matches records whose fields, as far as they are named here, are equal. */
export interface FlowPattern {
  readonly from?: string
  readonly to?: string
  readonly port?: number
  readonly fromPort?: number
  readonly verdict?: Flow['verdict']
  /** Last part of the URL. */
  readonly path?: string
  readonly reason?: string
}

/** A running `weir observe -f`. Ends with the node. */
export class Observer {
  /** In order of arrival, since weir started. */
  readonly flows: Flow[] = []
  readonly #process: ChildProcess

  constructor({ node }: WeirProcess) {
    const main = join(packageRoot(), 'dist', 'src', 'main.js')
    const command = ['observe', '-f', '-o', 'json', '--last', '1000', '--state-dir', node.stateDir]
    this.#process = node.spawn([process.execPath, main, ...command], { stdio: ['ignore', 'pipe', 'ignore'] })
    const lines = createInterface({ input: this.#process.stdout! })
    lines.on('line', (line) => this.flows.push(JSON.parse(line) as Flow))
  }

  matching(pattern: FlowPattern): Flow[] {
    return this.flows.filter((flow) => isMatch(flow, pattern))
  }

  /** The first record, past or future, that fits. */
  async record(pattern: FlowPattern): Promise<Flow> {
    const what = `a record of ${JSON.stringify(pattern)}`
    return waitFor(() => this.matching(pattern)[0], { what }).catch((error: unknown) => {
      throw new Error(`${String(error)}; last: ${JSON.stringify(this.flows.slice(-3))}`)
    })
  }
}

function isMatch(flow: Flow, { from, to, port, fromPort, verdict, path, reason }: FlowPattern): boolean {
  const { source_port: sourcePort, destination_port: destinationPort } = flow.l4.TCP ?? flow.l4.UDP ?? {}
  return (
    (from === undefined || from === flow.IP.source) &&
    (to === undefined || to === flow.IP.destination) &&
    (port === undefined || port === destinationPort) &&
    (fromPort === undefined || fromPort === sourcePort) &&
    (verdict === undefined || verdict === flow.verdict) &&
    (path === undefined || flow.l7?.http?.url.endsWith(path) === true) &&
    (reason === undefined || reason === flow.weir.reason)
  )
}

export async function statusOf(weir: WeirProcess): Promise<Status__Output> {
  return (await weir.json('status')) as Status__Output
}

/** Packets dropped so far. */
export async function dropsOf(
  weir: WeirProcess,
  reason: string,
  direction: 'ingress' | 'egress',
): Promise<number> {
  const { drops } = await statusOf(weir)
  return drops.find((drop) => drop.reason === reason && drop.direction === direction)?.packets ?? 0
}

export interface ProxyTotals {
  /** Connections accepted, by slot. */
  readonly connections: readonly number[]
  readonly requests: number
}

/** Of all workers, as soon as they have judged `requests` requests: they report once per second. */
export async function proxyTotals(weir: WeirProcess, requests: number): Promise<ProxyTotals> {
  return waitFor(
    async () => {
      const { workers } = await statusOf(weir)
      const judged = sum(workers.map((worker) => worker.requestsAllowed + worker.requestsDenied))
      if (judged < requests) return undefined
      return { connections: workers.map(({ connectionsTotal }) => connectionsTotal), requests: judged }
    },
    { what: `the workers to report ${requests} requests` },
  )
}

export const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0)
