// Question: what does a request cost through Weir's real datapath, and through the proxies that it is compared to?
// Run by scripts/bench.mjs; see ../README.md.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { removeLeftovers } from '../../test/helpers/leftovers.ts'
import { raiseDescriptorLimit } from './descriptors.ts'
import { checkGoals } from './goals.ts'
import { runSuite, selectCases } from './suite.ts'
import { describeMachine } from './machine.ts'
import { publish, resultFolder } from './publish.ts'
import { type Sample } from './measure.ts'
import { type Options } from './options.ts'
import { goalTable, resultTable } from './report.ts'
import { type Measured, medianOf } from './statistics.ts'
import { drawChart } from './svg.ts'

const MEASURES = [
  'rps',
  'cpuUsPerRequest',
  'systemCpuUsPerRequest',
  'p50Us',
  'p99Us',
  'rssBytes',
  'idlePairBytes',
  'idleStreamBytes',
] as const satisfies readonly (keyof Sample)[]

export async function runBench(options: Options): Promise<void> {
  removeLeftovers()
  raiseDescriptorLimit()
  const machine = describeMachine(options.envoy)
  const all = await runSuite(options, console.log)
  const cases = selectCases(options)
  const text = [
    resultTable(cases, all),
    '\nx: ratio to haproxy-http in the same round (median). "all CPU": client, server and kernel, too.\n',
    goalTable(checkGoals(options.suite, all)),
  ].join('\n')
  console.log(text)
  const out = resultFolder(options)
  if (out === undefined) return
  mkdirSync(out, { recursive: true })
  const { rounds, seconds } = options
  const rows = all.map(rowOf)
  writeFileSync(
    join(out, `${options.suite}.json`),
    `${JSON.stringify({ machine, rounds, seconds, rows }, null, 2)}\n`,
  )
  writeFileSync(join(out, `${options.suite}.svg`), drawChart(options.suite, cases, all, machine))
  console.log(`\nwritten: ${join(out, `${options.suite}.json`)} and ${options.suite}.svg`)
  if (options.out === undefined) publish(options, machine, text)
}

/** Medians over the rounds. */
function rowOf(measured: Measured): unknown {
  const values = MEASURES.map((measure) => [measure, rounded(medianOf(measured, measure))])
  return { case: measured.case, proxy: measured.proxy, ...Object.fromEntries(values) }
}

function rounded(value: number | null): number | null {
  return value === null ? null : Number(value.toPrecision(4))
}
