// Which conditions of an HTTP rule hold for a request: each one is compiled alone, by the engine of the proxy.
import { runActions } from '../l7rules/header-actions.ts'
import type { HttpRequest } from '../l7rules/http1/request.ts'
import { compileHttpRules } from '../l7rules/http-rules.ts'
import { occurrences } from '../l7rules/header-conditions.ts'
import type { HeaderMatcher, HttpRule, ValueMatch } from '../policy/network-policy.ts'

interface Condition {
  readonly text: string
  /** What the request has in that place. */
  readonly had: (request: HttpRequest) => string
  /** With this condition only. */
  readonly rule: HttpRule
}

/** For people; `every request` when there is none. */
export function conditionsText(rule: HttpRule): string {
  const texts = [...conditionsOf(rule).map(({ text }) => text), ...actionsText(rule)]
  return texts.length === 0 ? 'every request' : texts.join(', ')
}

/** Why the rule does not match; empty when it does. */
export function missesOf(rule: HttpRule, request: HttpRequest): string[] {
  const misses = conditionsOf(rule)
    .filter((condition) => compileHttpRules([condition.rule]).evaluate(request) < 0)
    .map(({ text, had }) => `${had(request)} does not fit ${text}`)
  const { ok, notes } = runActions(rule.headerActions ?? [], request)
  if (!ok)
    misses.push(...notes.map(({ kind, name, value }) => `header ${name}: ${kind} ${JSON.stringify(value)}`))
  return misses
}

function conditionsOf(rule: HttpRule): Condition[] {
  const { name } = rule
  const conditions: Condition[] = []
  for (const field of ['method', 'path', 'host'] as const) {
    const pattern = rule[field]
    if (pattern === undefined) continue
    conditions.push({
      text: `${field} ${JSON.stringify(pattern)}`,
      had: (request) => `${field} ${JSON.stringify(request[field])}`,
      rule: { name, [field]: pattern, headers: [] },
    })
  }
  for (const header of rule.headers) {
    const value = header.value === undefined ? 'present' : JSON.stringify(header.value)
    conditions.push({
      text: `header ${header.name} ${value}`,
      had: (request) => headerText(header.name, request),
      rule: { name, headers: [header] },
    })
  }
  for (const matcher of rule.matchers ?? []) {
    conditions.push({
      text: matcherText(matcher),
      had: (request) => headerText(matcher.name, request),
      rule: { name, headers: [], matchers: [matcher] },
    })
  }
  return conditions
}

function headerText(name: string, request: HttpRequest): string {
  const values = occurrences(request, name)
  if (values.length === 0) return `header ${name}, which is missing,`
  return `header ${name} ${values.map((value) => JSON.stringify(value)).join(' and ')}`
}

function matcherText({ name, match, invert, missingAsEmpty }: HeaderMatcher): string {
  const empty = missingAsEmpty ? ' (missing counts as empty)' : ''
  return `header ${name} ${invert ? 'not ' : ''}${valueText(match)}${empty}`
}

function valueText(match: ValueMatch): string {
  switch (match.kind) {
    case 'present':
      return 'present'
    case 'regex':
      return `matching ${JSON.stringify(match.regex)}`
    case 'range':
      return `from ${match.start} to below ${match.end}`
    default:
      return `${match.kind} ${JSON.stringify(match.text)}${match.ignoreCase ? ' in any case' : ''}`
  }
}

/** Values of secrets stay out. */
function actionsText({ headerActions = [] }: HttpRule): string[] {
  return headerActions.map(({ name, value, isSecret, onMatch, onMismatch }) => {
    const shown = isSecret === true ? '[redacted]' : JSON.stringify(value)
    return `header ${name} ${value === '' ? 'present' : shown} (else ${onMismatch}${onMatch === 'continue' ? '' : `, found: ${onMatch}`})`
  })
}
