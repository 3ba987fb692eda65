// Reads one message as its program says, from pieces of any size, and keeps what the program keeps as a tree.
// Every length and count is checked against what is left of the frame before anything is done with it.
import type { KafkaCode } from './codes.ts'
import { Cursor } from './cursor.ts'
import { MAX_ELEMENTS } from './limits.ts'
import { ARRAY, type Op, type Program, SKIP, STRUCT, TAGS, VALUE } from './schema.ts'

/** A struct that was read. Names come from the table of APIs alone. */
export interface Node {
  [name: string]: Value
}
export type Value = string | number | null | Node | Value[] | undefined

/** What `advance` came to. */
export const MORE = 0
export const DONE = 1
export const FAILED = 2
/** The count of a watched array was read. */
export const COUNT = 3
/** An element of one has ended. */
export const ELEMENT = 4
/** A field with a role was read; only when `reportsRoles`. */
export const ROLE = 5
/** Nothing with a role can come any more. Once. */
export const TOLD = 6
export type Outcome =
  typeof MORE | typeof DONE | typeof FAILED | typeof COUNT | typeof ELEMENT | typeof ROLE | typeof TOLD

/** A struct that is being read. */
interface Frame {
  readonly program: Program
  /** The next operation. */
  at: number
  readonly node: Node
  /** The array that it is an element of. */
  readonly array: Value[] | undefined
  readonly op: Op | undefined
  /** Elements that come behind this one. */
  readonly rest: number
  readonly startsAt: number
}

export class Walker {
  readonly root: Node = {}
  /** Of the watched array whose count was read last: where it stands in the frame. */
  countAt = 0
  countEnd = 0
  /** -1 = null. */
  count = 0
  /** The element of it that has ended. */
  element: Value
  elementStart = 0
  reportsRoles = false
  /** Where fields at the top stand in the frame. */
  readonly marks = new Map<string, number>()

  readonly #cursor: Cursor
  readonly #watched: string
  readonly #frames: Frame[]
  #skip = 0
  /** Tagged fields to come. */
  #tags = 0
  /** Elements to come of an array of scalars. */
  #scalars = 0
  #scalarOp: Op | undefined
  #scalarArray: Value[] = []
  #elements = 0
  #event: Outcome = MORE
  #hasRoleRead = false
  #isTold = false

  /**
   * @param offset of the first byte to be read within its frame.
   * @param left bytes of the frame from there on.
   * @param watched name of the arrays that are reported; '' = none.
   */
  constructor(program: Program, offset: number, left: number, watched = '') {
    this.#cursor = new Cursor(offset, left)
    this.#watched = watched
    this.#frames = [makeFrame(program, this.root, offset)]
  }

  /** Position in the buffer of the last call up to which everything was read. */
  get position(): number {
    return this.#cursor.position
  }

  /** The same, from the beginning of the frame on. */
  get offset(): number {
    return this.#cursor.offset
  }

  /** Bytes of the frame behind it. */
  get left(): number {
    return this.#cursor.left
  }

  /** Of a failure. */
  get code(): KafkaCode {
    return this.#cursor.code === '' ? 'KAFKA_MALFORMED_REQUEST' : this.#cursor.code
  }

  #hasMoreRoles(): boolean {
    if (this.#scalars > 0 && this.#scalarOp?.role !== undefined) return true
    for (const { program, at, rest } of this.#frames) {
      if (program.rolesFrom[at] === true || (rest > 0 && program.rolesFrom[0] === true)) return true
    }
    return false
  }

  /** The structs around what is being read, the outermost first. */
  get path(): readonly Node[] {
    return this.#frames.map(({ node }) => node)
  }

  /** Reads on in `b[start, end)`, which begins with the first byte that was not read. */
  advance(b: Buffer, start: number, end: number): Outcome {
    const cursor = this.#cursor
    cursor.offer(b, start, end)
    for (;;) {
      if (this.#skip > 0) {
        const bytes = Math.min(this.#skip, cursor.available)
        this.#skip -= bytes
        cursor.consume(bytes)
        if (this.#skip > 0) return MORE
      }
      const event = this.#takeEvent()
      if (event !== MORE) return event
      const frame = this.#frames.at(-1)
      if (frame === undefined) return cursor.left === 0 ? DONE : this.#failed('KAFKA_MALFORMED_REQUEST')
      if (!this.#step(frame)) return cursor.code === '' ? MORE : FAILED
    }
  }

  #takeEvent(): Outcome {
    const event = this.#event
    this.#event = MORE
    if (event !== MORE) return event
    if (this.#hasRoleRead) {
      this.#hasRoleRead = false
      if (this.reportsRoles) return ROLE
    }
    if (this.#isTold || this.#hasMoreRoles()) return MORE
    this.#isTold = true
    return TOLD
  }

  #failed(code: KafkaCode): typeof FAILED {
    this.#cursor.fail(code)
    return FAILED
  }

  /** One item. @returns false when bytes are missing or it failed. */
  #step(frame: Frame): boolean {
    if (this.#tags > 0) return this.#tag()
    if (this.#scalars > 0) return this.#scalar(this.#scalarOp!)
    const op = frame.program.ops[frame.at]
    if (op === undefined) {
      this.#endStruct(frame)
      return true
    }
    switch (op.kind) {
      case SKIP:
        return this.#passOver(op, frame)
      case VALUE:
        return this.#value(op, frame)
      case ARRAY:
        return this.#array(op, frame)
      case STRUCT:
        return this.#struct(op, frame)
      case TAGS:
        return this.#tagCount(frame)
    }
  }

  #passOver(op: Op, frame: Frame | undefined): boolean {
    const bytes = op.bytes >= 0 ? op.bytes : this.#cursor.length(op)
    if (bytes === undefined || !this.#startSkip(Math.max(0, bytes))) return false
    if (frame !== undefined) frame.at++
    return true
  }

  #startSkip(bytes: number): boolean {
    if (bytes > this.#cursor.left) {
      this.#cursor.fail('KAFKA_MALFORMED_REQUEST')
      return false
    }
    this.#skip = bytes
    return true
  }

  #value(op: Op, frame: Frame): boolean {
    const from = this.#cursor.offset
    const value = this.#cursor.scalar(op)
    if (value === undefined) return false
    frame.at++
    frame.node[op.name] = value
    if (op.role !== undefined) this.#hasRoleRead = true
    if (this.#frames.length === 1) this.marks.set(op.name, from)
    return true
  }

  #tagCount(frame: Frame): boolean {
    const count = this.#cursor.varint()
    if (count === undefined) return false
    // Each takes two bytes at least.
    if (count > this.#cursor.left) return this.#startSkip(count)
    frame.at++
    this.#tags = count
    return true
  }

  #tag(): boolean {
    const size = this.#cursor.tag()
    if (size === undefined) return false
    this.#tags--
    return this.#startSkip(size)
  }

  #struct(op: Op, frame: Frame): boolean {
    const isPresent = op.isNullable ? this.#cursor.presence() : true
    if (isPresent === undefined) return false
    frame.at++
    if (!isPresent) {
      frame.node[op.name] = null
      return true
    }
    const node: Node = {}
    frame.node[op.name] = node
    this.#frames.push(makeFrame(op.program!, node, this.#cursor.offset))
    return true
  }

  #array(op: Op, frame: Frame): boolean {
    const from = this.#cursor.offset
    const count = this.#cursor.count(op)
    if (count === undefined) return false
    frame.at++
    if (op.name === this.#watched) {
      this.countAt = from
      this.countEnd = this.#cursor.offset
      this.count = count
      this.#event = COUNT
    }
    const array: Value[] = []
    if (op.isKept) {
      frame.node[op.name] = count < 0 ? null : array
      this.#elements += Math.max(0, count)
      if (this.#elements > MAX_ELEMENTS) {
        this.#cursor.fail('KAFKA_TOO_MANY_ELEMENTS')
        return false
      }
    }
    if (count <= 0) return true
    if (op.program !== undefined) {
      this.#pushElement(op.program, array, op, count - 1)
      return true
    }
    if (!op.isKept && op.bytes >= 0) return this.#startSkip(count * op.bytes)
    this.#scalars = count
    this.#scalarOp = op
    this.#scalarArray = array
    return true
  }

  #pushElement(program: Program, array: Value[], op: Op, rest: number): void {
    const node: Node = {}
    if (op.isKept) array.push(node)
    this.#frames.push({ ...makeFrame(program, node, this.#cursor.offset), array, op, rest })
  }

  #endStruct({ program, array, op, rest, node, startsAt }: Frame): void {
    this.#frames.pop()
    if (array === undefined || op === undefined) {
      // Bytes behind a format that is not described to its end are nobody's concern.
      if (this.#frames.length === 0 && !program.isWhole) this.#skip = this.#cursor.left
      return
    }
    if (rest > 0) this.#pushElement(program, array, op, rest - 1)
    if (op.name === this.#watched) this.#report(node, startsAt)
  }

  #scalar(op: Op): boolean {
    const from = this.#cursor.offset
    if (!op.isKept) {
      if (!this.#passOver(op, undefined)) return false
      this.#scalars--
      return true
    }
    const value = this.#cursor.scalar(op)
    if (value === undefined) return false
    this.#scalars--
    this.#scalarArray.push(value)
    if (op.role !== undefined) this.#hasRoleRead = true
    if (op.name === this.#watched) this.#report(value, from)
    return true
  }

  #report(element: Value, startsAt: number): void {
    this.element = element
    this.elementStart = startsAt
    this.#event = ELEMENT
  }
}

function makeFrame(program: Program, node: Node, startsAt: number): Frame {
  return { program, at: 0, node, array: undefined, op: undefined, rest: 0, startsAt }
}
