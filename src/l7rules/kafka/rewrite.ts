// Forwards a request that is held, with some of its bytes exchanged.
import { ORIGINAL, type Steps } from '../parser.ts'

/** Bytes [from, to) of the frame, and what goes instead. */
export interface Replacement {
  readonly from: number
  readonly to: number
  readonly bytes: Uint8Array
}

/**
 * Consume the frame up to `end`.
 * @param replacements in order, none within another, all before `end`.
 */
export function rewrite(steps: Steps, end: number, replacements: readonly Replacement[]): void {
  let at = 0
  const pass = (to: number): void => {
    if (to > at) steps.pass(ORIGINAL, to - at)
    at = to
  }
  for (const { from, to, bytes } of replacements) {
    pass(from)
    if (to > from) steps.drop(ORIGINAL, to - from)
    if (bytes.length > 0) steps.inject(ORIGINAL, bytes)
    at = to
  }
  pass(end)
}

/** By how much the frame gets longer. */
export function growth(replacements: readonly Replacement[]): number {
  return replacements.reduce((sum, { from, to, bytes }) => sum + bytes.length - (to - from), 0)
}
