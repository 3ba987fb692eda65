// Why a regex is refused, in the words of RE2 with the place, and what to write instead.
import { WeirError } from '../../lib/errors.ts'

const MENDS: readonly (readonly [RegExp, string])[] = [
  [/^missing argument to repetition operator/, 'write `.*` for "anything", or `\\*` for a literal star'],
  [/^invalid nested repetition operator/, 'put the inner repetition into a group, or drop one operator'],
  [/^missing closing \)/, 'close the group, or write `\\(` for a literal parenthesis'],
  [/^missing closing ]/, 'close the class, or write `\\[` for a literal bracket'],
  [/^unexpected \)/, 'open the group, or write `\\)` for a literal parenthesis'],
  [/^invalid repeat count/, 'keep repeats, and the product of nested ones, at 1000 or less'],
  [/^expression too large/, 'use smaller repeat counts, or split the rule'],
  [/Perl syntax/, 'RE2 has no look-around, conditionals or atomic groups: say it without'],
  [/^Unicode classes/, 'list the characters, or use a class such as `[^/]`'],
]

/** @param position index into `pattern`, in UTF-16 units. */
export function regexError(pattern: string, reason: string, position: number): WeirError {
  const mend = MENDS.find(([test]) => test.test(reason))?.[1] ?? 'use RE2 syntax'
  return new WeirError(
    'REGEX_INVALID',
    `regex ${JSON.stringify(pattern)}: ${reason} at position ${position}`,
    { mend },
  )
}
