// One suite of cases through every proxy, in turn, in several rounds.
import { packageRoot } from '../../src/lib/paths.ts'
import { type Case, SUITES } from './cases.ts'
import { measure, type Sample, warmUp } from './measure.ts'
import { type Options } from './options.ts'
import { MAIN, RULE_SETS, type RuleSet, ruleSetOf } from './rules.ts'
import { Stage } from './stage.ts'
import { type Measured } from './statistics.ts'
import { direct } from './variants/direct.ts'
import { startEnvoy } from './variants/envoy.ts'
import { startHaproxy } from './variants/haproxy.ts'
import { type Variant } from './variants/variant.ts'
import { startWeir } from './variants/weir.ts'

interface Entry {
  readonly name: string
  /** `sets`: what it enforces. */
  readonly start: (stages: Stages, sets: readonly RuleSet[]) => Promise<Variant>
}

/** Stages by name, made when somebody needs them. */
class Stages {
  readonly #stages = new Map<string, Stage>()

  async get(name: string): Promise<Stage> {
    const known = this.#stages.get(name)
    if (known !== undefined) return known
    const stage = await Stage.make(name)
    this.#stages.set(name, stage)
    return stage
  }

  destroy(): void {
    for (const stage of this.#stages.values()) stage.destroy()
  }
}

export function selectCases({ suite, cases, isQuick }: Options): readonly Case[] {
  const all = SUITES[suite]
  if (cases.length > 0) return all.filter(({ name }) => cases.includes(name))
  return all.filter(({ isThorough }) => !isQuick || isThorough !== true)
}

export async function runSuite(options: Options, say: (line: string) => void): Promise<Measured[]> {
  const entries = selectEntries(options)
  const tests = selectCases(options)
  const stages = new Stages()
  const endNow = (): void => {
    stages.destroy()
    process.exit(1)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, endNow)
  const results = new Map<string, { case: string; proxy: string; samples: Sample[] }>()
  const record = (test: Case, proxy: string, sample: Sample): void => {
    const key = `${test.name} ${proxy}`
    if (!results.has(key)) results.set(key, { case: test.name, proxy, samples: [] })
    results.get(key)!.samples.push(sample)
    if (options.isVerbose) say(`${key} ${JSON.stringify(sample)}`)
  }
  try {
    const loads = tests.filter(({ isIdle }) => isIdle !== true)
    if (loads.length > 0) {
      await withVariants(entries, stages, RULE_SETS, async (variants) => {
        say('warming up')
        for (const variant of variants) {
          for (const test of loads) if (variant.canDo(test)) await warmUp(variant, test, options.isQuick)
        }
        for (let round = 0; round < options.rounds; round++) {
          say(`round ${round + 1} of ${options.rounds}`)
          for (const test of loads) {
            for (const variant of rotated(variants, round)) {
              if (variant.canDo(test)) record(test, variant.name, await measure(variant, test, options))
            }
          }
        }
      })
    }
    // Each in a fresh process with few rules: memory that load and large rule sets have left would hide what a
    // connection takes.
    for (const test of tests.filter(({ isIdle }) => isIdle === true)) {
      say(test.title)
      for (const entry of entries) {
        const sets = [...new Set([MAIN, ruleSetOf(test)])]
        await withVariants([entry], stages, sets, async ([variant]) => {
          if (variant!.canDo(test)) record(test, entry.name, await measure(variant!, test, options))
        })
      }
    }
  } finally {
    stages.destroy()
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, endNow)
  }
  const order = entries.map(({ name }) => name)
  return [...results.values()].sort((a, b) => order.indexOf(a.proxy) - order.indexOf(b.proxy))
}

async function withVariants(
  entries: readonly Entry[],
  stages: Stages,
  sets: readonly RuleSet[],
  action: (variants: readonly Variant[]) => Promise<void>,
): Promise<void> {
  const variants: Variant[] = []
  try {
    for (const entry of entries) variants.push(await entry.start(stages, sets))
    await action(variants)
  } finally {
    await Promise.all(variants.map((variant) => variant.stop()))
  }
}

function selectEntries({ proxies, envoy, other, isQuick, nodeFlags }: Options): Entry[] {
  const weir = (name: string, root: string, hasAccessLog: boolean): Entry => ({
    name,
    start: async (stages, sets) =>
      startWeir(await stages.get(name), { name, root, hasAccessLog, nodeFlags, sets }),
  })
  const entries: Entry[] = [
    { name: 'direct', start: async (stages) => direct(await stages.get('plain')) },
    { name: 'haproxy-tcp', start: async (stages) => startHaproxy(await stages.get('plain'), 'tcp', [MAIN]) },
    {
      name: 'haproxy-http',
      start: async (stages, sets) => startHaproxy(await stages.get('plain'), 'http', sets),
    },
    weir('weir', packageRoot(), true),
  ]
  if (!isQuick || proxies.includes('haproxy-log')) {
    const start: Entry['start'] = async (stages, sets) => startHaproxy(await stages.get('plain'), 'log', sets)
    entries.push({ name: 'haproxy-log', start })
  }
  if (!isQuick || proxies.includes('weir-nolog')) entries.push(weir('weir-nolog', packageRoot(), false))
  if (other !== undefined) entries.push(weir('weir-other', other, true))
  if (envoy !== undefined) {
    const start: Entry['start'] = async (stages, sets) => startEnvoy(await stages.get('plain'), envoy, sets)
    entries.push({ name: 'envoy', start })
  }
  const selected = entries.filter(({ name }) => proxies.length === 0 || proxies.includes(name))
  if (selected.length === 0) throw new Error(`--proxy ${proxies.join(', ')}: no such proxy`)
  return selected
}

/** Nobody always comes first, or always after the same one. */
function rotated<T>(items: readonly T[], by: number): T[] {
  const start = by % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}
