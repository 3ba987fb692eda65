// kcat as the measured client, in the client's pod: it needs no warm-up and little time of its own.
import { closeSync, existsSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { onOthersCore } from '../e2e/pinning.ts'
import { type Case } from './cases.ts'

const TIMEOUT_MS = 300_000

export interface LoadOptions {
  readonly server: string
  readonly topic: string
  readonly records: number
  /** For files with records; the caller removes it. */
  readonly workDir: string
}

/** @returns how long it took, in seconds */
export async function applyLoad(from: Namespace, test: Case, options: LoadOptions): Promise<number> {
  return test.does === 'produce' ? produce(from, test, options) : consume(from, test, options)
}

export async function produce(
  from: Namespace,
  { recordBytes, client }: Case,
  { server, topic, records, workDir }: LoadOptions,
): Promise<number> {
  const file = recordFile(workDir, recordBytes, records)
  return run(from, ['kcat', '-P', '-b', server, '-t', topic, '-p', '0', ...settings(client), '-l', file])
}

async function consume(
  from: Namespace,
  { client }: Case,
  { server, topic, records }: LoadOptions,
): Promise<number> {
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

/** What it prints is not looked at. */
async function run(from: Namespace, command: readonly string[]): Promise<number> {
  const startedMs = performance.now()
  await from.exec(onOthersCore(['sh', '-c', 'exec "$@" > /dev/null', 'sh', ...command]), {
    timeoutMs: TIMEOUT_MS,
  })
  return (performance.now() - startedMs) / 1000
}
