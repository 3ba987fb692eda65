// For tests of commands that ask no files.
import type { Rehearsal } from '../../src/cli/rehearsal.ts'

const refuse = (): Promise<never> => Promise.reject(new Error('this test asks no files'))

export const NO_REHEARSAL: Rehearsal = {
  validatePolicies: refuse,
  traceOffline: refuse,
  testPolicies: refuse,
}
