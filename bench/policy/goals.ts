// What the policy engine is held to: half of what Cilium 1.19's own code needed on a like machine.
import { oneEndpointName } from './cases.ts'
import type { Row } from './measure.ts'

export interface Goal {
  readonly goal: string
  readonly measured: string
  readonly isMet: boolean
}

/** @throws Error when a row is missing. */
export function goals(rows: readonly Row[]): Goal[] {
  const p50Of = (count: number, what: string): number => {
    const name = `${oneEndpointName(count)}: ${what}`
    const found = rows.find((row) => row.case.startsWith(name))
    if (found === undefined) throw new Error(`no row ${name}`)
    return found.p50Us
  }
  const atMost = (what: string, title: string, reference: string, limitUs: number): Goal => {
    const us = p50Of(1000, what)
    const goal = `${title} <= ${time(limitUs)} (Cilium ${reference})`
    return { goal, measured: time(us), isMet: us <= limitUs }
  }
  const whole = 'policies to endpoint'
  const ratio = p50Of(10_000, whole) / p50Of(1000, whole)
  return [
    atMost('resolve', 'resolve', '22 ms', 11_000),
    atMost('distil', 'distil 300,000 entries', '161 ms', 80_000),
    atMost('new identity', 'new identity to its 300 entries', '0.5 to 1.0 ms', 500),
    {
      goal: 'policies to endpoint, 10,000 identities <= 3x 1,000 (Cilium 2.0 s to 0.2 s)',
      measured: `${ratio.toFixed(1)}x`,
      isMet: ratio <= 3,
    },
  ]
}

export function time(us: number): string {
  if (us < 1000) return `${us.toFixed(0)} us`
  const digits = us >= 100_000 ? 0 : us >= 10_000 ? 1 : 2
  return `${(us / 1000).toFixed(digits)} ms`
}
