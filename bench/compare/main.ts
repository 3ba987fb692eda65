// `npm run compare`: one table of scenarios through every way to redirect.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { describeHost, describeMachine } from '../e2e/machine.ts'
import { writeResults } from '../markdown.ts'
import { measureCompile, measureCost, measureSetup } from './cost.ts'
import { MODES } from './modes.ts'
import { behaviourTable, chart, costTable, type ModeResult, type Results, setupText } from './report.ts'
import { behaviour } from './scenarios.ts'

export interface CompareOptions {
  readonly isQuick: boolean
  /** Names; empty = all. */
  readonly only: readonly string[]
  readonly clang: string
}

export async function runCompare({ isQuick, only, clang }: CompareOptions): Promise<void> {
  const load = isQuick ? { rounds: 1, seconds: 2 } : { rounds: 3, seconds: 4 }
  const modes: ModeResult[] = []
  console.log('direct: cost')
  const direct = await measureCost(undefined, load)
  for (const mode of MODES.filter(({ name }) => only.length === 0 || only.includes(name))) {
    console.log(`${mode.title}: behaviour`)
    const results = await behaviour(mode)
    console.log(`${mode.title}: cost`)
    const cost = await measureCost(mode, load)
    const hasPrograms = !mode.name.startsWith('iptables')
    const setup = hasPrograms ? { setup: await measureSetup(mode.name, 20) } : {}
    modes.push({ name: mode.name, title: mode.title, behaviour: results, cost, ...setup })
  }
  console.log('set-up')
  const results: Results = {
    machine: describeMachine(undefined),
    isQuick,
    modes,
    direct,
    compileMs: measureCompile(clang, isQuick ? 3 : 7),
    manyEndpoints: await measureSetup('hybrid', isQuick ? 100 : 1000),
  }
  report(results, isQuick || only.length > 0)
}

/** Quick runs show what they found and leave the published page alone. */
function report(results: Results, isPartial: boolean): void {
  const text = [behaviourTable(results), costTable(results), setupText(results)].join('\n\n')
  console.log(`\n${text}\n`)
  const folder = join(packageRoot(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'compare.json'), `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(join(folder, 'compare.svg'), chart(results))
  console.log('written: bench/results/compare.json, bench/results/compare.svg')
  if (isPartial) return
  const page = join(packageRoot(), 'docs', 'redirects.md')
  writeResults(page, 'npm run compare', `${describeHost(results.machine)}\n\n${text}`)
  console.log('written: docs/redirects.md')
}
