// Port ranges as prefixes, the only form of a range that a longest-prefix map can hold.
import { LAST_PORT } from './rule-model.ts'

export interface PortPrefix {
  /** Bits beyond `bits` are zero. */
  readonly port: number
  /** 16 = one port, 0 = every port. */
  readonly bits: number
}

export const PORT_BITS = 16

/** The fewest prefixes that cover exactly `first` to `last`, both inclusive; at most 30. */
export function portPrefixes(first: number, last: number): PortPrefix[] {
  const prefixes: PortPrefix[] = []
  for (let port = first; port <= last;) {
    let size = port === 0 ? LAST_PORT + 1 : port & -port
    while (port + size - 1 > last) size /= 2
    prefixes.push({ port, bits: PORT_BITS - Math.log2(size) })
    port += size
  }
  return prefixes
}
