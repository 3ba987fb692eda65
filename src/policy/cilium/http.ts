// `rules` of a `toPorts` item: the HTTP requests that are allowed.
import type { HeaderRule, HttpRule } from '../network-policy.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { HTTP, L7_RULES } from './fields.ts'

/** Why a pattern is refused; undefined = it is fine. Decided by whoever executes patterns. */
export type RegexValidator = (pattern: string) => string | undefined

export interface HttpContext {
  readonly validateRegex: RegexValidator
  /** Name of what holds the rules: `default/empire-landing ingress[0].toPorts[0]`. */
  readonly name: string
}

export interface L7Rules {
  /** undefined after a problem. */
  readonly http: readonly HttpRule[] | undefined
}

/** undefined when no HTTP rules are there, which is a problem too. */
export function parseL7Rules(at: Cursor, context: HttpContext): L7Rules | undefined {
  const fields = at.fields(L7_RULES)
  if (fields === undefined) return undefined
  const httpAt = fields.get('http')
  if (httpAt !== undefined) return { http: parseHttpRules(httpAt, context) }
  // Silent when the mapping held something else: that is a problem of its own.
  if (at.entries()?.length === 0) at.fail('names no protocol', 'write http, or remove rules')
  return undefined
}

function parseHttpRules(at: Cursor, context: HttpContext): readonly HttpRule[] | undefined {
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) {
    return at.fail('lists no rule', 'write [{}] or remove rules to allow every request, or list the requests')
  }
  const rules = items.map((item, i) => {
    return parseHttpRule(item, { ...context, name: `${context.name}.rules.http[${i}]` })
  })
  return rules.every((rule) => rule !== undefined) ? rules : undefined
}

function parseHttpRule(at: Cursor, context: HttpContext): HttpRule | undefined {
  const fields = at.fields(HTTP)
  if (fields === undefined) return undefined
  const patterns: { method?: string; path?: string; host?: string } = {}
  let ok = true
  for (const field of ['method', 'path', 'host'] as const) {
    const patternAt = fields.get(field)
    if (patternAt === undefined) continue
    const pattern = parsePattern(patternAt, field, context.validateRegex)
    if (pattern === undefined) ok = false
    else patterns[field] = pattern
  }
  const headersAt = fields.get('headers')
  const items = headersAt === undefined ? [] : headersAt.items()
  const headers = items?.map(parseHeader) ?? [undefined]
  if (!ok || !headers.every((header) => header !== undefined)) return undefined
  return { name: context.name, ...patterns, headers }
}

function parsePattern(at: Cursor, field: string, validate: RegexValidator): string | undefined {
  const pattern = at.string()
  if (pattern === undefined) return undefined
  if (pattern === '') return at.fail('the pattern is empty', `remove ${field} to match every ${field}`)
  const reason = validate(pattern)
  if (reason === undefined) return pattern
  return at.fail(`the regular expression is refused: ${reason}`, 'write RE2 syntax; ".*" matches everything')
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\uffff]+$/

/** `X-Name: value` = exactly that value; `X-Name` = present. Cilium also takes a blank without the colon. */
function parseHeader(at: Cursor): HeaderRule | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const blank = text.indexOf(' ')
  const name = (blank < 0 ? text : text.slice(0, blank)).replace(blank < 0 ? '' : /:$/, '')
  if (!TOKEN.test(name)) {
    return at.fail(
      'is not a header',
      'write "Name: value" with a blank after the colon, or "Name" for presence',
    )
  }
  if (blank < 0) return { name: name.toLowerCase(), value: undefined }
  const value = text.slice(blank).trim()
  if (!FIELD_VALUE.test(value)) {
    return at.fail('the header value is empty or holds control characters', 'write "Name" for presence')
  }
  return { name: name.toLowerCase(), value }
}
