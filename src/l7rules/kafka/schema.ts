// Message formats as text, and the programs that one version of them is compiled to. The text has one field after
// another, as on the wire:
//
//   name:type          a field; types are i8 i16 u16 i32 i64 f64 bool uuid str bytes rec, and err: an error code
//   name:[ ... ]       an array of structs       name:[]type   an array of scalars      name:( ... )   a struct
//   ?                  may be null, ?2+ from version 2 on       @3+ @0-2   only in these versions
//   =-1                value in answers of ours; otherwise 0, '' or, where that is possible, null
//   #role              what the value names, see Role
//   ~                  at the end: nothing behind is looked at
//
// Flexible versions (KIP-482) write lengths as varints of length + 1, and end each struct with tagged fields. None of
// these is needed for a verdict: they are skipped, and answers of ours have none.

/**
 * topic, group, txn: a name of that. id: of a topic. regex: topics that nobody can list here. coordinator, resource: a
 * name of what a field of the role kind says. all: an array which, when it is null, stands for all topics.
 */
export type Role = 'topic' | 'id' | 'group' | 'txn' | 'regex' | 'coordinator' | 'resource' | 'kind' | 'all'

type Scalar = 'i8' | 'i16' | 'u16' | 'i32' | 'i64' | 'f64' | 'bool' | 'uuid' | 'str' | 'bytes' | 'rec' | 'err'
type FieldType = Scalar | 'struct'

interface Versions {
  readonly from: number
  readonly to: number
}

export interface Field {
  readonly name: string
  readonly type: FieldType
  readonly isArray: boolean
  readonly fields: readonly Field[]
  readonly versions: Versions
  /** Versions in which it may be null. */
  readonly nullable: Versions
  readonly fallback: number | undefined
  readonly role: Role | undefined
}

export interface Format {
  readonly fields: readonly Field[]
  /** All of it is described. */
  readonly isWhole: boolean
}

const ALWAYS: Versions = { from: 0, to: Number.POSITIVE_INFINITY }
const NEVER: Versions = { from: 1, to: 0 }
const FIELD = /^(?<name>\w+):(?<array>\[\])?(?<type>\w+|[[(])(?<rest>\S*)$/
const SUFFIX =
  /^(?<null>\?(?<nullVersions>[\d+-]*))?(@(?<versions>[\d+-]+))?(=(?<fallback>-?\d+))?(#(?<role>\w+))?$/

/** @throws Error for a text that is no format: the table is wrong. */
export function parseFormat(text: string): Format {
  const tokens = text.split(/\s+/).filter((token) => token !== '')
  const isWhole = tokens.at(-1) !== '~'
  if (!isWhole) tokens.pop()
  const reader = { tokens, at: 0 }
  const fields = parseFields(reader)
  if (reader.at < tokens.length) throw new Error(`format "${text}": nothing closes at "${tokens[reader.at]}"`)
  return { fields, isWhole }
}

interface Reader {
  readonly tokens: readonly string[]
  at: number
}

function parseFields(reader: Reader): Field[] {
  const fields: Field[] = []
  for (;;) {
    const token = reader.tokens[reader.at]
    if (token === undefined || /^[\])]/.test(token)) return fields
    reader.at++
    const groups = FIELD.exec(token)?.groups
    if (groups === undefined) throw new Error(`"${token}" is no field of a Kafka format`)
    const { name = '', type = '' } = groups
    if (type !== '[' && type !== '(') {
      const isArray = groups['array'] !== undefined
      fields.push({ name, type: type as Scalar, isArray, fields: [], ...parseSuffix(groups['rest'] ?? '') })
      continue
    }
    const nested = parseFields(reader)
    const close = reader.tokens[reader.at++] ?? ''
    if (close[0] !== (type === '[' ? ']' : ')')) throw new Error(`"${token}" is not closed`)
    const suffix = parseSuffix(close.slice(1))
    fields.push({ name, type: 'struct', isArray: type === '[', fields: nested, ...suffix })
  }
}

function parseSuffix(text: string): Pick<Field, 'versions' | 'nullable' | 'fallback' | 'role'> {
  const groups = SUFFIX.exec(text)?.groups
  if (groups === undefined) throw new Error(`"${text}" ends no field of a Kafka format`)
  const { fallback, role } = groups
  return {
    versions: groups['versions'] === undefined ? ALWAYS : parseVersions(groups['versions']),
    nullable:
      groups['null'] === undefined
        ? NEVER
        : groups['nullVersions'] === ''
          ? ALWAYS
          : parseVersions(groups['nullVersions'] ?? ''),
    fallback: fallback === undefined ? undefined : Number(fallback),
    role: role as Role | undefined,
  }
}

/** `3`, `3-5`, `3+`. */
export function parseVersions(text: string): Versions {
  const [, from, plus, to] = /^(\d+)(\+)?(?:-(\d+))?$/.exec(text) ?? []
  if (from === undefined) throw new Error(`"${text}" is no range of versions`)
  if (plus !== undefined) return { from: Number(from), to: Number.POSITIVE_INFINITY }
  return { from: Number(from), to: Number(to ?? from) }
}

export function includes({ from, to }: Versions, version: number): boolean {
  return version >= from && version <= to
}

// === programs ===

export const SKIP = 0
export const VALUE = 1
export const ARRAY = 2
export const STRUCT = 3
export const TAGS = 4

export interface Op {
  readonly kind: typeof SKIP | typeof VALUE | typeof ARRAY | typeof STRUCT | typeof TAGS
  readonly name: string
  readonly type: FieldType
  /** Size on the wire; -1: a length stands before it. */
  readonly bytes: number
  readonly isNullable: boolean
  /** Lengths and counts are varints of one more. */
  readonly isCompact: boolean
  /** Its value goes into the tree. */
  readonly isKept: boolean
  readonly role: Role | undefined
  readonly fallback: number | undefined
  /** Of a struct, or of an array of them. */
  readonly program: Program | undefined
}

export interface Program {
  readonly ops: readonly Op[]
  readonly isFlexible: boolean
  /** Nothing comes behind the last operation. */
  readonly isWhole: boolean
  /** [i]: an operation from the i-th on has a role, or holds one. */
  readonly rolesFrom: readonly boolean[]
}

const SIZES: Readonly<Record<FieldType, number>> = {
  i8: 1,
  bool: 1,
  i16: 2,
  u16: 2,
  err: 2,
  i32: 4,
  i64: 8,
  f64: 8,
  uuid: 16,
  str: -1,
  bytes: -1,
  rec: -1,
  struct: -1,
}

/** @param keeps says which fields go into the tree, beside those with a role. */
export function compile(
  format: Format,
  version: number,
  isFlexible: boolean,
  keeps: (name: string) => boolean,
): Program {
  return compileFields(format.fields, version, isFlexible, keeps, format.isWhole)
}

function compileFields(
  fields: readonly Field[],
  version: number,
  isFlexible: boolean,
  keeps: (name: string) => boolean,
  isWhole: boolean,
): Program {
  const ops: Op[] = []
  for (const field of fields) {
    if (!includes(field.versions, version)) continue
    const { name, type, role, fallback } = field
    const program =
      type === 'struct' ? compileFields(field.fields, version, isFlexible, keeps, true) : undefined
    const isKept = role !== undefined || keeps(name) || program?.ops.some((op) => op.isKept) === true
    ops.push({
      kind: field.isArray ? ARRAY : type === 'struct' ? STRUCT : isKept ? VALUE : SKIP,
      name,
      type,
      bytes: SIZES[type],
      isNullable: includes(field.nullable, version),
      isCompact: isFlexible,
      isKept,
      role,
      fallback,
      program,
    })
  }
  if (isFlexible && isWhole) ops.push(TAGS_OP)
  return makeProgram(ops, isFlexible, isWhole)
}

const TAGS_OP: Op = {
  kind: TAGS,
  name: '',
  type: 'bytes',
  bytes: -1,
  isNullable: false,
  isCompact: true,
  isKept: false,
  role: undefined,
  fallback: undefined,
  program: undefined,
}

/** The same with a header in front: client id and, in flexible versions, tagged fields; or only these. */
export function withHeader(program: Program, hasClientId: boolean, hasTags: boolean): Program {
  const clientId: Op = {
    ...TAGS_OP,
    kind: VALUE,
    name: 'clientId',
    type: 'str',
    isNullable: true,
    isCompact: false,
    isKept: true,
    role: 'kind',
  }
  const head = [...(hasClientId ? [clientId] : []), ...(hasTags ? [TAGS_OP] : [])]
  return makeProgram([...head, ...program.ops], program.isFlexible, program.isWhole)
}

function makeProgram(ops: readonly Op[], isFlexible: boolean, isWhole: boolean): Program {
  const rolesFrom = ops.map(() => false)
  let hasRoles = false
  for (let i = ops.length - 1; i >= 0; i--) {
    hasRoles ||= ops[i]!.role !== undefined || ops[i]!.program?.rolesFrom[0] === true
    rolesFrom[i] = hasRoles
  }
  return { ops, isFlexible, isWhole, rolesFrom }
}
