// A place in a YAML document: reads the value there as the type that is wanted, or records a problem that
// names file, line, column, path and value. Readers return undefined after a problem, so checks go on.
import { isAlias, isMap, isScalar, isSeq, type Document, type LineCounter, type Node } from 'yaml'
import { nearestName } from './nearest-name.ts'
import { shortened, type Problem } from './problem.ts'

export interface CursorContext {
  readonly file: string
  readonly lines: LineCounter
  readonly document: Document
  readonly problems: Problem[]
  /** Aliases that may still be followed in this document. */
  aliasesLeft: number
}

export interface FieldTable {
  readonly known: readonly string[]
  /** Fields that exist in the format but cannot be enforced here, with what to do instead. */
  readonly unsupported?: Readonly<Record<string, string>>
}

export type Fields = ReadonlyMap<string, Cursor>

export class Cursor {
  readonly path: string
  readonly #context: CursorContext
  readonly #node: Node | null
  readonly #offset: number
  /** Of the key that the value here belongs to; equal to `#offset` in lists. */
  readonly #keyOffset: number

  /** `keyOffset`: where the key or the surrounding list is; also the place of a value that is absent. */
  constructor(context: CursorContext, node: unknown, path: string, keyOffset: number) {
    this.path = path
    this.#context = context
    this.#offset = (node as Node | null)?.range?.[0] ?? keyOffset
    this.#keyOffset = keyOffset
    this.#node = follow(context, node as Node | null)
  }

  /** Record a problem with the value here. Returns undefined for use in return statements. */
  fail(message: string, mend?: string): undefined {
    // An absent value may begin anywhere up to the next line.
    const offset = this.isNull ? this.#keyOffset : this.#offset
    this.#record(offset, this.path, message, mend, this.#valueText())
  }

  /** Record that the key of the value here is wrong. */
  failKey(message: string, mend: string): undefined {
    this.#record(this.#keyOffset, this.path, message, mend, this.#valueText())
  }

  /** Record that something is absent from the mapping here. */
  failMissing(field: string, mend: string): undefined {
    this.#record(this.#offset, join(this.path, field), 'is missing', mend, undefined)
  }

  get isNull(): boolean {
    return this.#node === null || (isScalar(this.#node) && this.#node.value === null)
  }

  get isText(): boolean {
    return isScalar(this.#node) && typeof this.#node.value === 'string'
  }

  get isMapping(): boolean {
    return isMap(this.#node)
  }

  /** Where the value begins, counted from 1; of one that is absent, where its key is. */
  get place(): { readonly line: number; readonly column: number } {
    const { line, col } = this.#context.lines.linePos(this.isNull ? this.#keyOffset : this.#offset)
    return { line, column: col }
  }

  /** The value cut out of `text`, the whole file, on the line and column where it stands: positions stay right. */
  cutOut(text: string): string {
    const { line, column } = this.place
    const end = this.#node?.range?.[1] ?? this.#offset
    return `${'\n'.repeat(line - 1)}${' '.repeat(column - 1)}${text.slice(this.#offset, end)}\n`
  }

  get isList(): boolean {
    return isSeq(this.#node)
  }

  /** The fields of a mapping. Fields outside of the table are problems, and are left out of the result. */
  fields(table: FieldTable): Fields | undefined {
    const entries = this.entries()
    if (entries === undefined) return undefined
    const fields = new Map<string, Cursor>()
    for (const [name, value] of entries) {
      const instead = table.unsupported?.[name]
      if (table.known.includes(name)) fields.set(name, value)
      else if (instead !== undefined) value.failKey(`field "${name}" is not supported yet`, instead)
      else value.#failUnknown(name, table)
    }
    return fields
  }

  /** All entries of a mapping with any keys, in their order. */
  entries(): [string, Cursor][] | undefined {
    if (!isMap(this.#node)) return this.#failType('a mapping')
    const entries: [string, Cursor][] = []
    for (const { key, value } of this.#node.items) {
      const offset = (key as Node | null)?.range?.[0] ?? this.#offset
      const name = follow(this.#context, key as Node | null)
      if (!isScalar(name) || typeof name.value !== 'string') {
        const written = isScalar(name) ? (name.source ?? String(name.value)) : 'a collection'
        this.#record(offset, this.path, 'a key is not text', 'put the key in quotes', written)
        continue
      }
      entries.push([name.value, new Cursor(this.#context, value, join(this.path, name.value), offset)])
    }
    return entries
  }

  items(): Cursor[] | undefined {
    if (!isSeq(this.#node)) return this.#failType('a list')
    return this.#node.items.map(
      (item, i) => new Cursor(this.#context, item, `${this.path}[${i}]`, this.#offset),
    )
  }

  string(): string | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    if (typeof value === 'string') return value
    const isUnquoted = isScalar(this.#node) && value !== null
    return this.#failType('text', isUnquoted ? `put it in quotes: "${this.#valueText() ?? ''}"` : undefined)
  }

  /** Text, or a number as it was written. */
  scalarText(): string | undefined {
    const isNumber = isScalar(this.#node) && typeof this.#node.value === 'number'
    return isNumber ? this.#valueText() : this.string()
  }

  boolean(): boolean | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    return typeof value === 'boolean' ? value : this.#failType('true or false')
  }

  integer(): number | undefined {
    const value = isScalar(this.#node) ? this.#node.value : undefined
    return typeof value === 'number' && Number.isInteger(value) ? value : this.#failType('a whole number')
  }

  #failUnknown(name: string, table: FieldTable): void {
    const near = nearestName(name, [...table.known, ...Object.keys(table.unsupported ?? {})])
    const mend =
      near === undefined ? `remove it; known here: ${table.known.join(', ')}` : `did you mean "${near}"?`
    this.failKey(`unknown field "${name}"`, mend)
  }

  #failType(wanted: string, mend?: string): undefined {
    if (!this.isNull) return this.fail(`must be ${wanted}`, mend)
    // Kubernetes takes null for an absent field, and an absent peer list means "everybody": too easy a slip.
    return this.fail(`must be ${wanted}, but is empty`, mend ?? 'write a value or remove the field')
  }

  #record(offset: number, path: string, message: string, mend?: string, value?: string): undefined {
    const { file, lines, problems } = this.#context
    const { line, col } = lines.linePos(offset)
    problems.push({
      file,
      line,
      column: col,
      path,
      message,
      ...(value === undefined ? {} : { value }),
      ...(mend === undefined ? {} : { mend }),
    })
    return undefined
  }

  #valueText(): string | undefined {
    if (isScalar(this.#node)) {
      const { value, source = '' } = this.#node
      if (value === null && source === '') return undefined
      return shortened(typeof value === 'string' ? JSON.stringify(value) : source)
    }
    if (isMap(this.#node)) return this.#node.items.length === 0 ? '{}' : 'a mapping'
    if (isSeq(this.#node)) return this.#node.items.length === 0 ? '[]' : 'a list'
    return undefined
  }
}

/** Plain keys are joined by dots, others are quoted: `matchLabels["k8s:app"]`. */
function join(path: string, key: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`
  return path === '' ? key : `${path}.${key}`
}

function follow(context: CursorContext, node: Node | null): Node | null {
  let target: Node | null | undefined = node
  while (isAlias(target)) {
    // Beyond the limit, and for unknown anchors (a syntax error already), the value reads as empty: a problem.
    if (context.aliasesLeft-- <= 0) return null
    target = target.resolve(context.document)
  }
  return target ?? null
}
