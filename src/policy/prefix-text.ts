// Prefixes in documents.
import { contains, formatPrefix, parsePrefix } from '../lib/address.ts'
import type { Cursor } from './yaml-cursor.ts'

/** Canonical text, host bits zero. @param mayBeAddress an address without a length means itself. */
export function readPrefix(at: Cursor, mayBeAddress: boolean): string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const example = mayBeAddress ? 'e.g. 10.0.0.0/8, 192.0.2.7 or fd00::/8' : 'e.g. 10.0.0.0/8 or fd00::/8'
  if (!mayBeAddress && !text.includes('/')) return at.fail('is not a prefix', `add the length, ${example}`)
  const prefix = tryPrefix(text)
  return prefix ?? at.fail('is not a prefix', `write address/length, ${example}`)
}

function tryPrefix(text: string): string | undefined {
  try {
    const canonical = formatPrefix(parsePrefix(text))
    // IPv4 in the dress of IPv6 would count its length in another way than it is written.
    return canonical.includes(':') === text.includes(':') ? canonical : undefined
  } catch {
    return undefined
  }
}

/** Each must lie inside of `prefix` and be longer. Undefined after a problem. */
export function readExcept(at: Cursor | undefined, prefix: string | undefined): string[] | undefined {
  if (at === undefined) return []
  const items = at.items()?.map((item) => {
    const inner = readPrefix(item, false)
    if (inner === undefined || prefix === undefined) return inner
    if (isInside(inner, prefix)) return inner
    const mend = 'an exception takes a part out of its own prefix; remove it, or correct one of the two'
    return item.fail(`does not lie inside of ${prefix}`, mend)
  })
  return items?.every((item) => item !== undefined) ? items : undefined
}

/** The same prefix counts as inside. Neither contains the other family: lengths count from different places. */
function isInside(inner: string, outer: string): boolean {
  return inner.includes(':') === outer.includes(':') && contains(parsePrefix(outer), parsePrefix(inner))
}
