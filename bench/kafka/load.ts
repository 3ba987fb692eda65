// kcat as the measured client, in the client's pod: it needs no warm-up and little time of its own.
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { onOthersCore } from '../e2e/pinning.ts'
import { sum } from '../e2e/process-stats.ts'
import { type Case } from './cases.ts'

const TIMEOUT_MS = 300_000

export interface LoadOptions {
  readonly server: string
  readonly topic: string
  readonly records: number
  /** For files with records; the caller removes it. */
  readonly workDir: string
}

export interface LoadResult {
  readonly seconds: number
  /** Of the client, to the nearest 10 ms. */
  readonly cpuUs: number
}

export async function applyLoad(from: Namespace, test: Case, options: LoadOptions): Promise<LoadResult> {
  return test.does === 'produce' ? produce(from, test, options) : consume(from, test, options)
}

export async function produce(
  from: Namespace,
  { recordBytes, client }: Case,
  { server, topic, records, workDir }: LoadOptions,
): Promise<LoadResult> {
  const file = recordFile(workDir, recordBytes, records)
  return run(from, ['kcat', '-P', '-b', server, '-t', topic, '-p', '0', ...settings(client), '-l', file])
}

async function consume(
  from: Namespace,
  { client }: Case,
  { server, topic, records }: LoadOptions,
): Promise<LoadResult> {
  const which = ['-t', topic, '-p', '0', '-o', 'beginning', '-c', String(records)]
  const format = ['-q', '-f', '%S\n']
  return run(from, ['kcat', '-C', '-b', server, ...which, ...format, ...settings(client)])
}

function settings(client: Case['client']): string[] {
  return Object.entries(client).flatMap(([key, value]) => ['-X', `${key}=${value}`])
}

/** One record per line, no two alike at their beginning. */
function recordFile(directory: string, recordBytes: number, records: number): string {
  const file = join(directory, `${records}-of-${recordBytes}`)
  if (existsSync(file)) return file
  const fd = openSync(file, 'w')
  const perWrite = Math.ceil(1e6 / recordBytes)
  for (let first = 0; first < records; first += perWrite) {
    const count = Math.min(perWrite, records - first)
    const lines = Array.from({ length: count }, (_, i) => `${first + i} `.padEnd(recordBytes, 'x'))
    writeSync(fd, lines.join('\n') + '\n')
  }
  closeSync(fd)
  return file
}

/** What the command prints is not looked at; what the shell says of its CPU time is. */
const TIMED = '"$@" > /dev/null || exit; times'

async function run(from: Namespace, command: readonly string[]): Promise<LoadResult> {
  const startedMs = performance.now()
  const { stdout } = await from.exec(onOthersCore(['sh', '-c', TIMED, 'sh', ...command]), {
    timeoutMs: TIMEOUT_MS,
  })
  const seconds = (performance.now() - startedMs) / 1000
  // User and system time of the shell, then of its children: `0m0.03s 0m0.01s`.
  const children = stdout.toString().trim().split('\n').at(-1) ?? ''
  const times = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(([, m, s]) => Number(m) * 60 + Number(s))
  return { seconds, cpuUs: sum(times) * 1e6 }
}
