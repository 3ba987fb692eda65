// `rules.http` of a `toPorts` item: the HTTP requests that are allowed.
import type { HeaderAction, HeaderRule, HttpRule } from '../network-policy.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { HEADER_MATCH, HTTP } from './fields.ts'

/** Why a pattern is refused; undefined = it is fine. Decided by whoever executes patterns. */
export type RegexValidator = (pattern: string) => string | undefined

/** The same for what else of a rule only they can tell. */
export type HttpRuleValidator = (rule: HttpRule) => string | undefined

export interface HttpContext {
  readonly validateRegex: RegexValidator
  readonly validateHttpRule?: HttpRuleValidator
  /** Name of what holds the rules: `default/empire-landing ingress[0].toPorts[0]`. */
  readonly name: string
}

/** undefined after a problem. */
export function parseHttpRules(at: Cursor, context: HttpContext): readonly HttpRule[] | undefined {
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
  const matchesAt = fields.get('headerMatches')
  const actions = matchesAt === undefined ? [] : (matchesAt.items()?.map(parseHeaderMatch) ?? [undefined])
  if (!ok || !headers.every((header) => header !== undefined)) return undefined
  if (!actions.every((action) => action !== undefined)) return undefined
  const rule: HttpRule = {
    name: context.name,
    ...patterns,
    headers,
    ...(actions.length === 0 ? {} : { headerActions: actions }),
  }
  const reason = context.validateHttpRule?.(rule)
  return reason === undefined
    ? rule
    : at.fail(`the rule is refused: ${reason}`, 'see docs/policy.md, "Header actions"')
}

/** What Cilium does with a header that is not as wanted. Without a word on it the rule does not match. */
const MISMATCHES: Readonly<Record<string, HeaderAction['onMismatch']>> = {
  LOG: 'continue',
  ADD: 'add',
  DELETE: 'delete',
  REPLACE: 'replace',
}

function parseHeaderMatch(at: Cursor): HeaderAction | undefined {
  const fields = at.fields(HEADER_MATCH)
  if (fields === undefined) return undefined
  const nameAt = fields.get('name') ?? at.failMissing('name', 'name the header')
  const name = nameAt?.string()
  const valueAt = fields.get('value')
  const value = valueAt === undefined ? '' : valueAt.string()
  const mismatchAt = fields.get('mismatch')
  const mismatch = mismatchAt === undefined ? '' : mismatchAt.string()
  if (name === undefined || value === undefined || mismatch === undefined) return undefined
  if (!TOKEN.test(name)) return nameAt?.fail('is not a header name', 'e.g. X-Api-Key')
  if (value !== '' && !FIELD_VALUE.test(value)) {
    return valueAt?.fail('the header value holds control characters', 'write it without')
  }
  const onMismatch = mismatch === '' ? 'fail' : MISMATCHES[mismatch]
  if (onMismatch === undefined) {
    const actions = Object.keys(MISMATCHES).join(', ')
    return mismatchAt?.fail('unknown action', `use ${actions}, or remove mismatch: the rule then fails`)
  }
  if (value === '' && (onMismatch === 'add' || onMismatch === 'replace')) {
    return at.failMissing('value', `${mismatch} needs the value to write`)
  }
  return { name: name.toLowerCase(), value, onMatch: 'continue', onMismatch }
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
