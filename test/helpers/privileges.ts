// Tests that need root: skipped on a developer's account, failed where nobody would notice a skip.

interface SkippableTest {
  fail(message: string): boolean
  comment(message: string): void
}

/**
 * False when the test cannot run. With CI=true that is a failure, otherwise a comment. Use it first:
 * `if (!canRunPrivileged(t)) return`.
 */
export function canRunPrivileged(t: SkippableTest): boolean {
  if (process.getuid?.() === 0) return true
  if (process.env['CI'] === 'true') t.fail('needs root; with CI=true no test may be skipped')
  else t.comment('SKIPPED: needs root')
  return false
}
