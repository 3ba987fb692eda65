// What part of a pattern is plain text, so that it can be looked up instead of run.
import { encode } from './utf8.ts'
import type { Assertion, RegexNode } from './regex-ast.ts'

/** More alternatives than this are left to the automaton. */
const MAX_LITERALS = 64

export type LiteralForm =
  /** Exactly these strings (bytes, one per char). */
  | { readonly kind: 'exact'; readonly texts: readonly string[] }
  /** One of these, then `.*`. */
  | { readonly kind: 'prefix'; readonly texts: readonly string[]; readonly tail: RegexNode }
  | { readonly kind: 'none' }

export function literalForm(pattern: RegexNode): LiteralForm {
  const parts = pattern.kind === 'concat' ? [...pattern.parts] : [pattern]
  // The whole string is matched anyway: anchors at the ends say nothing more.
  while (isAssertion(parts[0], 'beginText')) parts.shift()
  while (isAssertion(parts.at(-1), 'endText')) parts.pop()
  const tail = parts.at(-1)
  const isPrefix = tail !== undefined && isAnything(tail)
  const texts = concatTexts(isPrefix ? parts.slice(0, -1) : parts)
  if (texts === undefined) return { kind: 'none' }
  return isPrefix ? { kind: 'prefix', texts, tail } : { kind: 'exact', texts }
}

function isAssertion(node: RegexNode | undefined, at: Assertion): boolean {
  return node?.kind === 'assert' && node.at === at
}

/** `.*`, with or without (?s). */
function isAnything(node: RegexNode): boolean {
  if (node.kind !== 'repeat' || node.min !== 0 || node.max !== Infinity || node.body.kind !== 'class')
    return false
  const ranges = node.body.ranges.join()
  return ranges === '0,1114111' || ranges === '0,9,11,1114111'
}

/** All strings that `node` matches; undefined when they are many or not finite. */
function texts(node: RegexNode): readonly string[] | undefined {
  switch (node.kind) {
    case 'empty':
      return ['']
    case 'class':
      return classTexts(node.ranges)
    case 'concat':
      return concatTexts(node.parts)
    case 'alternate':
      return alternateTexts(node.options)
    case 'repeat':
      if (node.min !== 0 || node.max !== 1) return undefined
      return alternateTexts([node.body, { kind: 'empty' }])
    case 'assert':
      return undefined
  }
}

function classTexts(ranges: readonly number[]): readonly string[] | undefined {
  const found: string[] = []
  for (let i = 0; i + 1 < ranges.length; i += 2) {
    for (let point = ranges[i] ?? 0; point <= (ranges[i + 1] ?? 0); point++) {
      if (found.length === MAX_LITERALS || (point >= 0xd800 && point <= 0xdfff)) return undefined
      found.push(String.fromCharCode(...encode(point)))
    }
  }
  return found
}

function alternateTexts(options: readonly RegexNode[]): readonly string[] | undefined {
  const found = new Set<string>()
  for (const option of options) {
    const some = texts(option)
    if (some === undefined) return undefined
    for (const text of some) found.add(text)
  }
  return found.size > MAX_LITERALS ? undefined : [...found]
}

function concatTexts(parts: readonly RegexNode[]): readonly string[] | undefined {
  let heads: readonly string[] = ['']
  let suffix = ''
  for (const part of parts) {
    const some = texts(part)
    if (some === undefined || heads.length * some.length > MAX_LITERALS) return undefined
    const [only] = some
    if (some.length === 1 && only !== undefined) {
      suffix += only
      continue
    }
    heads = heads.flatMap((head) => some.map((text) => head + suffix + text))
    suffix = ''
  }
  return suffix === '' ? [...new Set(heads)] : [...new Set(heads)].map((head) => head + suffix)
}
