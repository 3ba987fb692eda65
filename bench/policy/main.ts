// `npm run bench:policy`: how long the policy engine takes, and how much memory. Pure computation, one process.
import { mkdirSync, writeFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { churn, oneEndpoint, portsTimesPeers, prefixes } from './cases.ts'
import { kernelMaps } from './kernel.ts'
import type { Row } from './measure.ts'

const machine = {
  kernel: release(),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  node: process.version,
}
const suites = [
  () => oneEndpoint(1000),
  () => oneEndpoint(10_000),
  prefixes,
  portsTimesPeers,
  churn,
  kernelMaps,
]
const rows = suites.flatMap((suite) => {
  const measured = suite()
  for (const one of measured) console.log(line(one))
  return measured
})
const folder = join(packageRoot(), 'bench', 'results')
mkdirSync(folder, { recursive: true })
const path = join(folder, 'policy.json')
writeFileSync(path, `${JSON.stringify({ machine, rows }, undefined, 2)}\n`)
console.log(`written to ${path}`)

/** A row of the table in bench/README.md. */
function line({ case: name, n, p50Us, p99Us, bytesPerItem }: Row): string {
  return `| ${name} | ${n} | ${time(p50Us)} | ${time(p99Us)} | ${bytesPerItem ?? ''} |`
}

function time(us: number): string {
  return us >= 1000 ? `${(us / 1000).toFixed(us >= 100_000 ? 0 : 1)} ms` : `${us.toFixed(0)} us`
}
