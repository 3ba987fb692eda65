// The syntax tree of a regex: what the parser yields and what literals and NFA are derived from.

/** `begin` and `end` are those of the whole text, `line` ones are of (?m), `word` ones are \b and \B. */
export type Assertion = 'beginText' | 'endText' | 'beginLine' | 'endLine' | 'word' | 'notWord'

export type RegexNode =
  | { readonly kind: 'empty' }
  /** One character. `ranges`: sorted, disjoint [low, high] pairs of code points, flat; empty = matches nothing. */
  | { readonly kind: 'class'; readonly ranges: readonly number[] }
  | { readonly kind: 'assert'; readonly at: Assertion }
  | { readonly kind: 'concat'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'alternate'; readonly options: readonly RegexNode[] }
  /** `max` is Infinity for * and +. Laziness is not kept: a whole-string match does not depend on it. */
  | { readonly kind: 'repeat'; readonly body: RegexNode; readonly min: number; readonly max: number }

export const EMPTY: RegexNode = { kind: 'empty' }
