// Question: what do produced and consumed megabytes cost through Weir's real datapath, beside the same without it?
// Run by scripts/bench.mjs; see ../README.md.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { canRunKafka } from '../../test/helpers/kafka-broker.ts'
import { KAFKA_LIB } from '../../test/helpers/kafka-tools.ts'
import { removeLeftovers } from '../../test/helpers/leftovers.ts'
import { describeMachine, type Machine } from '../e2e/machine.ts'
import { publish, resultFolder } from '../e2e/publish.ts'
import { align, number, ratio } from '../e2e/report.ts'
import { type Measured, medianOf, pairedRatio } from '../e2e/statistics.ts'
import { type Case } from './cases.ts'
import { type Options } from './options.ts'
import { runSuite, type Sample, selectCases } from './suite.ts'

const MEASURES = [
  'mbPerSecond',
  'cpuUsPerMb',
  'clientCpuUsPerMb',
  'brokerCpuUsPerMb',
  'systemCpuUsPerMb',
  'rssBytes',
] as const
/** Of what goes through without a proxy. */
const GOAL = 0.9

export async function runBench(options: Options): Promise<void> {
  const missing = (message: string): never => {
    throw new Error(message)
  }
  canRunKafka({ fail: missing, comment: missing })
  removeLeftovers()
  const all = await runSuite(options, console.log)
  const cases = selectCases(options)
  const text = [
    cases.map((test) => caseTable(test, all)).join('\n'),
    '\nx: ratio to direct in the same round (median). "all CPU": client, broker and kernel, too.\n',
    goalTable(cases, all),
  ].join('\n')
  console.log(text)
  const out = resultFolder(options)
  if (out === undefined) return
  mkdirSync(out, { recursive: true })
  const { rounds, seconds } = options
  const file = join(out, 'kafka.json')
  writeFileSync(
    file,
    `${JSON.stringify({ machine: machine(), rounds, seconds, rows: all.map(rowOf) }, null, 2)}\n`,
  )
  console.log(`\nwritten: ${file}`)
  if (options.out === undefined) publish({ suite: 'kafka', rounds, seconds }, machine(), text)
}

function machine(): Machine {
  const { versions: _others, ...rest } = describeMachine(undefined)
  const java = execFileSync('java', ['--version'], { encoding: 'utf8' })
  const clients = readdirSync(KAFKA_LIB).find((name) => name.startsWith('kafka-clients-'))
  const version = (text: string | undefined): string => /\d+(\.\d+)+/.exec(text ?? '')?.[0] ?? 'unknown'
  return { ...rest, versions: { kafka: version(clients), java: version(java) } }
}

function caseTable(test: Case, all: readonly Measured<Sample>[]): string {
  const rows = all.filter((measured) => measured.case === test.name)
  const direct = rows.find(({ proxy }) => proxy === 'direct')
  const table = [['  proxy', 'MB/s', 'x', 'CPU us/MB', 'client', 'broker', 'all CPU', 'x', 'RSS MB']]
  for (const row of rows) {
    const rss = medianOf(row, 'rssBytes')
    table.push([
      `  ${row.proxy}`,
      number(medianOf(row, 'mbPerSecond')),
      ratio(pairedRatio(row, direct, 'mbPerSecond')),
      number(medianOf(row, 'cpuUsPerMb')),
      number(medianOf(row, 'clientCpuUsPerMb')),
      number(medianOf(row, 'brokerCpuUsPerMb')),
      number(medianOf(row, 'systemCpuUsPerMb')),
      ratio(pairedRatio(row, direct, 'systemCpuUsPerMb')),
      number(rss === null ? null : rss / 1e6),
    ])
  }
  return `\n${test.title}\n${align(table, 1)}`
}

function goalTable(cases: readonly Case[], all: readonly Measured<Sample>[]): string {
  const rows = cases.map(({ name }) => {
    const find = (proxy: string): Measured<Sample> | undefined =>
      all.find((measured) => measured.case === name && measured.proxy === proxy)
    const value = pairedRatio(find('weir'), find('direct'), 'mbPerSecond')
    const verdict = value === null ? 'not measured' : value >= GOAL ? 'met' : 'MISSED'
    return [`${name} >= ${GOAL}x direct`, value === null ? '-' : `${value.toFixed(2)}x`, verdict]
  })
  return align([['goal', 'weir', ''], ...rows], 1)
}

/** Medians over the rounds. */
function rowOf(measured: Measured<Sample>): unknown {
  const values = MEASURES.map((measure) => {
    const value = medianOf(measured, measure)
    return [measure, value === null ? null : Number(value.toPrecision(4))]
  })
  return { case: measured.case, proxy: measured.proxy, ...Object.fromEntries(values) }
}
