// h2load, and what it says about a run.
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Load } from './cases.ts'
import { unaryCall } from './grpc.ts'
import { type LoadResult } from './load-result.ts'
import { onOthersCore } from './pinning.ts'
import { DENIED_PATH } from './rules.ts'
import { type Variant } from './variants/variant.ts'

const SETTLED =
  /requests: (\d+) total, \d+ started, (\d+) done, \d+ succeeded, \d+ failed, (\d+) errored, (\d+) timeout/
const STATUSES = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/

export async function applyHttp2Load(variant: Variant, load: Load, seconds: number): Promise<LoadResult> {
  const { host, port } = variant.targetOf(load)
  const log = join(variant.workDir, 'h2load.log')
  rmSync(log, { force: true })
  const command = ['h2load', '--threads=1', `--clients=${load.connections}`, `--duration=${seconds}`]
  command.push(`--max-concurrent-streams=${load.streams ?? 1}`, `--log-file=${log}`)
  if (load.isGrpc === true) command.push(...unaryCall(variant.workDir))
  const paths = load.isHalfDenied === true ? [load.path, DENIED_PATH] : [load.path]
  command.push(...paths.map((path) => `http://${host}:${port}${path}`))
  const { stdout } = await variant.client.exec(onOthersCore(command), { timeoutMs: seconds * 1000 + 30_000 })
  const output = stdout.toString()
  const [, , done = 0, errored = 0, timedOut = 0] = (SETTLED.exec(output) ?? []).map(Number)
  const [, good = 0, , denied = 0] = (STATUSES.exec(output) ?? []).map(Number)
  const share = load.isHalfDenied === true ? 0.5 : 0
  // Requests are counted when they end: with as many under way as may be, the halves are not exactly equal.
  const isAsExpected = Math.abs(denied - done * share) <= load.connections * (load.streams ?? 1)
  if (done === 0 || errored + timedOut !== 0 || good + denied < done || !isAsExpected) {
    throw new Error(`h2load through ${variant.name} said: ${output}`)
  }
  const [p50Us, p99Us] = percentiles(readFileSync(log, 'latin1'))
  return { requests: done, seconds, p50Us, p99Us }
}

/** Each line: when it began, status, microseconds. */
function percentiles(log: string): [p50Us: number, p99Us: number] {
  const times = Float64Array.from(log.trimEnd().split('\n'), (line) =>
    Number(line.slice(line.lastIndexOf('\t') + 1)),
  )
  times.sort()
  return [times[Math.floor(times.length * 0.5)] ?? 0, times[Math.floor(times.length * 0.99)] ?? 0]
}
