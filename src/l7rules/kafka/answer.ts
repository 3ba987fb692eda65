// Answers of ours: what the request named, with error numbers, and what else an answer must have.
import type { ApiVersion } from './api.ts'
import { ByteWriter } from './byte-writer.ts'
import { NONE } from './codes.ts'
import type { Denials } from './denials.ts'
import { ARRAY, type Op, type Program, STRUCT, TAGS } from './schema.ts'
import type { Node, Value } from './walker.ts'

/** Values for fields at the top that the request does not have. */
export type Extras = Readonly<Record<string, Value>>

/** A whole response with its length; undefined: the API has no form for one. */
export function answer(
  api: ApiVersion,
  correlationId: number,
  request: Node,
  denials: Denials,
  extras: Extras = {},
): Buffer | undefined {
  if (api.body === undefined) return undefined
  const writer = new ByteWriter()
  writer.int(0, 4)
  writer.int(correlationId, 4)
  if (api.hasResponseTags) writer.varint(0)
  const encoder = new Encoder(writer, denials, api.text.unserved ?? denials.first)
  encoder.struct(
    api.body,
    { ...request, ...extras },
    denials.root,
    denials.root === NONE ? undefined : denials.root,
  )
  const { bytes } = writer
  bytes.writeInt32BE(bytes.length - 4, 0)
  return bytes
}

/** The elements of a response's array for those that were cut out of the request. */
export function answerElements(api: ApiVersion, request: Node, denials: Denials): Buffer {
  const writer = new ByteWriter()
  const op = api.body?.ops.find(({ name }) => name === api.cut)
  const elements = request[api.cut]
  if (op === undefined || !Array.isArray(elements)) return writer.bytes
  const encoder = new Encoder(writer, denials, api.text.unserved ?? denials.first)
  for (const index of denials.elements) encoder.element(op, elements[index], index, undefined)
  return writer.bytes
}

class Encoder {
  readonly #writer: ByteWriter
  readonly #denials: Denials
  readonly #unserved: number

  constructor(writer: ByteWriter, denials: Denials, unserved: number) {
    this.#writer = writer
    this.#denials = denials
    this.#unserved = unserved
  }

  /**
   * @param error of this struct.
   * @param inherited of all within; undefined: each has its own.
   */
  struct({ ops }: Program, source: Value, error: number, inherited: number | undefined): void {
    const node: Node = isNode(source) ? source : {}
    const target = isNode(source) || source === undefined ? undefined : this.#targetOf(ops, source)
    for (const op of ops) {
      const value = op === target ? source : node[op.name]
      if (op.kind === TAGS) this.#writer.varint(0)
      else if (op.kind === ARRAY) this.#array(op, value, inherited)
      else if (op.kind === STRUCT) this.#nested(op, value, inherited)
      else if (op.type === 'err') this.#writer.int(error, 2)
      else this.#scalar(op, value)
    }
  }

  element(op: Op, value: Value, index: number, inherited: number | undefined): void {
    if (op.program === undefined) return this.#scalar(op, value)
    const own = inherited ?? this.#denials.of(value, index)
    if (own !== undefined) return this.struct(op.program, value, own, own)
    if (this.#denials.holds(value)) return this.struct(op.program, value, NONE, undefined)
    this.struct(op.program, value, this.#unserved, this.#unserved)
  }

  /** Field of a struct that repeats a request's scalar: the one with a role, or the first of its type. */
  #targetOf(ops: readonly Op[], value: Value): Op | undefined {
    const isString = typeof value === 'string'
    const type = isString ? 'str' : 'i32'
    return (
      (isString ? ops.find(({ role }) => role !== undefined) : undefined) ??
      ops.find((op) => op.type === type)
    )
  }

  #array(op: Op, value: Value, inherited: number | undefined): void {
    const elements = Array.isArray(value) ? value : []
    this.#count(elements.length, op.isCompact)
    elements.forEach((element, index) => this.element(op, element, index, inherited))
  }

  #count(count: number, isCompact: boolean): void {
    if (isCompact) this.#writer.varint(count + 1)
    else this.#writer.int(count, 4)
  }

  #nested(op: Op, value: Value, inherited: number | undefined): void {
    if (op.isNullable) {
      this.#writer.int(-1, 1)
      return
    }
    this.struct(op.program!, value, inherited ?? NONE, inherited)
  }

  #scalar(op: Op, value: Value): void {
    const number = typeof value === 'number' ? value : (op.fallback ?? 0)
    switch (op.type) {
      case 'i8':
      case 'bool':
        return this.#writer.int(number, 1)
      case 'i16':
      case 'err':
        return this.#writer.int(number, 2)
      case 'u16':
        return this.#writer.int((number << 16) >> 16, 2)
      case 'i32':
        return this.#writer.int(number, 4)
      case 'i64':
        return this.#writer.int64(number)
      case 'f64':
        return this.#writer.zeros(8)
      case 'uuid':
        return typeof value === 'string'
          ? this.#writer.raw(Buffer.from(value, 'hex'))
          : this.#writer.zeros(16)
      case 'str':
        return this.#string(op, typeof value === 'string' ? Buffer.from(value) : undefined)
      case 'bytes':
      case 'rec':
        // Empty, where null would be right, too: some clients ask for the length of records.
        return this.#count(0, op.isCompact)
      case 'struct':
    }
  }

  #string({ isCompact, isNullable }: Op, text: Buffer | undefined): void {
    if (text === undefined && isNullable) {
      if (isCompact) this.#writer.varint(0)
      else this.#writer.int(-1, 2)
      return
    }
    const bytes = text ?? Buffer.alloc(0)
    if (isCompact) this.#writer.varint(bytes.length + 1)
    else this.#writer.int(bytes.length, 2)
    this.#writer.raw(bytes)
  }
}

function isNode(value: Value): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
