// The table of APIs against the message definitions that Kafka's own client is generated from: for each version that the
// client still has, requests and answers consist of the same types in the same order.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { API_TEXTS } from '../../../src/l7rules/kafka/apis.ts'
import { type Field, includes, parseFormat } from '../../../src/l7rules/kafka/schema.ts'
import { packageRoot } from '../../../src/lib/paths.ts'
import { readZip } from '../../helpers/zip.ts'

interface FieldDefinition {
  readonly type: string
  readonly versions: string
  readonly nullableVersions?: string
  readonly taggedVersions?: string
  readonly fields?: readonly FieldDefinition[]
}

interface Definition {
  readonly apiKey: number
  readonly type: 'request' | 'response' | 'header' | 'data'
  readonly name: string
  readonly validVersions: string
  readonly flexibleVersions: string
  readonly fields: readonly FieldDefinition[]
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly FieldDefinition[] }[]
}

const LIB = join(packageRoot(), 'test', 'fixtures', 'kafka', 'lib')
const SCALARS: Readonly<Record<string, string>> = {
  int8: 'i8',
  int16: 'i16',
  int32: 'i32',
  int64: 'i64',
  uint16: 'u16',
  uint32: 'i32',
  bool: 'bool',
  string: 'str',
  bytes: 'bytes',
  records: 'rec',
  uuid: 'uuid',
  float64: 'f64',
}
/** Answers of ours hold none of these structs, so that nothing of them is described; null where records may be. */
const ABRIDGED = new Set([69, 77, 78, 88, 89])
/** Envelopes carry requests of others: unknown on purpose. */
const LEFT_OUT = new Set([58])

function readDefinitions(jar: string): Map<number, { request?: Definition; response?: Definition }> {
  const found = new Map<number, { request?: Definition; response?: Definition }>()
  for (const [name, content] of readZip(jar, (entry) => entry.startsWith('common/message/'))) {
    if (!name.endsWith('.json')) continue
    // Lines of comment stand in these files, and some at the ends of others.
    const json = content
      .toString()
      .replace(/^\s*\/\/.*$/gm, '')
      .replace(/([,\]}"\w])\s+\/\/ .*$/gm, '$1')
    const definition = JSON.parse(json) as Definition
    if (definition.type !== 'request' && definition.type !== 'response') continue
    const pair = found.get(definition.apiKey) ?? {}
    pair[definition.type] = definition
    found.set(definition.apiKey, pair)
  }
  return found
}

function range(text: string | undefined): [from: number, to: number] {
  const [, from, plus, to] = /^(\d+)(\+)?(?:-(\d+))?$/.exec(text ?? '') ?? []
  if (from === undefined) return [1, 0]
  return [Number(from), plus === undefined ? Number(to ?? from) : Number.POSITIVE_INFINITY]
}

function isIn(text: string | undefined, version: number): boolean {
  const [from, to] = range(text)
  return version >= from && version <= to
}

function theirs(fields: readonly FieldDefinition[], definition: Definition, version: number): string[] {
  return fields.flatMap((field) => {
    if (!isIn(field.versions, version) || isIn(field.taggedVersions, version)) return []
    const isArray = field.type.startsWith('[]')
    const base = isArray ? field.type.slice(2) : field.type
    const struct = field.fields ?? definition.commonStructs?.find(({ name }) => name === base)?.fields ?? []
    const text = SCALARS[base] ?? `(${theirs(struct, definition, version).join(' ')})`
    return [`${isArray ? `[${text}]` : text}${isIn(field.nullableVersions, version) ? '?' : ''}`]
  })
}

function ours(fields: readonly Field[], version: number): string[] {
  return fields
    .filter(({ versions }) => includes(versions, version))
    .map(({ type, isArray, nullable, fields: nested }) => {
      const text = type === 'struct' ? `(${ours(nested, version).join(' ')})` : type === 'err' ? 'i16' : type
      return `${isArray ? `[${text}]` : text}${includes(nullable, version) ? '?' : ''}`
    })
}

const jar = existsSync(LIB)
  ? readdirSync(LIB).find((name) => /^kafka-clients-[\d.]+\.jar$/.test(name))
  : undefined
if (jar === undefined) {
  const how = 'Kafka is not installed: `npm run setup -- --tests` says why'
  if (process.env['CI'] === 'true') t.fail(`${how}; with CI=true no test may be skipped`)
  else t.pass(`SKIPPED: ${how}`)
} else {
  const definitions = readDefinitions(join(LIB, jar))
  let compared = 0
  for (const [key, { request, response }] of definitions) {
    if (request === undefined || response === undefined || LEFT_OUT.has(key)) continue
    const [lowest, highest] = range(request.validVersions)
    if (lowest > highest) continue
    t.test(request.name, async (t) => {
      const text = API_TEXTS[key]
      if (text === undefined) return void t.fail(`API ${key} is not in the table`)
      t.equal(text.maxVersion, highest, 'the highest version')
      const [format, answer] = [parseFormat(text.request), parseFormat(text.response ?? '')]
      for (let version = lowest; version <= highest; version++) {
        const isFlexible = text.flexibleFrom !== undefined && version >= text.flexibleFrom
        t.equal(isFlexible, isIn(request.flexibleVersions, version), `v${version} is flexible or not`)
        const wanted = theirs(request.fields, request, version)
        const described = ours(format.fields, version)
        const known = format.isWhole ? wanted : wanted.slice(0, described.length)
        t.equal(described.join(' '), known.join(' '), `request v${version}`)
        compared++
        if (text.response === undefined || ABRIDGED.has(key)) continue
        t.equal(
          ours(answer.fields, version).join(' '),
          theirs(response.fields, response, version).join(' '),
          `response v${version}`,
        )
      }
    })
  }
  t.test('there was something to compare', async (t) => {
    t.ok(compared > 200, `${compared} versions`)
  })
}
