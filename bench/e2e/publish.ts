// Puts what a full run printed where the page of benchmarks shows it.
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { writeResults } from '../markdown.ts'
import { type Machine } from './machine.ts'

export interface Run {
  readonly suite: string
  readonly rounds: number
  readonly seconds: number
}

interface Selection {
  readonly isQuick: boolean
  readonly cases: readonly string[]
  readonly proxies: readonly string[]
  readonly out: string | undefined
}

/** Where results go: only those of full runs, unless the user names a folder. */
export function resultFolder({ isQuick, cases, proxies, out }: Selection): string | undefined {
  const isFull = !isQuick && cases.length === 0 && proxies.length === 0
  return out ?? (isFull ? join(packageRoot(), 'bench', 'results') : undefined)
}

export function publish({ suite, rounds, seconds }: Run, machine: Machine, text: string): void {
  const page = join(packageRoot(), 'bench', 'README.md')
  const { cpu, cores, kernel, node, versions, commit, date } = machine
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  const where = [cpu, `${cores} cores`, `Linux ${kernel}`, `Node ${node}`, ...programs, `commit ${commit}`]
  const how = `${where.join(', ')}, ${date.slice(0, 10)}; ${rounds} rounds of ${seconds} s.`
  writeResults(page, `npm run bench -- --only ${suite}`, `${how}\n\n\`\`\`text\n${text.trim()}\n\`\`\``)
  console.log(`and into ${page}`)
}
