// The file of `weir policy test`: endpoints, policies, and what should become of connections and requests.
import { EXPECTATIONS, isExpectation, type Expectation } from '../lib/expectation.ts'
import { errorMessage } from '../lib/errors.ts'
import { parsePort, type ProtocolPort } from '../lib/protocols.ts'
import type { Problem } from '../policy/problem.ts'
import type { Cursor, Fields, FieldTable } from '../policy/yaml-cursor.ts'
import { parseYamlDocuments } from '../policy/yaml-document.ts'

export interface SuiteDocument {
  /** A path, or a list of endpoints as in the endpoints file. */
  readonly endpointsAt: Cursor
  /** Paths, and policies themselves. */
  readonly policiesAt: readonly Cursor[]
  readonly cases: readonly SuiteCase[]
}

export interface SuiteCase {
  readonly name: string
  readonly line: number
  readonly from: string
  readonly to: string
  readonly port: ProtocolPort
  /** At most one of both. */
  readonly http: SuiteRequest | undefined
  readonly kafka: SuiteKafka | undefined
  readonly expect: Expectation
  /** Name of the rule that must decide, or its beginning; undefined = any. */
  readonly rule: string | undefined
  /** For problems that show only when the case runs. */
  readonly at: { readonly from: Cursor; readonly to: Cursor; readonly request: Cursor | undefined }
}

export interface SuiteRequest {
  readonly method: string
  readonly path: string
  readonly host: string
  /** `Name: value`. */
  readonly headers: readonly string[]
}

export interface SuiteKafka {
  readonly apiKey: string
  readonly apiVersion: number
  readonly clientId: string
  readonly topics: readonly string[]
  readonly group: string
  readonly transactionalId: string
}

const SUITE: FieldTable = { known: ['description', 'endpoints', 'policies', 'cases'] }
const CASE: FieldTable = { known: ['name', 'from', 'to', 'port', 'http', 'kafka', 'expect', 'rule'] }
const HTTP: FieldTable = { known: ['method', 'path', 'host', 'headers'] }
const KAFKA: FieldTable = {
  known: ['apiKey', 'apiVersion', 'clientID', 'topics', 'group', 'transactionalID'],
}
const MAX_KAFKA_VERSION = 0x7fff

/** Never throws. Problems that are found later are added to `problems`, too. */
export function parseSuite(
  text: string,
  file: string,
): { readonly suite: SuiteDocument | undefined; readonly problems: () => Problem[] } {
  const documents = parseYamlDocuments(text, file)
  const problems = (): Problem[] => documents.flatMap((document) => document.problems)
  const [root, second] = documents.flatMap((document) => document.root ?? [])
  if (problems().length > 0) return { suite: undefined, problems }
  if (root === undefined) {
    const mend = 'write endpoints, policies and cases: docs/policy.md, "Tests"'
    const empty = { file, line: 1, column: 1, path: '', message: 'the file is empty', mend }
    return { suite: undefined, problems: () => [empty] }
  }
  second?.fail('a second document', 'write one suite per file')
  return { suite: parseRoot(root), problems }
}

function parseRoot(root: Cursor): SuiteDocument | undefined {
  const fields = root.fields(SUITE)
  if (fields === undefined) return undefined
  fields.get('description')?.string()
  const endpointsAt = required(root, fields, 'endpoints', 'name the endpoints file, or list endpoints')
  const policiesAt = required(root, fields, 'policies', 'name a folder or file of policies, or list policies')
  const casesAt = required(root, fields, 'cases', 'list at least one case')
  const items = casesAt?.items()
  if (items?.length === 0) casesAt?.fail('lists no case', 'add one')
  const cases = (items ?? []).map(parseCase).filter((one) => one !== undefined)
  if (endpointsAt === undefined || policiesAt === undefined) return undefined
  return { endpointsAt, policiesAt: policiesAt.isText ? [policiesAt] : (policiesAt.items() ?? []), cases }
}

function parseCase(at: Cursor): SuiteCase | undefined {
  const fields = at.fields(CASE)
  if (fields === undefined) return undefined
  const fromAt = required(
    at,
    fields,
    'from',
    'name an endpoint, labels, an identity, an address, world or host',
  )
  const toAt = required(at, fields, 'to', 'name an endpoint, labels, an identity, an address, world or host')
  const portAt = required(at, fields, 'port', 'e.g. 80, or 53/UDP')
  const expectAt = required(at, fields, 'expect', `write one of ${EXPECTATIONS.join(', ')}`)
  const httpAt = fields.get('http')
  const kafkaAt = fields.get('kafka')
  const from = fromAt?.scalarText()
  const to = toAt?.scalarText()
  const port = portAt === undefined ? undefined : parseCasePort(portAt)
  const expect = expectAt === undefined ? undefined : parseExpectation(expectAt)
  const http = httpAt === undefined ? undefined : parseRequest(httpAt)
  const kafka = kafkaAt === undefined ? undefined : parseKafka(kafkaAt)
  if (httpAt !== undefined && kafkaAt !== undefined) {
    return kafkaAt.failKey('cannot be combined with http in one case', 'write two cases')
  }
  const name = fields.get('name')?.string()
  const rule = fields.get('rule')?.string()
  if (fromAt === undefined || from === undefined || toAt === undefined || to === undefined) return undefined
  if (port === undefined || expect === undefined) return undefined
  const requestAt = httpAt ?? kafkaAt
  if (requestAt !== undefined && http === undefined && kafka === undefined) return undefined
  return {
    name: name ?? `${from} to ${to}`,
    line: at.place.line,
    from,
    to,
    port,
    http,
    kafka,
    expect,
    rule,
    at: { from: fromAt, to: toAt, request: requestAt },
  }
}

function required(at: Cursor, fields: Fields, name: string, mend: string): Cursor | undefined {
  return fields.get(name) ?? at.failMissing(name, mend)
}

function parseCasePort(at: Cursor): ProtocolPort | undefined {
  const text = at.scalarText()
  if (text === undefined) return undefined
  try {
    return parsePort(text)
  } catch {
    return at.fail('is not PORT or PORT/PROTOCOL', 'e.g. 80, 53/UDP, or a type of ICMP: 8/ICMP')
  }
}

function parseExpectation(at: Cursor): Expectation | undefined {
  const text = at.scalarText()
  if (text === undefined || isExpectation(text)) return text
  return at.fail('is no expectation', `write one of ${EXPECTATIONS.join(', ')}`)
}

function parseRequest(at: Cursor): SuiteRequest | undefined {
  const fields = at.fields(HTTP)
  if (fields === undefined) return undefined
  const text = (name: string, absent: string): string | undefined => {
    const valueAt = fields.get(name)
    return valueAt === undefined ? absent : valueAt.string()
  }
  const headers = (fields.get('headers')?.items() ?? []).map((item) => item.string())
  const method = text('method', 'GET')
  const path = text('path', '/')
  const host = text('host', '')
  if (method === undefined || path === undefined || host === undefined) return undefined
  return headers.every((header) => header !== undefined) ? { method, path, host, headers } : undefined
}

function parseKafka(at: Cursor): SuiteKafka | undefined {
  const fields = at.fields(KAFKA)
  if (fields === undefined) return undefined
  const text = (name: string): string | undefined => {
    const valueAt = fields.get(name)
    return valueAt === undefined ? '' : valueAt.string()
  }
  const apiKeyAt = required(at, fields, 'apiKey', 'e.g. produce')
  const apiKey = apiKeyAt?.scalarText()
  const versionAt = fields.get('apiVersion')
  const apiVersion = versionAt === undefined ? 0 : versionAt.integer()
  if (apiVersion !== undefined && (apiVersion < 0 || apiVersion > MAX_KAFKA_VERSION)) {
    return versionAt?.fail(`apiVersion must be 0 to ${MAX_KAFKA_VERSION}`)
  }
  const topicsAt = fields.get('topics')
  const topics = topicsAt === undefined ? [] : topicsAt.items()?.map((item) => item.string())
  const clientId = text('clientID')
  const group = text('group')
  const transactionalId = text('transactionalID')
  if (apiKey === undefined || apiVersion === undefined || topics === undefined) return undefined
  if (clientId === undefined || group === undefined || transactionalId === undefined) return undefined
  if (!topics.every((topic) => topic !== undefined)) return undefined
  return { apiKey, apiVersion, clientId, topics, group, transactionalId }
}

/** What `run` throws becomes a problem of the value at `at`. */
export function orProblem<T>(at: Cursor, run: () => T): T | undefined {
  try {
    return run()
  } catch (error) {
    return at.fail(errorMessage(error))
  }
}
