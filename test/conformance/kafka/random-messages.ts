// Messages of every API and version with random values, written from the formats of the table.
import { API_TEXTS } from '../../../src/l7rules/kafka/apis.ts'
import { findApi } from '../../../src/l7rules/kafka/api.ts'
import { type Field, includes, parseFormat } from '../../../src/l7rules/kafka/schema.ts'
import {
  all,
  array,
  carray,
  cstr,
  i16,
  i32,
  i64,
  i8,
  NO_TAGS,
  request,
  response,
  str,
  tags,
  uvarint,
} from './wire.ts'

/** Of names that the tests' policy denies; nothing else in a message contains it. */
export const MARKER = 'den#'

export interface SentRequest {
  readonly key: number
  readonly version: number
  readonly id: number
  readonly bytes: Buffer
  readonly isMute: boolean
}

const KEYS = Object.keys(API_TEXTS).map(Number)
/** Whose responses say what the next bytes are. */
const SASL_HANDSHAKE = 17

export class RandomMessages {
  readonly #random: () => number
  /** Share of names that are denied. */
  readonly #denied: number
  #id = 0

  constructor(random: () => number) {
    this.#random = random
    this.#denied = random() < 0.3 ? 0 : random() * 0.5
  }

  request(): SentRequest {
    let key = KEYS[this.#below(KEYS.length)]!
    if (this.#random() < 0.5) key = [0, 1, 3, 8, 9, 10, 18][this.#below(7)]!
    const text = API_TEXTS[key]!
    const version = key === SASL_HANDSHAKE ? 1 : this.#below(text.maxVersion + 1)
    const isFlexible = text.flexibleFrom !== undefined && version >= text.flexibleFrom
    const format = parseFormat(text.request)
    const acks = this.#random() < 0.05 ? 0 : 1
    const body = this.#struct(format.fields, version, isFlexible, key === 0 ? { acks } : {}, format.isWhole)
    const rest = format.isWhole ? all() : Buffer.alloc(this.#below(40), 0x41)
    const id = this.#id++
    const head = { key, version, id, client: this.#random() < 0.2 ? null : 'client', flexible: isFlexible }
    return { key, version, id, bytes: request(head, all(body, rest)), isMute: key === 0 && acks === 0 }
  }

  /** Of a broker to a request that reached it. */
  response({ key, version, id }: Pick<SentRequest, 'key' | 'version' | 'id'>): Buffer {
    const api = findApi(key, version)
    const text = API_TEXTS[key]?.response
    if (api === undefined || text === undefined) return response(id, Buffer.alloc(this.#below(30), 0x42))
    const body = this.#struct(parseFormat(text).fields, version, api.isFlexible, {}, true)
    return response(id, body, api.hasResponseTags)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #struct(
    fields: readonly Field[],
    version: number,
    isFlexible: boolean,
    fixed: Readonly<Record<string, number>>,
    isWhole: boolean,
  ): Buffer {
    const present = fields.filter(({ versions }) => includes(versions, version))
    const parts = present.map((field) => this.#field(field, version, isFlexible, fixed[field.name]))
    const end =
      !isFlexible || !isWhole
        ? all()
        : this.#random() < 0.8
          ? NO_TAGS
          : tags([this.#below(5), Buffer.alloc(this.#below(9), 0x43)])
    return all(...parts, end)
  }

  #field(field: Field, version: number, isFlexible: boolean, fixed: number | undefined): Buffer {
    const isNull = includes(field.nullable, version) && this.#random() < 0.15
    if (field.isArray) {
      const list = isFlexible ? carray : array
      if (isNull && field.type === 'struct') return list(null)
      const count = this.#random() < 0.1 ? 0 : 1 + this.#below(3)
      return list(
        Array.from({ length: count }, () =>
          this.#value(
            { ...field, isArray: false, nullable: { from: 1, to: 0 } },
            version,
            isFlexible,
            fixed,
            false,
          ),
        ),
      )
    }
    return this.#value(field, version, isFlexible, fixed, isNull)
  }

  #value(
    field: Field,
    version: number,
    isFlexible: boolean,
    fixed: number | undefined,
    isNull: boolean,
  ): Buffer {
    switch (field.type) {
      case 'struct':
        if (isNull) return i8(-1)
        return all(
          includes(field.nullable, version) ? i8(1) : all(),
          this.#struct(field.fields, version, isFlexible, {}, true),
        )
      case 'i8':
      case 'bool':
        return i8(this.#below(4))
      case 'i16':
      case 'u16':
        return i16(fixed ?? this.#below(20))
      case 'err':
        return i16(0)
      case 'i32':
        return i32(field.name.startsWith('session') ? (this.#random() < 0.7 ? 0 : 5) : this.#below(1000))
      case 'i64':
      case 'f64':
        return i64(this.#below(1000))
      case 'uuid':
        return Buffer.alloc(16, 1 + this.#below(3))
      case 'str':
        return (isFlexible ? cstr : str)(isNull ? null : this.#name(field))
      case 'bytes':
      case 'rec': {
        const data = Buffer.alloc(this.#below(60), 0x44)
        return all(isFlexible ? uvarint(data.length + 1) : i32(data.length), data)
      }
    }
  }

  #name({ role }: Field): string {
    const name = 'abc'[this.#below(3)]!
    const isName =
      role === 'topic' || role === 'group' || role === 'txn' || role === 'resource' || role === 'coordinator'
    return isName && this.#random() < this.#denied ? `${MARKER}${name}` : name
  }
}
