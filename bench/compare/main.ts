// `npm run compare`: one table of scenarios through every way to redirect.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { describeHost, describeMachine } from '../e2e/machine.ts'
import { writeResults } from '../markdown.ts'
import { measureCompile, measureCost, measureSetup } from './cost.ts'
import { MODES } from './modes.ts'
import { chart } from './chart.ts'
import { behaviourTable, costTable, type ModeResult, type Results, setupText } from './report.ts'
import { behaviour } from './scenarios.ts'

export interface CompareOptions {
  readonly isQuick: boolean
  /** Names; empty = all. */
  readonly only: readonly string[]
  readonly clang: string
}

export async function runCompare({ isQuick, only, clang }: CompareOptions): Promise<void> {
  const started = performance.now()
  const load = isQuick ? { rounds: 1, seconds: 1 } : { rounds: 3, seconds: 4 }
  const endpoints = isQuick ? 50 : 1000
  const say = (what: string): void =>
    console.log(`${((performance.now() - started) / 1000).toFixed(0).padStart(4)} s  ${what}`)
  const modes: ModeResult[] = []
  say('no proxy: cost')
  const direct = await measureCost(undefined, load)
  for (const mode of MODES.filter(({ name }) => only.length === 0 || only.includes(name))) {
    say(`${mode.title}: behaviour`)
    const results = await behaviour(mode)
    say(`${mode.title}: cost`)
    const cost = await measureCost(mode, load)
    if (mode.hasPrograms) say(`${mode.title}: set-up of ${endpoints} endpoints`)
    const setup = mode.hasPrograms ? await measureSetup(mode.name, endpoints) : null
    modes.push({ name: mode.name, title: mode.title, behaviour: results, cost, setup })
  }
  say('compiling')
  const results: Results = {
    machine: describeMachine(undefined),
    isQuick,
    modes,
    direct,
    compileMs: measureCompile(clang, isQuick ? 3 : 7),
    seconds: (performance.now() - started) / 1000,
  }
  report(results, isQuick || only.length > 0)
}

/** Runs that leave something out show what they found and leave what is published alone. */
function report(results: Results, isPartial: boolean): void {
  const text = [behaviourTable(results), costTable(results), setupText(results)].join('\n\n')
  console.log(`\n${text}\n\n${results.seconds.toFixed(0)} s`)
  if (isPartial) return
  const folder = join(packageRoot(), 'bench', 'results')
  writeFileSync(join(folder, 'compare.json'), `${JSON.stringify(results, undefined, 2)}\n`)
  writeFileSync(join(folder, 'compare.svg'), chart(results))
  writeResults(
    join(packageRoot(), 'docs', 'redirects.md'),
    'npm run compare',
    `${describeHost(results.machine)}\n\n${text}`,
  )
  console.log('written: bench/results/compare.json, bench/results/compare.svg, docs/redirects.md')
}
