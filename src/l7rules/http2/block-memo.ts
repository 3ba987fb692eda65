// What header blocks meant that came before: the same bytes with the same dynamic table mean the same. Blocks that
// change the table are not kept, and all is forgotten when it changes.
import { latin1 } from '../http1/chars.ts'
import { MAX_REMEMBERED_BLOCK_BYTES, MAX_REMEMBERED_BLOCKS } from './limits.ts'

/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 96

export class BlockMemo<T> {
  private lastBytes: Buffer | undefined
  private lastMeaning: T | undefined
  private meanings: Map<string, T> | undefined

  find(b: Buffer, start: number, end: number): T | undefined {
    const last = this.lastBytes
    if (last?.length === end - start && isEqual(last, b, start)) return this.lastMeaning
    if (this.meanings === undefined || end - start > MAX_REMEMBERED_BLOCK_BYTES) return undefined
    const meaning = this.meanings.get(latin1(b, start, end))
    return meaning
  }

  add(b: Buffer, start: number, end: number, meaning: T): void {
    if (end - start > MAX_REMEMBERED_BLOCK_BYTES) return
    if (this.lastBytes === undefined) {
      this.lastBytes = Buffer.from(b.subarray(start, end))
      this.lastMeaning = meaning
      return
    }
    this.meanings ??= new Map()
    if (this.meanings.size >= MAX_REMEMBERED_BLOCKS) this.meanings.clear()
    this.meanings.set(latin1(b, start, end), meaning)
  }

  clear(): void {
    if (this.lastBytes === undefined) return
    this.lastBytes = undefined
    this.lastMeaning = undefined
    this.meanings = undefined
  }
}

function isEqual(known: Buffer, b: Buffer, start: number): boolean {
  const { length } = known
  if (length > SHORT_BYTES) return known.compare(b, start, start + length) === 0
  for (let i = 0; i < length; i++) if (known[i] !== b[start + i]) return false
  return true
}
