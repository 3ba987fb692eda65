// APIs by key, and their formats compiled for the versions that come along.
import { API_TEXTS, type ApiText } from './apis.ts'
import { compile, type Format, parseFormat, type Program, withHeader } from './schema.ts'

export interface Api {
  readonly key: number
  readonly text: ApiText
  readonly versions: ReadonlyMap<number, ApiVersion>
}

/** One version of an API. */
export class ApiVersion {
  readonly version: number
  readonly text: ApiText
  readonly isFlexible: boolean
  /** What follows key, version and correlation id. */
  readonly request: Program
  /** What follows the correlation id, as it is read. */
  readonly response: Program | undefined
  /** The same without header, as it is written. */
  readonly body: Program | undefined
  /** Header of version 1, which ends with tagged fields. */
  readonly hasResponseTags: boolean
  /** Array whose elements may be taken out; '' = none in this version. */
  readonly cut: string

  constructor(key: number, text: ApiText, version: number, request: Format, response: Format | undefined) {
    this.version = version
    this.text = text
    this.isFlexible = text.flexibleFrom !== undefined && version >= text.flexibleFrom
    // A client has to understand the answer before it knows which versions the broker has.
    this.hasResponseTags = this.isFlexible && key !== API_VERSIONS
    this.body =
      response === undefined ? undefined : compile(response, version, this.isFlexible, (name) => name in READ)
    this.response = this.body === undefined ? undefined : withHeader(this.body, false, this.hasResponseTags)
    const names = new Set<string>()
    if (this.body !== undefined) collectNames(this.body, names)
    const body = compile(request, version, this.isFlexible, (name) => names.has(name) || name in NEEDED)
    this.request = withHeader(body, true, this.isFlexible)
    const cuts = (text.cut ?? '').split(' ')
    this.cut = cuts.find((name) => body.ops.some((op) => op.name === name)) ?? ''
  }
}

export const PRODUCE = 0
export const FETCH = 1
export const METADATA = 3
export const SASL_HANDSHAKE = 17
export const API_VERSIONS = 18
export const SASL_AUTHENTICATE = 36
export const DESCRIBE_TOPIC_PARTITIONS = 75
export const SHARE_FETCH = 78

/** What every request begins with behind its correlation id, as long as nobody knows its format. */
export const HEADER_ONLY = withHeader(
  compile(parseFormat('~'), 0, false, () => false),
  true,
  false,
)

/** Fields of requests that decide what is done with them. */
const NEEDED = {
  shareSessionEpoch: true,
  memberId: true,
  acks: true,
  sessionId: true,
  sessionEpoch: true,
  mechanism: true,
}
/** Fields of responses that are looked at. */
const READ = { apiKey: true, maxVersion: true, error: true }

function collectNames(program: Program, names: Set<string>): void {
  for (const op of program.ops) {
    names.add(op.name)
    if (op.program !== undefined) collectNames(op.program, names)
  }
}

class CompiledApi implements Api {
  readonly key: number
  readonly text: ApiText
  readonly versions = new Map<number, ApiVersion>()
  readonly #request: Format
  readonly #response: Format | undefined

  constructor(key: number, text: ApiText) {
    this.key = key
    this.text = text
    this.#request = parseFormat(text.request)
    this.#response = text.response === undefined ? undefined : parseFormat(text.response)
  }

  at(version: number): ApiVersion | undefined {
    if (version < 0 || version > this.text.maxVersion) return undefined
    const known = this.versions.get(version)
    if (known !== undefined) return known
    const made = new ApiVersion(this.key, this.text, version, this.#request, this.#response)
    this.versions.set(version, made)
    return made
  }
}

const APIS = new Map<number, CompiledApi>()

/** undefined: nobody knows what such a request touches. */
export function findApi(key: number, version: number): ApiVersion | undefined {
  let api = APIS.get(key)
  if (api === undefined) {
    const text = API_TEXTS[key]
    if (text === undefined) return undefined
    api = new CompiledApi(key, text)
    APIS.set(key, api)
  }
  return api.at(version)
}

export function isKnownApi(key: number): boolean {
  return API_TEXTS[key] !== undefined
}

/** As records call it. */
export function apiName(key: number): string {
  return API_TEXTS[key]?.name ?? String(key)
}

/** The highest version that clients should use; undefined = the API is not known. */
export function offeredVersion(key: number): number | undefined {
  const text = API_TEXTS[key]
  return text === undefined ? undefined : (text.offeredVersion ?? text.maxVersion)
}
