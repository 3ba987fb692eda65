// wrk, and what it says about a run.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Load } from './cases.ts'
import { applyHttp2Load } from './load-http2.ts'
import { type LoadResult } from './load-result.ts'
import { onOthersCore } from './pinning.ts'
import { pathsUnder } from './rules.ts'
import { type Variant } from './variants/variant.ts'

interface Report {
  readonly requests: number
  readonly durationUs: number
  readonly p50Us: number
  readonly p99Us: number
  /** Answers with 400 or above. */
  readonly refused: number
  /** Connections that failed or answers that did not come. */
  readonly broken: number
}

const MARKER = 'weir-bench '

/** The run under way may be cut short by wrk with each connection holding one request: no more may be lost. */
export async function applyLoad(variant: Variant, load: Load, seconds: number): Promise<LoadResult> {
  if (load.streams !== undefined) return applyHttp2Load(variant, load, seconds)
  const { host, port } = variant.targetOf(load)
  const script = join(variant.workDir, 'load.lua')
  writeFileSync(script, scriptText(load))
  const command = ['wrk', '-t1', `-c${load.connections}`, `-d${seconds}s`, '--timeout', '10s']
  command.push('-s', script)
  for (const header of load.headers ?? []) command.push('-H', header)
  command.push(`http://${host}:${port}${load.path === '' ? '/' : load.path}`)
  const { stdout } = await variant.client.exec(onOthersCore(command), { timeoutMs: seconds * 1000 + 30_000 })
  const output = stdout.toString()
  const line = output.split('\n').find((candidate) => candidate.startsWith(MARKER))
  if (line === undefined) throw new Error(`wrk through ${variant.name} said: ${output}`)
  const report = JSON.parse(line.slice(MARKER.length)) as Report
  const refused = load.isDenied === true ? report.requests - report.refused : report.refused
  if (refused !== 0 || report.broken !== 0 || report.requests === 0) {
    throw new Error(`${variant.name}, ${load.path} at ${host}:${port}: ${line}`)
  }
  return {
    requests: report.requests,
    seconds: report.durationUs / 1e6,
    p50Us: report.p50Us,
    p99Us: report.p99Us,
  }
}

/** One request. */
export async function askOnce(variant: Variant, load: Load): Promise<void> {
  const { host, port } = variant.targetOf(load)
  const path = load.rules === undefined ? load.path : pathsUnder(load.rules)[0]!
  await variant.client.exec([
    'curl',
    '--silent',
    '--fail',
    '--output',
    '/dev/null',
    `http://${host}:${port}${path}`,
  ])
}

function scriptText(load: Load): string {
  const paths = load.rules === undefined ? '' : pathsText(pathsUnder(load.rules))
  return `${paths}
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '${MARKER}{"requests":%d,"durationUs":%d,"p50Us":%d,"p99Us":%d,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
`
}

/** Requests are put together once: the client must cost the same whatever is measured. */
function pathsText(paths: readonly string[]): string {
  return `
local paths = { ${paths.map((path) => `"${path}"`).join(', ')} }
local requests = {}
local last = 0
init = function()
  for i, path in ipairs(paths) do requests[i] = wrk.format("GET", path) end
end
request = function()
  last = last % #requests + 1
  return requests[last]
end
`
}
