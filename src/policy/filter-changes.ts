// What differs between the filters of a direction before and after a change, and whom that concerns.
import type { Identity } from '../lib/brands.ts'
import type { Filter } from './filter.ts'
import { isSameClaimant } from './peer-entries.ts'
import { pick, symmetricDifference } from './peer-groups.ts'

const NOBODY: readonly Identity[] = []

/** Filters that are in one list only. Mostly the lists are as long, and differ in a few places. */
export function differences(
  before: readonly Filter[],
  after: readonly Filter[],
): { readonly gone: readonly Filter[]; readonly come: readonly Filter[] } {
  if (before.length === after.length) {
    const places: number[] = []
    for (let place = 0; place < before.length; place++) {
      if (before[place] !== after[place]) places.push(place)
    }
    return { gone: pick(before, places), come: pick(after, places) }
  }
  const [old, wanted] = [new Set(before), new Set(after)]
  return {
    gone: before.filter((filter) => !wanted.has(filter)),
    come: after.filter((filter) => !old.has(filter)),
  }
}

/** Peers whose filters differ. */
export function touchedPeers(gone: readonly Filter[], come: readonly Filter[]): Set<Identity> {
  const touched = new Set<Identity>()
  const compared = new Map<readonly Identity[], readonly Identity[]>()
  for (const [before, after] of pairUp(gone, come)) {
    // Rules that share a selector change alike.
    if (compared.get(before) === after) continue
    compared.set(before, after)
    for (const identity of symmetricDifference(before, after)) touched.add(identity)
  }
  return touched
}

/** Peers of filters before and after, where the filters differ in nothing else; nobody where one has no pair. */
function* pairUp(
  gone: readonly Filter[],
  come: readonly Filter[],
): Iterable<[readonly Identity[], readonly Identity[]]> {
  const [goneAlone, comeAlone]: [Filter[], Filter[]] = [[], []]
  for (let i = 0; i < Math.max(gone.length, come.length); i++) {
    const [before, after] = [gone[i], come[i]]
    // Where only peers changed, pairs are in the same places.
    if (before !== undefined && after !== undefined && isSameClaimant(before, after)) {
      yield [peersOf(before), peersOf(after)]
      continue
    }
    if (before !== undefined) goneAlone.push(before)
    if (after !== undefined) comeAlone.push(after)
  }
  const candidates = bySpans(comeAlone)
  for (const filter of goneAlone) {
    const same = candidates.get(filter.spans) ?? []
    const index = same.findIndex((one) => isSameClaimant(one, filter))
    const [pair] = index < 0 ? [] : same.splice(index, 1)
    yield [peersOf(filter), pair === undefined ? NOBODY : peersOf(pair)]
  }
  for (const left of candidates.values()) {
    for (const filter of left) yield [NOBODY, peersOf(filter)]
  }
}

function bySpans(filters: readonly Filter[]): Map<unknown, Filter[]> {
  const bySpans = new Map<unknown, Filter[]>()
  for (const filter of filters) {
    const same = bySpans.get(filter.spans)
    if (same === undefined) bySpans.set(filter.spans, [filter])
    else same.push(filter)
  }
  return bySpans
}

function peersOf({ rule }: Filter): readonly Identity[] {
  return rule.remoteIdentities ?? NOBODY
}
