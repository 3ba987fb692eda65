// Sets of code points as sorted, disjoint, flat [low, high] pairs, and the named sets of RE2.

export type Ranges = readonly number[]

export const MAX_CODE_POINT = 0x10ffff

const DIGIT: Ranges = [0x30, 0x39]
const LOWER: Ranges = [0x61, 0x7a]
const UPPER: Ranges = [0x41, 0x5a]
const WORD: Ranges = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a]

/** \d \s \w; their upper-case twins are the negations. */
export const PERL_CLASSES: ReadonlyMap<string, Ranges> = new Map([
  ['d', DIGIT],
  ['s', [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20]],
  ['w', WORD],
])

/** The names inside [[:name:]]. ASCII only, as in RE2. */
export const POSIX_CLASSES: ReadonlyMap<string, Ranges> = new Map([
  ['alnum', [...DIGIT, ...UPPER, ...LOWER]],
  ['alpha', [...UPPER, ...LOWER]],
  ['ascii', [0, 0x7f]],
  ['blank', [0x09, 0x09, 0x20, 0x20]],
  ['cntrl', [0, 0x1f, 0x7f, 0x7f]],
  ['digit', DIGIT],
  ['graph', [0x21, 0x7e]],
  ['lower', LOWER],
  ['print', [0x20, 0x7e]],
  ['punct', [0x21, 0x2f, 0x3a, 0x40, 0x5b, 0x60, 0x7b, 0x7e]],
  ['space', [0x09, 0x0d, 0x20, 0x20]],
  ['upper', UPPER],
  ['word', WORD],
  ['xdigit', [...DIGIT, 0x41, 0x46, 0x61, 0x66]],
])

/** Sort and merge pairs that touch or overlap. */
export function normalise(pairs: readonly number[]): number[] {
  const order: [number, number][] = []
  for (let i = 0; i + 1 < pairs.length; i += 2) order.push([pairs[i] ?? 0, pairs[i + 1] ?? 0])
  order.sort((a, b) => a[0] - b[0])
  const merged: number[] = []
  for (const [low, high] of order) {
    const last = merged.length - 1
    const end = merged[last]
    if (end !== undefined && low <= end + 1) merged[last] = Math.max(end, high)
    else merged.push(low, high)
  }
  return merged
}

/** All code points that are not in `ranges` (normalised). */
export function negate(ranges: Ranges): number[] {
  const rest: number[] = []
  let from = 0
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const low = ranges[i] ?? 0
    if (low > from) rest.push(from, low - 1)
    from = (ranges[i + 1] ?? 0) + 1
  }
  if (from <= MAX_CODE_POINT) rest.push(from, MAX_CODE_POINT)
  return rest
}

/** The part of `ranges` within [low, high]. */
export function intersect(ranges: Ranges, low: number, high: number): number[] {
  const part: number[] = []
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    const from = Math.max(ranges[i] ?? 0, low)
    const to = Math.min(ranges[i + 1] ?? 0, high)
    if (from <= to) part.push(from, to)
  }
  return part
}

/** Close `ranges` under ASCII case: what host names need. */
export function foldAscii(ranges: Ranges): number[] {
  const folded = [...ranges]
  for (const [base, shift] of [
    [UPPER, 0x20],
    [LOWER, -0x20],
  ] as const) {
    for (const point of intersect(ranges, base[0] ?? 0, base[1] ?? 0)) folded.push(point + shift)
  }
  return normalise(folded)
}

/** Close `ranges` under Unicode simple case folding: what (?i) means in RE2. */
export function foldUnicode(ranges: Ranges): number[] {
  const folded = foldAscii(ranges)
  // The only two non-ASCII characters that fold to ASCII ones: long s and the Kelvin sign.
  if (intersect(folded, 0x73, 0x73).length > 0) folded.push(0x17f, 0x17f)
  if (intersect(folded, 0x6b, 0x6b).length > 0) folded.push(0x212a, 0x212a)
  const beyondAscii = intersect(ranges, 0x80, MAX_CODE_POINT)
  if (beyondAscii.length > 0) {
    for (const [point, orbit] of caseOrbits()) {
      if (intersect(beyondAscii, point, point).length > 0)
        for (const other of orbit) folded.push(other, other)
    }
  }
  // Orbits that reach ASCII name one of its cases only.
  return foldAscii(normalise(folded))
}

let orbits: ReadonlyMap<number, readonly number[]> | undefined

/** Non-ASCII code point -> all code points that fold to the same. Made on first use, a few ms. */
function caseOrbits(): ReadonlyMap<number, readonly number[]> {
  if (orbits !== undefined) return orbits
  const groups = new Map<number, Set<number>>()
  const lastCased = 0x1e943
  for (let point = 0x80; point <= lastCased; point++) {
    const text = String.fromCodePoint(point)
    for (const variant of [text.toLowerCase(), text.toUpperCase()]) {
      const other = variant.codePointAt(0) ?? point
      if (other === point || variant.length !== String.fromCodePoint(other).length) continue
      // toUpperCase knows pairs that simple folding does not (dotless i and I): the u flag is the judge.
      if (!new RegExp(`^\\u{${other.toString(16)}}$`, 'iu').test(text)) continue
      const group = new Set([point, other, ...(groups.get(point) ?? []), ...(groups.get(other) ?? [])])
      for (const member of group) groups.set(member, group)
    }
  }
  orbits = new Map(
    [...groups].filter(([point]) => point >= 0x80).map(([point, group]) => [point, [...group]]),
  )
  return orbits
}
