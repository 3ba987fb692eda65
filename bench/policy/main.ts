// `npm run bench:policy`: how long the policy engine takes, and how much memory. One process; as root also what
// policy maps of the kernel cost. Writes bench/results/policy.json and the tables in bench/README.md.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { describeHost, thisHost } from '../e2e/machine.ts'
import { table, writeResults } from '../markdown.ts'
import { churn, oneEndpoint, portsTimesPeers, prefixes } from './cases.ts'
import { goals, time } from './goals.ts'
import { kernelMaps, withPolicyMaps } from './kernel.ts'
import type { Row } from './measure.ts'

const rows: Row[] = []
measure(() => oneEndpoint(1000))
measure(() => oneEndpoint(10_000))
measure(prefixes)
measure(portsTimesPeers)
const hasKernel = withPolicyMaps((maps) => {
  measure(() => churn(maps))
  measure(() => kernelMaps(maps))
  return true
})
if (hasKernel !== true) {
  console.log('not root: policy maps of the kernel are left out, and nothing is written')
  measure(() => churn(undefined))
}

const machine = thisHost()
const text = [describeHost(machine), goalTable(), rowTable()].join('\n\n')
console.log(`\n${text}\n`)
if (hasKernel === true) {
  const folder = join(packageRoot(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'policy.json'), `${JSON.stringify({ machine, rows }, undefined, 2)}\n`)
  writeResults(join(packageRoot(), 'bench', 'README.md'), 'npm run bench:policy', text)
  console.log('written: bench/results/policy.json, bench/README.md')
}

function measure(suite: () => readonly Row[]): void {
  for (const row of suite()) {
    rows.push(row)
    console.log(`${row.case}: ${time(row.p50Us)}`)
  }
}

function goalTable(): string {
  const lines = goals(rows).map(({ goal, measured, isMet }) => [goal, measured, isMet ? 'met' : 'MISSED'])
  return table([['Goal', 'Measured', ''], ...lines])
}

function rowTable(): string {
  const lines = rows.map(({ case: name, n, p50Us, p99Us, bytesPerItem }) => {
    return [name, String(n), time(p50Us), time(p99Us), String(bytesPerItem ?? '')]
  })
  return table([['Case', 'n', 'p50', 'p99', 'bytes each'], ...lines])
}
