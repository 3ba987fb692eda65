// Kafka bytes for tests, written out field by field: an implementation of its own, so that tests do not compare the
// table of APIs with itself.

export const i8 = (value: number): Buffer => Buffer.from([value & 0xff])
export const i16 = (value: number): Buffer => {
  const b = Buffer.alloc(2)
  b.writeInt16BE(value)
  return b
}
export const i32 = (value: number): Buffer => {
  const b = Buffer.alloc(4)
  b.writeInt32BE(value)
  return b
}
export const i64 = (value: number): Buffer => {
  const b = Buffer.alloc(8)
  b.writeBigInt64BE(BigInt(value))
  return b
}
export const uvarint = (value: number): Buffer => {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  return Buffer.from([...bytes, rest])
}
/** STRING or NULLABLE_STRING. */
export const str = (text: string | null): Buffer =>
  text === null ? i16(-1) : Buffer.concat([i16(Buffer.byteLength(text)), Buffer.from(text)])
/** COMPACT_STRING or COMPACT_NULLABLE_STRING. */
export const cstr = (text: string | null): Buffer =>
  text === null ? uvarint(0) : Buffer.concat([uvarint(Buffer.byteLength(text) + 1), Buffer.from(text)])
export const array = (items: readonly Buffer[] | null): Buffer =>
  items === null ? i32(-1) : Buffer.concat([i32(items.length), ...items])
export const carray = (items: readonly Buffer[] | null): Buffer =>
  items === null ? uvarint(0) : Buffer.concat([uvarint(items.length + 1), ...items])
export const bytes = (data: Buffer): Buffer => Buffer.concat([i32(data.length), data])
export const cbytes = (data: Buffer): Buffer => Buffer.concat([uvarint(data.length + 1), data])
export const all = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts)
export const NO_TAGS = uvarint(0)
export const tags = (...fields: readonly (readonly [tag: number, data: Buffer])[]): Buffer =>
  all(uvarint(fields.length), ...fields.map(([tag, data]) => all(uvarint(tag), uvarint(data.length), data)))

export const frame = (payload: Buffer): Buffer => all(i32(payload.length), payload)

export interface Head {
  readonly key: number
  readonly version: number
  readonly id?: number
  readonly client?: string | null
  /** Header version 2: with tagged fields. */
  readonly flexible?: boolean
}

export function request(
  { key, version, id = 7, client = 'cli', flexible = false }: Head,
  body: Buffer,
): Buffer {
  return frame(all(i16(key), i16(version), i32(id), str(client), flexible ? NO_TAGS : all(), body))
}

export function response(id: number, body: Buffer, flexible = false): Buffer {
  return frame(all(i32(id), flexible ? NO_TAGS : all(), body))
}
