// What the engine of the proxy refuses, told to those who admit policies.
import { errorMessage } from '../lib/errors.ts'
import type { HttpRule } from '../policy/network-policy.ts'
import { validateHttpRule, validateRegex } from './http-rules.ts'

/** Each answers why it refuses; undefined = it does not. */
export const ADMISSION = {
  validateRegex: (pattern: string): string | undefined => problemOf(() => validateRegex(pattern)),
  validateHttpRule: (rule: HttpRule): string | undefined => problemOf(() => validateHttpRule(rule)),
}

function problemOf(validate: () => void): string | undefined {
  try {
    validate()
    return undefined
  } catch (error) {
    return errorMessage(error)
  }
}
