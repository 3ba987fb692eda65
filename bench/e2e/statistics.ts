// Medians over rounds, and ratios that compare only what was measured in the same round.
import { type Sample } from './measure.ts'

export type Measure = keyof Sample

export interface Measured {
  readonly case: string
  readonly proxy: string
  /** One per round. */
  readonly samples: readonly Sample[]
}

export function median(numbers: readonly number[]): number | null {
  if (numbers.length === 0) return null
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function medianOf(measured: Measured | undefined, measure: Measure): number | null {
  const values = measured?.samples.map((sample) => sample[measure]) ?? []
  return median(values.filter((value) => value !== null))
}

/** Median over rounds of a / b: noise of the machine hits neighbours in a round alike. */
export function pairedRatio(
  a: Measured | undefined,
  b: Measured | undefined,
  measure: Measure,
): number | null {
  const ratios: number[] = []
  for (const [round, sample] of (a?.samples ?? []).entries()) {
    const value = sample[measure]
    const base = b?.samples[round]?.[measure]
    if (value != null && base != null && base > 0) ratios.push(value / base)
  }
  return median(ratios)
}
