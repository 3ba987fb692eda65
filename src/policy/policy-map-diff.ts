// What to write and what to delete to turn one set of policy map entries into another.
import { policyMapKey, type PolicyMapEntry } from './policy-map.ts'

export interface PolicyMapDiff {
  /** New keys, and keys whose verdict or precedence differs: to be written over what is there. */
  readonly additions: readonly PolicyMapEntry[]
  /** Entries of keys that are no longer wanted. */
  readonly deletions: readonly PolicyMapEntry[]
}

export function diffPolicyMap(
  before: readonly PolicyMapEntry[],
  after: readonly PolicyMapEntry[],
): PolicyMapDiff {
  if (before === after) return { additions: [], deletions: [] }
  const old = new Map(before.map((entry) => [policyMapKey(entry), entry]))
  const additions: PolicyMapEntry[] = []
  for (const entry of after) {
    const key = policyMapKey(entry)
    const previous = old.get(key)
    old.delete(key)
    if (previous?.verdict !== entry.verdict || previous.precedence !== entry.precedence) additions.push(entry)
  }
  return { additions, deletions: [...old.values()] }
}
