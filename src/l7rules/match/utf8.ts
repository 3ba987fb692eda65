// Code point ranges as sequences of byte ranges, so that an automaton over bytes matches UTF-8.

/** Per byte of the encoding its [low, high], flat: length 2, 4, 6 or 8. */
export type ByteSequence = readonly number[]

const LAST_OF_LENGTH = [0x7f, 0x7ff, 0xffff, 0x10ffff]

/**
 * Sequences that together match the UTF-8 of exactly the code points low..high. Surrogates have no UTF-8
 * and are left out, so bytes that are not UTF-8 match no class: for allow rules that is the closed side.
 */
export function utf8Sequences(low: number, high: number): ByteSequence[] {
  const sequences: ByteSequence[] = []
  const todo: [number, number][] = [[low, high]]
  for (let range = todo.pop(); range !== undefined; range = todo.pop()) {
    const [from, to] = range
    if (from > to) continue
    const cut = splitPoint(from, to)
    if (cut !== undefined) todo.push([cut, to], [from, cut - 1])
    else if (from < 0xd800 || from > 0xdfff) sequences.push(pairBytes(encode(from), encode(to)))
  }
  return sequences
}

/** First code point of the second half when one sequence cannot say from..to; undefined when it can. */
function splitPoint(from: number, to: number): number | undefined {
  for (const edge of [0xd800, 0xe000]) if (from < edge && to >= edge) return edge
  for (const last of LAST_OF_LENGTH) if (from <= last && to > last) return last + 1
  if (to <= 0x7f) return undefined
  // All bytes after the first one that differs must span their whole range.
  for (let bits = 6; bits <= 18; bits += 6) {
    const mask = (1 << bits) - 1
    if ((from & ~mask) === (to & ~mask)) continue
    if ((from & mask) !== 0) return (from | mask) + 1
    if ((to & mask) !== mask) return to & ~mask
  }
  return undefined
}

/** UTF-8 of one code point. */
export function encode(point: number): number[] {
  if (point <= 0x7f) return [point]
  if (point <= 0x7ff) return [0xc0 | (point >> 6), tail(point, 0)]
  if (point <= 0xffff) return [0xe0 | (point >> 12), tail(point, 6), tail(point, 0)]
  return [0xf0 | (point >> 18), tail(point, 12), tail(point, 6), tail(point, 0)]
}

function tail(point: number, shift: number): number {
  return 0x80 | ((point >> shift) & 0x3f)
}

function pairBytes(low: readonly number[], high: readonly number[]): ByteSequence {
  return low.flatMap((byte, i) => [byte, high[i] ?? byte])
}
