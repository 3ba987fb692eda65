// The Huffman code of HPACK (RFC 7541 §5.2 and Appendix B). The code is canonical: the lengths say it all.

/** Bits of the code of each byte, then of EOS. */
const LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
]
const EOS = 256

// A tree whose inner nodes are states. Four bits at a time: no code is shorter than five, so each step gives at
// most one byte. An entry holds the next state, the byte, and what the step means.
const NEXT_MASK = 0x1ff
const BYTE_SHIFT = 9
const EMITS = 1 << 17
/** The bits since the last byte may be the padding of the string: fewer than eight, all ones. */
const MAY_END = 1 << 18
const FAILS = 1 << 19

const TRANSITIONS = buildTransitions()

/**
 * Decode `b[start, end)` into `out`, which must have room for 8/5 of the bytes.
 * @returns bytes written; -1 when the string is not well-formed.
 */
export function decodeHuffman(b: Buffer, start: number, end: number, out: Buffer): number {
  let length = 0
  let entry = MAY_END
  for (let i = start; i < end; i++) {
    const byte = b[i]!
    entry = TRANSITIONS[((entry & NEXT_MASK) << 4) | (byte >> 4)]!
    if ((entry & (EMITS | FAILS)) !== 0) {
      if ((entry & FAILS) !== 0) return -1
      out[length++] = (entry >> BYTE_SHIFT) & 0xff
    }
    entry = TRANSITIONS[((entry & NEXT_MASK) << 4) | (byte & 15)]!
    if ((entry & (EMITS | FAILS)) !== 0) {
      if ((entry & FAILS) !== 0) return -1
      out[length++] = (entry >> BYTE_SHIFT) & 0xff
    }
  }
  return (entry & MAY_END) !== 0 ? length : -1
}

/** Code of each symbol: symbols of a length in order, shorter ones first. */
function codes(): number[] {
  const result = new Array<number>(LENGTHS.length).fill(0)
  let code = 0
  for (let length = 1; length <= 30; length++) {
    for (const [symbol, bits] of LENGTHS.entries()) if (bits === length) result[symbol] = code++
    code *= 2
  }
  return result
}

/** Children by node: [zero, one]. Leaves are `~symbol`. Node 0 is the root. */
function buildTree(): [number, number][] {
  const nodes: [number, number][] = [[0, 0]]
  for (const [symbol, code] of codes().entries()) {
    let node = 0
    for (let bit = LENGTHS[symbol]! - 1; bit >= 0; bit--) {
      const side = Math.floor(code / 2 ** bit) % 2 === 1 ? 1 : 0
      const children = nodes[node]!
      if (bit === 0) children[side] = ~symbol
      else if (children[side] === 0) {
        children[side] = nodes.length
        nodes.push([0, 0])
      }
      node = children[side]
    }
  }
  return nodes
}

function buildTransitions(): Int32Array {
  const nodes = buildTree()
  const table = new Int32Array(nodes.length << 4)
  // Nodes on the way of ones only, up to seven bits deep: where padding ends.
  const paddingNodes = new Set<number>([0])
  for (let node = 0, depth = 1; depth <= 7; depth++) {
    node = nodes[node]![1]
    paddingNodes.add(node)
  }
  for (const state of nodes.keys()) {
    for (let nibble = 0; nibble < 16; nibble++) {
      let node = state
      let entry = 0
      for (let bit = 3; bit >= 0; bit--) {
        node = nodes[node]![(nibble >> bit) & 1]!
        if (node >= 0) continue
        const symbol = ~node
        // RFC 7541 §5.2: a string that holds EOS is a decoding error.
        if (symbol === EOS) entry = FAILS
        else if (entry !== FAILS) entry = EMITS | (symbol << BYTE_SHIFT)
        node = 0
      }
      if (paddingNodes.has(node)) entry |= MAY_END
      table[(state << 4) | nibble] = entry | node
    }
  }
  return table
}
