// Header edits on the wire: lines go and lines come, all other bytes of the head stay as they are.
import type { HeaderEdit } from '../header-edits.ts'
import { COLON, CR, latin1, LF } from './chars.ts'

const LINE_END = Buffer.from('\r\n')

/**
 * @param head request line, fields and empty line of a head that was parsed: its syntax is known to be good.
 * @returns a copy with the lines of removed fields left out and the new ones behind all others.
 */
export function editHead(head: Buffer, edits: readonly HeaderEdit[]): Buffer {
  const removed = new Set(edits.flatMap(({ name, removes }) => (removes ? [name] : [])))
  const parts: Buffer[] = []
  let from = 0
  let i = head.indexOf(LF) + 1
  while (head[i] !== CR) {
    const nameEnd = head.indexOf(COLON, i)
    const next = head.indexOf(LF, nameEnd) + 1
    // Names are ASCII tokens: lower case means the same here and in a rule.
    if (removed.has(latin1(head, i, nameEnd).toLowerCase())) {
      parts.push(head.subarray(from, i))
      from = next
    }
    i = next
  }
  parts.push(head.subarray(from, i))
  for (const { name, adds } of edits) {
    for (const value of adds) parts.push(Buffer.from(`${name}: ${value}\r\n`, 'latin1'))
  }
  parts.push(LINE_END)
  return Buffer.concat(parts)
}
