// Who the other end of an ingress or egress item is.
import { prefixSelector } from '../cidr-labels.ts'
import type { Direction } from '../network-policy.ts'
import { readExcept, readPrefix } from '../prefix-text.ts'
import type { Selector } from '../selector.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { parseEntity } from './entities.ts'
import { CIDR_ITEM, PEER_FIELDS } from './fields.ts'
import { parsePeerSelector } from './selectors.ts'

export interface Peers {
  /** undefined after a problem. */
  readonly selectors: readonly Selector[] | 'any' | undefined
  /** False: the item does not say who. */
  readonly areNamed: boolean
}

/** Absent = everybody; present but empty = nobody. @param namespace of the policy; '' = clusterwide. */
export function parsePeers(fields: Fields, direction: Direction, namespace: string): Peers {
  const names = PEER_FIELDS[direction]
  const given = Object.values(names).flatMap((name) => fields.get(name) ?? [])
  const [first, ...others] = given
  for (const other of others) {
    const [, name = ''] = /([a-zA-Z]+)$/.exec(first?.path ?? '') ?? []
    other.fail(`cannot be combined with ${name} in one item`, 'write two items; items are ORed')
  }
  const readers: Readonly<
    Record<keyof typeof names, (item: Cursor) => readonly Selector[] | 'any' | undefined>
  > = {
    endpoints: (item) => listOf(parsePeerSelector(item, namespace)),
    entities: parseEntity,
    cidr: (item) => listOf(prefixOf(readPrefix(item, true), [])),
    cidrSet: (item) => listOf(parseCidrItem(item)),
  }
  for (const [kind, name] of Object.entries(names) as [keyof typeof names, string][]) {
    const at = fields.get(name)
    if (at !== undefined) return { selectors: parseList(at, readers[kind]), areNamed: true }
  }
  return { selectors: 'any', areNamed: false }
}

function parseList(
  at: Cursor,
  read: (item: Cursor) => readonly Selector[] | 'any' | undefined,
): readonly Selector[] | 'any' | undefined {
  const lists = at.items()?.map(read)
  if (lists === undefined || !lists.every((list) => list !== undefined)) return undefined
  return lists.includes('any') ? 'any' : lists.filter((list) => list !== 'any').flat()
}

function parseCidrItem(at: Cursor): Selector | undefined {
  const fields = at.fields(CIDR_ITEM)
  if (fields === undefined) return undefined
  const hasOther = at.entries()?.some(([name]) => name.startsWith('cidrGroup')) === true
  // What names the prefixes in another way has been refused already.
  const cidrAt =
    fields.get('cidr') ?? (hasOther ? undefined : at.failMissing('cidr', 'write cidr: address/length'))
  const prefix = cidrAt === undefined ? undefined : readPrefix(cidrAt, false)
  return prefixOf(prefix, readExcept(fields.get('except'), prefix))
}

function prefixOf(prefix: string | undefined, except: readonly string[] | undefined): Selector | undefined {
  return prefix === undefined || except === undefined ? undefined : prefixSelector(prefix, except)
}

function listOf<T>(item: T | undefined): T[] | undefined {
  return item === undefined ? undefined : [item]
}
