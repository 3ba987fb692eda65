// A reader of the BTF section of an ELF object: structures and enums by name. Little endian, ELF64.
// Format: https://docs.kernel.org/bpf/btf.html
import { readFileSync } from 'node:fs'

export interface BtfMember {
  readonly name: string
  readonly offset: number
  readonly bytes: number
  /** Name of the (element) type as written in C: `__be16`, `__u32`, ... */
  readonly typeName: string
}

export interface BtfStruct {
  readonly bytes: number
  readonly members: readonly BtfMember[]
}

export interface Btf {
  readonly structs: ReadonlyMap<string, BtfStruct>
  readonly enums: ReadonlyMap<string, ReadonlyMap<string, number>>
}

const KIND = { int: 1, array: 3, struct: 4, union: 5, enum: 6, typedef: 8, volatile: 9, const: 10 } as const
const KIND_FUNC_PROTO = 13
const KIND_VAR = 14
const KIND_DATASEC = 15
const KIND_DECL_TAG = 17
const KIND_ENUM64 = 19

interface RawType {
  readonly name: string
  readonly kind: number
  readonly count: number
  /** Size of a struct, enum or int; type id of a typedef, const or volatile. */
  readonly sizeOrType: number
  /** Offset of what follows the 12-byte header. */
  readonly body: number
}

export function readBtf(path: string): Btf {
  const data = section(readFileSync(path), '.BTF')
  const headerBytes = data.readUInt32LE(4)
  const types = data.subarray(headerBytes + data.readUInt32LE(8)).subarray(0, data.readUInt32LE(12))
  const strings = data.subarray(headerBytes + data.readUInt32LE(16))
  const text = (offset: number): string => strings.toString('latin1', offset, strings.indexOf(0, offset))
  const raw = readTypes(types, text)
  const structs = new Map<string, BtfStruct>()
  const enums = new Map<string, Map<string, number>>()
  for (const type of raw) {
    if (type.kind === KIND.struct) structs.set(type.name, readStruct(types, type, raw, text))
    if (type.kind === KIND.enum) {
      const values = new Map<string, number>()
      for (let i = 0; i < type.count; i++) {
        values.set(text(types.readUInt32LE(type.body + i * 8)), types.readInt32LE(type.body + i * 8 + 4))
      }
      enums.set(type.name, values)
    }
  }
  return { structs, enums }
}

function section(elf: Buffer, wanted: string): Buffer {
  const table = Number(elf.readBigUInt64LE(0x28))
  const entryBytes = elf.readUInt16LE(0x3a)
  const count = elf.readUInt16LE(0x3c)
  const header = (index: number): { name: number; offset: number; bytes: number } => {
    const at = table + index * entryBytes
    return {
      name: elf.readUInt32LE(at),
      offset: Number(elf.readBigUInt64LE(at + 0x18)),
      bytes: Number(elf.readBigUInt64LE(at + 0x20)),
    }
  }
  const names = header(elf.readUInt16LE(0x3e))
  for (let i = 0; i < count; i++) {
    const { name, offset, bytes } = header(i)
    const start = names.offset + name
    if (elf.toString('latin1', start, elf.indexOf(0, start)) === wanted)
      return elf.subarray(offset, offset + bytes)
  }
  throw new Error(`section ${wanted} not found`)
}

function bodyBytes(kind: number, count: number): number {
  switch (kind) {
    case KIND.int:
    case KIND_VAR:
    case KIND_DECL_TAG:
      return 4
    case KIND.array:
      return 12
    case KIND.struct:
    case KIND.union:
    case KIND_DATASEC:
    case KIND_ENUM64:
      return count * 12
    case KIND.enum:
    case KIND_FUNC_PROTO:
      return count * 8
    default:
      return 0
  }
}

/** Index = type id; id 0 is void. */
function readTypes(types: Buffer, text: (offset: number) => string): RawType[] {
  const raw: RawType[] = [{ name: 'void', kind: 0, count: 0, sizeOrType: 0, body: 0 }]
  let at = 0
  while (at < types.length) {
    const info = types.readUInt32LE(at + 4)
    const kind = (info >>> 24) & 0x1f
    const count = info & 0xffff
    raw.push({
      name: text(types.readUInt32LE(at)),
      kind,
      count,
      sizeOrType: types.readUInt32LE(at + 8),
      body: at + 12,
    })
    at += 12 + bodyBytes(kind, count)
  }
  return raw
}

function readStruct(
  types: Buffer,
  type: RawType,
  raw: readonly RawType[],
  text: (o: number) => string,
): BtfStruct {
  const members: BtfMember[] = []
  for (let i = 0; i < type.count; i++) {
    const at = type.body + i * 12
    const memberType = types.readUInt32LE(at + 4)
    members.push({
      name: text(types.readUInt32LE(at)),
      offset: types.readUInt32LE(at + 8) / 8,
      bytes: sizeOf(types, memberType, raw),
      typeName: elementName(types, memberType, raw),
    })
  }
  return { bytes: type.sizeOrType, members }
}

function at(raw: readonly RawType[], id: number): RawType {
  const type = raw[id]
  if (type === undefined) throw new Error(`BTF type ${id} does not exist`)
  return type
}

function sizeOf(types: Buffer, id: number, raw: readonly RawType[]): number {
  const type = at(raw, id)
  switch (type.kind) {
    case KIND.array:
      return sizeOf(types, types.readUInt32LE(type.body), raw) * types.readUInt32LE(type.body + 8)
    case KIND.typedef:
    case KIND.const:
    case KIND.volatile:
      return sizeOf(types, type.sizeOrType, raw)
    default:
      return type.sizeOrType
  }
}

function elementName(types: Buffer, id: number, raw: readonly RawType[]): string {
  const type = at(raw, id)
  if (type.kind === KIND.array) return elementName(types, types.readUInt32LE(type.body), raw)
  return type.name
}
