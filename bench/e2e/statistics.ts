// Medians over rounds, and ratios that compare only what was measured in the same round.
import { type Sample } from './measure.ts'

export type Measure = keyof Sample

export interface Measured<S = Sample> {
  readonly case: string
  readonly proxy: string
  /** One per round. */
  readonly samples: readonly S[]
}

/** What was measured by these names; null: does not apply. */
type Values<M extends string> = Readonly<Record<M, number | null>>

export function median(numbers: readonly number[]): number | null {
  if (numbers.length === 0) return null
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

export function medianOf<M extends string>(
  measured: Measured<Values<M>> | undefined,
  measure: M,
): number | null {
  const values = measured?.samples.map((sample) => sample[measure]) ?? []
  return median(values.filter((value) => value !== null))
}

/** Median over rounds of a / b: noise of the machine hits neighbours in a round alike. */
export function pairedRatio<M extends string>(
  a: Measured<Values<M>> | undefined,
  b: Measured<Values<M>> | undefined,
  measure: M,
): number | null {
  const ratios: number[] = []
  for (const [round, sample] of (a?.samples ?? []).entries()) {
    const value = sample[measure]
    const base = b?.samples[round]?.[measure]
    if (value != null && base != null && base > 0) ratios.push(value / base)
  }
  return median(ratios)
}
