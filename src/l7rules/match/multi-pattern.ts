// Many regexes in one automaton: the plain form, without the short cuts of the field matcher.
import { LazyDfa } from './dfa.ts'
import { Nfa, NfaTooLarge } from './nfa.ts'
import { regexError } from './regex-error.ts'
import type { RegexNode } from './regex-ast.ts'
import { parseRegex } from './regex-parser.ts'

export class MultiPattern {
  readonly #dfa: LazyDfa

  /**
   * Pattern i has id i.
   * @param maxStates size of the state cache; small ones are for tests.
   * @throws WeirError REGEX_INVALID when a pattern is not RE2, or one or all together are too large.
   */
  constructor(patterns: readonly string[], maxStates?: number) {
    const nfa = new Nfa()
    patterns.forEach((pattern, id) => addPattern(nfa, pattern, parseRegex(pattern), id))
    this.#dfa = new LazyDfa(nfa, maxStates)
  }

  /** Ids of all patterns that match the whole of `input` (one char per byte), ascending; do not modify. */
  match(input: string): readonly number[] {
    return this.#dfa.match(input)
  }

  /** States in the cache now. */
  get stateCount(): number {
    return this.#dfa.stateCount
  }
}

/** Add to `nfa`, naming the pattern when it is too large. @throws WeirError REGEX_INVALID */
export function addPattern(nfa: Nfa, pattern: string, tree: RegexNode, id: number): void {
  try {
    nfa.add(tree, id)
  } catch (error) {
    if (error instanceof NfaTooLarge) throw regexError(pattern, error.message, 0)
    throw error
  }
}
