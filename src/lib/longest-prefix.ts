// Longest-prefix match over a list, as the kernel's ipcache does it.
import { parsePrefix, type Prefix } from './address.ts'

/** The row with the longest prefix that holds `address`. @throws WeirError CONFIG_INVALID for a broken address */
export function longestPrefix<Row extends { readonly prefix: string }>(
  address: string,
  rows: Iterable<Row>,
): Row | undefined {
  const wanted = parsePrefix(address)
  let best: { readonly row: Row; readonly bits: number } | undefined
  for (const row of rows) {
    const prefix = parsePrefix(row.prefix)
    if (prefix.bits > wanted.bits || prefix.bits <= (best?.bits ?? -1)) continue
    if (isInside(wanted.address, prefix)) best = { row, bits: prefix.bits }
  }
  return best?.row
}

function isInside(address: Uint8Array, { address: network, bits }: Prefix): boolean {
  for (let i = 0; i < 16; i++) {
    const here = Math.min(8, Math.max(0, bits - i * 8))
    const mask = (0xff00 >> here) & 0xff
    if (((address[i] ?? 0) & mask) !== ((network[i] ?? 0) & mask)) return false
  }
  return true
}
