// What header blocks meant that came before, by their bytes. The users know what else the meaning depends on.
import { MAX_REMEMBERED_BLOCK_BYTES } from './limits.ts'

/** Up to here a loop is faster than a call. */
const SHORT_BYTES = 96

interface Entry<T> {
  readonly hash: number
  readonly bytes: Buffer
  readonly meaning: T
}

/** A block is kept when it comes for the second time: most of those that never repeat cost no memory. */
export class BlockMemo<T> {
  private readonly slots: number
  private entries: (Entry<T> | undefined)[] | undefined
  /** By slot: hash of the latest block that was seen once. */
  private seen: Int32Array | undefined
  /** Of the block of the latest `find`. */
  private hash = 0

  /** @param slots at most so many are kept; a power of two. */
  constructor(slots: number) {
    this.slots = slots
  }

  find(b: Buffer, start: number, end: number): T | undefined {
    if (end - start > MAX_REMEMBERED_BLOCK_BYTES) return undefined
    this.hash = hashOf(b, start, end)
    const entry = this.entries?.[this.hash & (this.slots - 1)]
    if (entry?.hash !== this.hash || !isEqual(entry.bytes, b, start, end)) return undefined
    return entry.meaning
  }

  /** Only after `find` of the same block found nothing. */
  add(b: Buffer, start: number, end: number, meaning: T): void {
    if (this.isRepeated(start, end)) this.keep(b, start, end, meaning)
  }

  /** Whether the block of the latest `find` was asked about before: then `keep` is worth what the meaning costs. */
  isRepeated(start: number, end: number): boolean {
    if (end - start > MAX_REMEMBERED_BLOCK_BYTES) return false
    const { hash } = this
    const slot = hash & (this.slots - 1)
    this.seen ??= new Int32Array(this.slots)
    if (this.seen[slot] === hash) return true
    this.seen[slot] = hash
    return false
  }

  /** Only after `isRepeated` of the same block. */
  keep(b: Buffer, start: number, end: number, meaning: T): void {
    const { hash } = this
    const slot = hash & (this.slots - 1)
    this.entries ??= new Array<Entry<T> | undefined>(this.slots).fill(undefined)
    this.entries[slot] = { hash, bytes: Buffer.from(b.subarray(start, end)), meaning }
  }

  clear(): void {
    this.entries = undefined
    this.seen?.fill(0)
  }
}

/** FNV-1a: equality is decided by the bytes, so collisions cost time only. */
function hashOf(b: Buffer, start: number, end: number): number {
  let hash = 0x811c9dc5 | 0
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ b[i]!, 0x01000193)
  return hash ^ (hash >>> 15)
}

function isEqual(known: Buffer, b: Buffer, start: number, end: number): boolean {
  const { length } = known
  if (length !== end - start) return false
  if (length > SHORT_BYTES) return known.compare(b, start, end) === 0
  for (let i = 0; i < length; i++) if (known[i] !== b[start + i]) return false
  return true
}
