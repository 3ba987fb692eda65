// What the reader of a trace should know beside the verdict.
import type { TraceWorld } from '../policy/trace-world.ts'
import type { Party } from './party.ts'
import type { Side } from './side.ts'

interface ProxyNotes {
  readonly isProxied: boolean
  readonly hasRequest: boolean
  /** '' = none. */
  readonly ofProxy: string
}

/** Most important first. */
export function notesOf(
  world: TraceWorld,
  [source, destination]: readonly [Party, Party],
  sides: readonly Side[],
  { isProxied, hasRequest, ofProxy }: ProxyNotes,
): string[] {
  const notes: string[] = []
  if (sides.length === 0)
    notes.push('neither end is an endpoint of this node: Weir does not look at the connection')
  if (source.endpoint !== undefined && source.endpoint === destination.endpoint) {
    notes.push('both ends are the same endpoint: such traffic does not leave it')
  }
  for (const { given, isHypothetical } of [source, destination]) {
    if (isHypothetical)
      notes.push(`no workload has the labels ${given}: judged as if one on this node had them`)
  }
  for (const { direction, endpoint, verdict, decision } of sides) {
    if (decision.verdict !== verdict) {
      const name = `${direction} of ${nameOf(endpoint)}`
      const rules = `the rules in force come to ${decision.verdict}, the policy map says ${verdict}`
      notes.push(`${name}: ${rules}; a change is on its way, or this is a fault of Weir: please report it`)
    }
    if (endpoint.problem !== '') notes.push(`endpoint ${nameOf(endpoint)} ${endpoint.problem}`)
    if (verdict === 'audit')
      notes.push(`${direction} of ${nameOf(endpoint)}: a rule in audit or shadow would deny it`)
  }
  if (hasRequest && !isProxied) {
    notes.push('no L7 rule covers the connection: the request is not looked at')
  }
  if (ofProxy !== '') notes.push(ofProxy)
  return [...notes, ...(isProxied ? world.problems : [])]
}

export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`
}
