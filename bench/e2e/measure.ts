// One run of one case through one proxy.
import { setTimeout as sleep } from 'node:timers/promises'
import { type Case } from './cases.ts'
import { holdIdle } from './idle.ts'
import { applyLoad, askOnce } from './load.ts'
import { type Options } from './options.ts'
import { cpuMicrosOf, rssBytesOf, sum, systemCpuMicros } from './process-stats.ts'
import { type Variant } from './variants/variant.ts'

/** null: does not apply. */
export interface Sample {
  readonly rps: number | null
  readonly cpuUsPerRequest: number | null
  /** Of all cores: client, server and kernel too. */
  readonly systemCpuUsPerRequest: number | null
  readonly p50Us: number | null
  readonly p99Us: number | null
  readonly rssBytes: number | null
  /** Memory that each of many idle connection pairs adds. */
  readonly idlePairBytes: number | null
  /** Memory that each of many idle streams adds, over the same connections. */
  readonly idleStreamBytes: number | null
}

/** Sockets of the run before are closed, and the log is written, by then. */
const SETTLE_MS = 150

export async function measure(variant: Variant, test: Case, options: Options): Promise<Sample> {
  await sleep(SETTLE_MS)
  const sample =
    test.isIdle === true
      ? await measureIdle(variant, test, options.isQuick)
      : await measureLoad(variant, test, options.seconds)
  variant.tidy()
  return sample
}

/** Compiles what is compiled on demand: rules in proxies, and Weir's code. */
export async function warmUp(variant: Variant, test: Case, isBrief: boolean): Promise<void> {
  if (!isBrief) await applyLoad(variant, test, 1)
  else if (test.rules !== undefined) await askOnce(variant, test)
  variant.tidy()
}

async function measureLoad(variant: Variant, test: Case, seconds: number): Promise<Sample> {
  const cpuBefore = sum(variant.pids.map(cpuMicrosOf))
  const systemBefore = systemCpuMicros()
  const result = await applyLoad(variant, test, seconds)
  const system = systemCpuMicros() - systemBefore
  const cpu = sum(variant.pids.map(cpuMicrosOf)) - cpuBefore
  return {
    rps: result.requests / result.seconds,
    cpuUsPerRequest: variant.pids.length === 0 ? null : cpu / result.requests,
    systemCpuUsPerRequest: system / result.requests,
    p50Us: result.p50Us,
    p99Us: result.p99Us,
    rssBytes: variant.pids.length === 0 ? null : sum(variant.pids.map(rssBytesOf)),
    idlePairBytes: null,
    idleStreamBytes: null,
  }
}

async function measureIdle(variant: Variant, test: Case, isBrief: boolean): Promise<Sample> {
  const { rssBytes, bytesOfOne } = await holdIdle(variant, test, isBrief)
  return {
    rps: null,
    cpuUsPerRequest: null,
    systemCpuUsPerRequest: null,
    p50Us: null,
    p99Us: null,
    rssBytes,
    idlePairBytes: test.areOpen === true ? null : bytesOfOne,
    idleStreamBytes: test.areOpen === true ? bytesOfOne : null,
  }
}
