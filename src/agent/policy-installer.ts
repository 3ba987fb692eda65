// Brings the policy map of one endpoint from what it holds to what is wanted, so that no state in between
// admits what both deny.
import type { EndpointId } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { EndpointPolicy } from '../policy/repository.ts'
import type { PolicyMapEntry } from '../policy/policy-map.ts'
import { diffPolicyMap, type PolicyMapDiff } from '../policy/policy-map-diff.ts'
import type { Datapath } from '../redirect/datapath-api.ts'

/** A policy that was installed before, entries as read from the kernel, or nothing at all. */
export type Held = EndpointPolicy | readonly PolicyMapEntry[] | 'nothing'

type PolicyDatapath = Pick<Datapath, 'maxPolicyEntries' | 'replacePolicy' | 'applyPolicy' | 'listPolicy'>

export function readInstalled(datapath: PolicyDatapath, id: EndpointId): Held {
  return datapath.listPolicy(id)
}

/** @throws WeirError POLICY_MAP_FULL: the map may hold a part of the change. */
export function installPolicy(
  datapath: PolicyDatapath,
  id: EndpointId,
  held: Held,
  wanted: EndpointPolicy,
): void {
  // Before entries are made: they may be millions.
  if (wanted.mapSize > datapath.maxPolicyEntries) {
    const limit = datapath.maxPolicyEntries
    throw new WeirError(
      'POLICY_MAP_FULL',
      `policy of endpoint ${id} needs ${wanted.mapSize} entries, the limit is ${limit}`,
      {
        mend: 'use fewer peers or port ranges in the policies that select it, or raise --policy-map-entries',
      },
    )
  }
  if (held === 'nothing') {
    datapath.replacePolicy(id, wanted.mapEntries)
    return
  }
  const isKnown = 'deltaFrom' in held
  const { additions, deletions } = isKnown ? wanted.deltaFrom(held) : diffPolicyMap(held, wanted.mapEntries)
  if (additions.length + deletions.length === 0) return
  if (isGradual({ additions, deletions }, isKnown ? held : undefined))
    datapath.applyPolicy(id, additions, deletions)
  else datapath.replacePolicy(id, wanted.mapEntries)
}

/**
 * Whether the change may be seen half done. Entries that only come or only go may: what both ends deny is
 * denied by an entry that stays, and denials come first and go last. Entries that change could hide a denial
 * that goes, or uncover an allowance.
 */
function isGradual({ additions, deletions }: PolicyMapDiff, held: EndpointPolicy | undefined): boolean {
  if (additions.length + deletions.length === 1) return true
  if (deletions.length > 0) return additions.length === 0
  return held !== undefined && additions.every((entry) => !held.map(entry.direction).has(entry))
}
