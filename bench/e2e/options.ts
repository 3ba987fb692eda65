// What `npm run bench` can be asked for.
import { parseArgs } from 'node:util'
import { type Suite, SUITES } from './cases.ts'

const ALL_CASES = Object.values(SUITES).flat()

export const USAGE = `usage: npm run bench -- [--quick] [--case NAME]... [--proxy NAME]... [--rounds N] [--seconds N] [--envoy PATH]

  --quick         one round of short runs, fewer cases: ends within 90 s, good for trends; writes no results
  --only NAME     which benchmark: http1 (default), http2, or kafka, which has its own --help
  --case NAME     only these cases: ${ALL_CASES.map(({ name }) => name).join(', ')}
  --proxy NAME    only these proxies: direct, haproxy-tcp, haproxy-http,
                  haproxy-log, weir, weir-nolog, envoy, weir-other
  --rounds N      rounds, default 5: each runs every case through every proxy once
  --seconds N     length of one run, whole seconds, default 3
  --envoy PATH    an Envoy executable, to be measured too
  --other DIR     another built checkout of Weir, measured beside this one as weir-other
  --node-flags=TEXT  for Weir, e.g. --perf-basic-prof to look at it with perf
  --out DIR       where NAME.json and NAME.svg go; default bench/results, only for full runs
  --verbose       say what each run gave
  --no-setup      neither install nor build
`

export interface Options {
  readonly suite: Suite
  readonly isQuick: boolean
  readonly rounds: number
  readonly seconds: number
  /** Empty: all. */
  readonly cases: readonly string[]
  /** Empty: all that are there. */
  readonly proxies: readonly string[]
  readonly envoy: string | undefined
  readonly other: string | undefined
  readonly nodeFlags: readonly string[]
  readonly isVerbose: boolean
  readonly out: string | undefined
}

/** @throws Error with a message for the user */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', default: 'http1' },
      case: { type: 'string', multiple: true, default: [] },
      proxy: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      envoy: { type: 'string' },
      other: { type: 'string' },
      'node-flags': { type: 'string', default: '' },
      verbose: { type: 'boolean', default: false },
      out: { type: 'string' },
    },
  })
  if (!isSuite(values.only)) throw new Error(`--only ${values.only}: there are http1, http2 and kafka`)
  const cases = SUITES[values.only]
  for (const name of values.case)
    if (!cases.some((known) => known.name === name)) throw new Error(`--case ${name}: no such case`)
  return {
    suite: values.only,
    isQuick: values.quick,
    rounds: whole('rounds', values.rounds ?? (values.quick ? '1' : '5')),
    seconds: whole('seconds', values.seconds ?? (values.quick ? '1' : '3')),
    cases: values.case,
    proxies: values.proxy,
    envoy: values.envoy,
    other: values.other,
    nodeFlags: values['node-flags'].split(' ').filter(Boolean),
    isVerbose: values.verbose,
    out: values.out,
  }
}

function isSuite(name: string): name is Suite {
  return Object.hasOwn(SUITES, name)
}

function whole(name: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} ${text}: not a whole number above 0`)
  return value
}
