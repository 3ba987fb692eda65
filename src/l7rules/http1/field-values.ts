// Values of one field, for rules that look at it. Not part of the parse: most requests are judged without.
import { COLON, CR, HTAB, latin1, SP } from './chars.ts'

/**
 * Values of field `name` (lower case) in the field lines that begin at `start` and end with an empty line, in
 * order, without surrounding white space. The lines were parsed before: their syntax is known to be good.
 */
export function fieldValues(b: Buffer, start: number, name: string): string[] {
  const values: string[] = []
  let i = start
  while (b[i] !== CR) {
    const nameEnd = b.indexOf(COLON, i)
    const lineEnd = b.indexOf(CR, nameEnd)
    if (nameEnd - i === name.length && isName(b, i, name)) values.push(trimmed(b, nameEnd + 1, lineEnd))
    i = lineEnd + 2
  }
  return values
}

function isName(b: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = b[start + i]!
    const lower = byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte
    if (lower !== name.charCodeAt(i)) return false
  }
  return true
}

function trimmed(b: Buffer, start: number, end: number): string {
  let first = start
  let last = end
  while (first < last && (b[first] === SP || b[first] === HTAB)) first++
  while (last > first && (b[last - 1] === SP || b[last - 1] === HTAB)) last--
  return latin1(b, first, last)
}
