// HPACK decoder (RFC 7541 §6): a header block to a list of fields. Bounded: a block that unpacks to more than the
// limits is still decoded to its end, because its inserts count, but not kept.
import { latin1 } from '../../http1/chars.ts'
import { BlockMemo } from '../block-memo.ts'
import { MAX_SHARED_BLOCKS } from '../limits.ts'
import { DEFAULT_TABLE_BYTES, DynamicTable } from './dynamic-table.ts'
import { COOKIE, Field, LAST_PSEUDO } from './field.ts'
import { decodeHuffman } from './huffman.ts'
import { STATIC_COUNT, STATIC_FIELDS } from './static-table.ts'

export interface HeaderLimits {
  /** Header list size of RFC 9113 §6.5.2: names, values and 32 bytes for each field. */
  readonly maxListBytes: number
  /** Without pseudo-header fields; all crumbs of Cookie (RFC 9113 §8.2.3) count as one. */
  readonly maxFields: number
}

/** Larger than any index, length or size that can be right in a bounded block. */
const MAX_INTEGER = 0xffffff
/** Bytes of an integer behind its prefix: more than these are a waste on purpose. */
const MAX_INTEGER_BYTES = 4
const BAD = -1

/** A block without a reference to the dynamic table: it means the same whatever is in there. */
interface SelfContained {
  readonly fields: readonly Field[]
  readonly inserts: readonly Field[]
  readonly listBytes: number
  readonly fieldCount: number
}

/**
 * Servers send the same literals again and again, to be inserted each time. Shared by all connections: only equal
 * bytes find it. Fields that the sender wants nobody to index are not kept.
 */
const selfContained = new BlockMemo<SelfContained>(MAX_SHARED_BLOCKS)

/** Decoded Huffman strings; grows to the longest that a block limit lets through. */
let scratch = Buffer.allocUnsafeSlow(16 * 1024)

export class HpackDecoder {
  /** Of the latest block; not to be kept. Cut off where a limit was reached. */
  fields: readonly Field[] = []
  isTooLarge = false
  /** The latest block inserted something or changed the table's size: one who did not see it knows another table. */
  hasChangedTable = false
  /** Smallest and last of the size updates in the latest block; -1: none. */
  smallestUpdate = -1
  lastUpdate = -1
  /** The next block has to begin with a size update (§4.2): what is decoded without would be wrong. */
  mustUpdate = false

  private readonly limits: HeaderLimits
  private readonly table = new DynamicTable()
  private readonly ownFields: Field[] = []
  private readonly inserts: Field[] = []
  private isSelfContained = true
  /** What the receiver of the blocks allows. */
  private maxTableBytes = DEFAULT_TABLE_BYTES
  private listBytes = 0
  private fieldCount = 0
  private hasCookie = false
  private position = 0

  constructor(limits: HeaderLimits) {
    this.limits = limits
  }

  /** The receiver has set this limit and the sender has acknowledged it (RFC 7541 §4.2). */
  setMaxTableBytes(bytes: number): void {
    this.maxTableBytes = bytes
    if (this.table.maxBytes > bytes) this.mustUpdate = true
  }

  get tableBytes(): number {
    return this.table.bytes
  }

  /** @returns false when the block cannot be decoded: the connection cannot go on. */
  decode(b: Buffer, start: number, end: number): boolean {
    this.reset()
    const known = this.mustUpdate ? undefined : selfContained.find(b, start, end)
    if (known !== undefined && this.fits(known)) {
      this.repeat(known)
      return true
    }
    this.position = start
    while (this.position < end && (b[this.position]! & 0xe0) === 0x20)
      if (!this.sizeUpdate(b, end)) return false
    if (this.mustUpdate) return false
    while (this.position < end) if (!this.field(b, end)) return false
    if (this.isSelfContained && !this.isTooLarge) this.remember(b, start, end)
    return true
  }

  private reset(): void {
    this.ownFields.length = 0
    this.fields = this.ownFields
    this.inserts.length = 0
    this.isSelfContained = true
    this.isTooLarge = false
    this.hasChangedTable = false
    this.smallestUpdate = -1
    this.lastUpdate = -1
    this.listBytes = 0
    this.fieldCount = 0
    this.hasCookie = false
  }

  private fits({ listBytes, fieldCount }: SelfContained): boolean {
    return listBytes <= this.limits.maxListBytes && fieldCount <= this.limits.maxFields
  }

  private repeat({ fields, inserts }: SelfContained): void {
    this.fields = fields
    this.hasChangedTable = inserts.length > 0
    for (let i = 0; i < inserts.length; i++) this.table.add(inserts[i]!)
  }

  private remember(b: Buffer, start: number, end: number): void {
    if (!selfContained.isRepeated(start, end)) return
    const { listBytes, fieldCount } = this
    const fields = this.ownFields.slice()
    selfContained.keep(b, start, end, { fields, inserts: this.inserts.slice(), listBytes, fieldCount })
  }

  /** 001xxxxx: only in front of all fields. */
  private sizeUpdate(b: Buffer, end: number): boolean {
    const bytes = this.integer(b, end, 0x1f)
    if (bytes === BAD || bytes > this.maxTableBytes) return false
    this.table.resize(bytes)
    this.isSelfContained = false
    this.hasChangedTable = true
    this.mustUpdate = false
    this.smallestUpdate = this.smallestUpdate < 0 ? bytes : Math.min(this.smallestUpdate, bytes)
    this.lastUpdate = bytes
    return true
  }

  private field(b: Buffer, end: number): boolean {
    const first = b[this.position]!
    // 1xxxxxxx: indexed.
    if (first >= 0x80) {
      const known = this.known(this.integer(b, end, 0x7f))
      if (known === undefined) return false
      this.keep(known)
      return true
    }
    // 01xxxxxx: literal, inserted. 0000xxxx: not inserted. 0001xxxx: never to be inserted.
    const isInserted = first >= 0x40
    if (!isInserted && first >= 0x20) return false
    const index = this.integer(b, end, isInserted ? 0x3f : 0x0f)
    if (index === BAD) return false
    const isNever = !isInserted && (first & 0x10) !== 0
    if (isNever) this.isSelfContained = false
    let field: Field
    if (index === 0) {
      const name = this.string(b, end)
      const value = name === undefined ? undefined : this.string(b, end)
      if (value === undefined) return false
      field = new Field(name!, value, isNever)
    } else {
      const known = this.known(index)
      const value = known === undefined ? undefined : this.string(b, end)
      if (value === undefined) return false
      field = new Field(known!.name, value, isNever, known!.kind)
    }
    if (isInserted) {
      this.table.add(field)
      this.inserts.push(field)
      this.hasChangedTable = true
    }
    this.keep(field)
    return true
  }

  private known(index: number): Field | undefined {
    if (index <= 0) return undefined
    if (index <= STATIC_COUNT) return STATIC_FIELDS[index]
    this.isSelfContained = false
    const dynamic = index - STATIC_COUNT - 1
    return dynamic < this.table.count ? this.table.at(dynamic) : undefined
  }

  private keep(field: Field): void {
    this.listBytes += field.bytes
    if (field.kind === COOKIE) {
      if (!this.hasCookie) this.fieldCount++
      this.hasCookie = true
    } else if (field.kind > LAST_PSEUDO) this.fieldCount++
    if (this.listBytes > this.limits.maxListBytes || this.fieldCount > this.limits.maxFields)
      this.isTooLarge = true
    if (!this.isTooLarge) this.ownFields.push(field)
  }

  /** RFC 7541 §5.1. */
  private integer(b: Buffer, end: number, mask: number): number {
    let value = b[this.position++]! & mask
    if (value < mask) return value
    for (let shift = 0; shift < 7 * MAX_INTEGER_BYTES; shift += 7) {
      if (this.position >= end) return BAD
      const byte = b[this.position++]!
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value > MAX_INTEGER ? BAD : value
    }
    return BAD
  }

  /** RFC 7541 §5.2. */
  private string(b: Buffer, end: number): string | undefined {
    if (this.position >= end) return undefined
    const isHuffman = b[this.position]! >= 0x80
    const length = this.integer(b, end, 0x7f)
    const start = this.position
    if (length === BAD || length > end - start) return undefined
    this.position = start + length
    if (!isHuffman) return latin1(b, start, start + length)
    if (length * 2 > scratch.length) scratch = Buffer.allocUnsafeSlow(length * 2)
    const decoded = decodeHuffman(b, start, start + length, scratch)
    return decoded < 0 ? undefined : latin1(scratch, 0, decoded)
  }
}
