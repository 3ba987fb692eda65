// Which peers the same filters apply to. Many rules share selectors and many peers share rules, so lists of
// identities are walked once each, not once for each rule.
import type { Identity } from '../lib/brands.ts'
import type { Filter } from './filter.ts'

export interface PeerGroup {
  readonly identities: readonly Identity[]
  /** All that name these peers, in the given order. */
  readonly filters: readonly Filter[]
}

/** Filters by their list of peers: places in the given list. */
export type PeerLists = ReadonlyMap<readonly Identity[], readonly number[]>

export function peerLists(filters: readonly Filter[]): PeerLists {
  const lists = new Map<readonly Identity[], number[]>()
  filters.forEach(({ rule }, index) => {
    if (rule.remoteIdentities === undefined) return
    const list = lists.get(rule.remoteIdentities)
    if (list === undefined) lists.set(rule.remoteIdentities, [index])
    else list.push(index)
  })
  return lists
}

/** Distinct lists of peers, with the number of filters that have each. */
export type ListUse = ReadonlyMap<readonly Identity[], number>

export function useOfLists(filters: readonly Filter[]): ListUse {
  return changedUse(new Map(), [], filters)
}

export function changedUse(use: ListUse, gone: readonly Filter[], come: readonly Filter[]): ListUse {
  const changed = new Map(use)
  const count = ({ rule: { remoteIdentities: list } }: Filter, by: number): void => {
    if (list !== undefined) changed.set(list, (changed.get(list) ?? 0) + by)
  }
  for (const filter of gone) count(filter, -1)
  for (const filter of come) count(filter, 1)
  for (const { rule } of gone) {
    const list = rule.remoteIdentities
    if (list !== undefined && changed.get(list) === 0) changed.delete(list)
  }
  return changed
}

/** Where to look for another peer of a workload: mostly they got their numbers one after another. */
const STEPS_TO_TWIN = [-1, 1, -2, 2]

/** A peer other than `except` that the same lists name, so that the same filters apply to it. May miss some. */
export function twinOf(
  identity: Identity,
  lists: ListUse,
  except: ReadonlySet<Identity>,
): Identity | undefined {
  const naming = new Set([...lists.keys()].filter((list) => includes(list, identity)))
  const [list] = naming
  if (list === undefined) return undefined
  const place = placeOf(list, identity)
  const candidates = STEPS_TO_TWIN.flatMap((step) => list[place + step] ?? [])
  return candidates.find((candidate) => !except.has(candidate) && areNaming(naming, candidate, lists))
}

/** Whether of all lists just these name the peer. */
function areNaming(naming: ReadonlySet<readonly Identity[]>, peer: Identity, lists: ListUse): boolean {
  for (const list of lists.keys()) if (includes(list, peer) !== naming.has(list)) return false
  return true
}

/** A set of lists that some peers are in, reached from the set without the last one. */
interface Node {
  readonly parent: Node | undefined
  readonly places: readonly number[]
  readonly identities: Identity[]
  /** Of the list that is being walked: everybody who was here goes there. */
  next: Node | undefined
  nextList: readonly Identity[] | undefined
}

/** Peers that the same lists name, each with its filters. */
export function groupPeers(filters: readonly Filter[]): PeerGroup[] {
  const root = makeNode(undefined, [])
  const nodes: Node[] = []
  const nodeOf = new Map<Identity, Node>()
  for (const [list, places] of peerLists(filters)) {
    for (const identity of list) {
      const here = nodeOf.get(identity) ?? root
      if (here.next === undefined || here.nextList !== list) {
        here.next = makeNode(here, places)
        here.nextList = list
        nodes.push(here.next)
      }
      nodeOf.set(identity, here.next)
    }
  }
  for (const [identity, node] of nodeOf) node.identities.push(identity)
  return nodes
    .filter(({ identities }) => identities.length > 0)
    .map((node) => ({ identities: node.identities, filters: pick(filters, placesOf(node)) }))
}

function makeNode(parent: Node | undefined, places: readonly number[]): Node {
  return { parent, places, identities: [], next: undefined, nextList: undefined }
}

function placesOf(node: Node): number[] {
  const places: number[] = []
  for (let at: Node | undefined = node; at !== undefined; at = at.parent) {
    for (const place of at.places) places.push(place)
  }
  return places.sort((a, b) => a - b)
}

/** Places of the filters that name a peer, in order. */
export function placesNaming(identity: Identity, lists: PeerLists): number[] {
  const places: number[] = []
  for (const [list, indices] of lists) {
    if (!includes(list, identity)) continue
    for (const index of indices) places.push(index)
  }
  return places.sort((a, b) => a - b)
}

export function pick(filters: readonly Filter[], places: readonly number[]): Filter[] {
  const picked: Filter[] = []
  for (const place of places) {
    const filter = filters[place]
    if (filter !== undefined) picked.push(filter)
  }
  return picked
}

/** @param sorted ascending. */
export function includes(sorted: readonly Identity[], identity: Identity): boolean {
  return sorted[placeOf(sorted, identity)] === identity
}

/** First place of an ascending list that does not hold less. */
function placeOf(sorted: readonly Identity[], identity: Identity): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((sorted[middle] ?? 0) < identity) low = middle + 1
    else high = middle
  }
  return low
}

/** Members of exactly one of two ascending lists. */
export function symmetricDifference(a: readonly Identity[], b: readonly Identity[]): Identity[] {
  if (a === b) return []
  const result: Identity[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const left = a[i]
    const right = b[j]
    if (left === right) {
      i++
      j++
    } else if (right === undefined || (left !== undefined && left < right)) {
      if (left !== undefined) result.push(left)
      i++
    } else {
      result.push(right)
      j++
    }
  }
  return result
}
