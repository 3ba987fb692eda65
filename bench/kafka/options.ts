// What `npm run bench -- --only kafka` can be asked for.
import { parseArgs } from 'node:util'
import { CASES } from './cases.ts'

export const PROXIES = ['direct', 'haproxy-tcp', 'weir', 'weir-nolog'] as const
export type Proxy = (typeof PROXIES)[number]

export const USAGE = `usage: npm run bench -- --only kafka [--quick] [--case NAME]... [--proxy NAME]... [--rounds N] [--seconds N]

  --quick         one round of short runs: good for trends; writes no results
  --case NAME     only these cases: ${CASES.map(({ name }) => name).join(', ')}
  --proxy NAME    only these: ${PROXIES.join(', ')}
  --rounds N      rounds, default 5: each runs every case through every proxy once
  --seconds N     rough length of one run, whole seconds, default 4
  --node-flags=TEXT  for Weir, e.g. --perf-basic-prof to look at it with perf
  --out DIR       where kafka.json goes; default bench/results, only for full runs
  --verbose       say what each run gave
  --no-setup      neither install nor build
`

export interface Options {
  readonly isQuick: boolean
  readonly rounds: number
  readonly seconds: number
  readonly cases: readonly string[]
  readonly proxies: readonly Proxy[]
  readonly nodeFlags: readonly string[]
  readonly isVerbose: boolean
  /** undefined: default for a full run. */
  readonly out: string | undefined
}

/** @throws Error with a message for the user */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      case: { type: 'string', multiple: true, default: [] },
      proxy: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'node-flags': { type: 'string', default: '' },
      out: { type: 'string' },
      verbose: { type: 'boolean', default: false },
    },
  })
  for (const name of values.case)
    if (!CASES.some((known) => known.name === name)) throw new Error(`--case ${name}: no such case`)
  const proxies = values.proxy.map((name) => {
    const proxy = PROXIES.find((known) => known === name)
    if (proxy === undefined) throw new Error(`--proxy ${name}: there are ${PROXIES.join(', ')}`)
    return proxy
  })
  return {
    isQuick: values.quick,
    rounds: whole('rounds', values.rounds ?? (values.quick ? '1' : '5')),
    seconds: whole('seconds', values.seconds ?? (values.quick ? '1' : '4')),
    cases: values.case,
    proxies,
    nodeFlags: values['node-flags'].split(' ').filter(Boolean),
    isVerbose: values.verbose,
    out: values.out,
  }
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: not a whole number above 0`)
  return value
}
