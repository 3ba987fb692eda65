// header_matches of cilium.NetworkPolicy: compare the values of a header, then let the rule fail, or edit
// the header, or only note what was found. The table is in docs/policy.md, "Header actions".
import { WeirError } from '../lib/errors.ts'
import type { HeaderAction } from '../policy/network-policy.ts'
import type { HttpRequest } from './http1/request.ts'
import { occurrences } from './header-conditions.ts'
import { composeEdits, type HeaderEdit } from './header-edits.ts'
import { anyReading, asBytes } from './value-match.ts'
import type { HeaderNote } from './verdict.ts'

const REDACTED = '[redacted]'

export interface ActionsOutcome {
  /** False: the rule does not match after all, and its edits are void. */
  readonly ok: boolean
  readonly edits: readonly HeaderEdit[]
  readonly notes: readonly HeaderNote[]
}

/** All actions run on the request as it came, also after one has failed: the notes tell all that is wrong. */
export function runActions(actions: readonly HeaderAction[], request: HttpRequest): ActionsOutcome {
  const result: Result = { ok: true, edits: [], notes: [] }
  for (const action of actions) run(action, request, result)
  return result
}

interface Result {
  ok: boolean
  edits: readonly HeaderEdit[]
  readonly notes: HeaderNote[]
}

/**
 * With repeated headers both actions may be due: that of the match when the server may read the value, that of
 * the mismatch when it may read another one.
 */
function run(action: HeaderAction, request: HttpRequest, result: Result): void {
  const { name } = action
  const values = occurrences(request, name)
  const expected = asBytes(action.value)
  const equals = (value: string): boolean => equalsInConstantTime(value, expected)
  const isPresence = expected === ''
  const note = (kind: HeaderNote['kind'], value: string): void => {
    result.notes.push({ kind, name, value: action.isSecret === true ? REDACTED : value })
  }
  const edit = (removes: boolean, adds: readonly string[]): void => {
    result.edits = composeEdits(result.edits, [{ name, removes, adds }])
  }
  const isMismatch = isPresence ? values.length === 0 : values.length === 0 || !values.every(equals)
  const isMatch = isPresence ? values.length > 0 : anyReading(values, equals)

  if (isMismatch) {
    switch (action.onMismatch) {
      case 'fail':
        result.ok = false
        note('missing', expected)
        break
      case 'continue':
        note('missing', expected)
        break
      case 'add':
        edit(false, [expected])
        note('missing', expected)
        break
      case 'delete':
        if (values.length === 0) break
        edit(true, [])
        note('rejected', values.join(','))
        break
      case 'replace':
        edit(true, [expected])
        if (values.length > 0) note('rejected', values.join(','))
        note('missing', expected)
        break
    }
  }
  if (!isMatch || action.onMatch === 'continue') return
  note('rejected', values.join(','))
  if (action.onMatch === 'fail') result.ok = false
  else edit(true, [])
}

/** Time tells the length of `expected`, nothing of its content. */
function equalsInConstantTime(value: string, expected: string): boolean {
  let difference = value.length ^ expected.length
  for (let i = 0; i < expected.length; i++) difference |= value.charCodeAt(i) ^ expected.charCodeAt(i)
  return difference === 0
}

/**
 * Changing one of these would make the message another one than was judged, or break the connection. Spelled
 * with "_" some servers read them as the same.
 */
const UNTOUCHABLE = new Set([
  'connection',
  'content-length',
  'expect',
  'host',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** @throws WeirError POLICY_INVALID when the action would edit what must not be, or with what must not. */
export function checkAction(action: HeaderAction): void {
  const { name, value, onMatch, onMismatch } = action
  const adds = onMismatch === 'add' || onMismatch === 'replace'
  const edits = adds || onMismatch === 'delete' || onMatch === 'delete'
  if (edits && (name.startsWith(':') || UNTOUCHABLE.has(name.replaceAll('_', '-')))) {
    refuse(`header ${name} decides framing, routing or the connection and cannot be changed`)
  }
  if (!adds) return
  // White space around a value is not part of it: the header would never be found to have it.
  if (!/^[\t\x20-\x7e]*$/.test(value) || value.trim() !== value) {
    refuse(`header ${name}: a value that is written must be ASCII without control characters or outer blanks`)
  }
}

function refuse(problem: string): never {
  throw new WeirError('POLICY_INVALID', problem)
}
