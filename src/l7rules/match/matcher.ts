// All patterns of one request field (method, path, host) matched together: literals by hash, prefixes by
// trie, the rest by the lazy automaton. The cost depends on the text, not on how many patterns there are.
import { LazyDfa } from './dfa.ts'
import type { HitSet } from './hit-set.ts'
import { literalForm } from './literals.ts'
import { MAX_NFA_NODES, MAX_PATTERN_NODES } from './limits.ts'
import { addPattern } from './multi-pattern.ts'
import { Nfa } from './nfa.ts'
import { PrefixTrie } from './prefix-trie.ts'
import type { RegexNode } from './regex-ast.ts'

export interface FieldPattern {
  readonly id: number
  readonly tree: RegexNode
  /** As written, for errors. */
  readonly source: string
}

interface PrefixEntry {
  readonly id: number
  /** Matches what follows the prefix; asked only when that is not plain text. */
  readonly tail: RegexNode
}

export class FieldMatcher {
  readonly #exact = new Map<string, number[]>()
  #trie: PrefixTrie<PrefixEntry> | undefined
  readonly #automata: LazyDfa[]
  /** Of the current call; fields, so that a walk needs no closure per call. */
  #text = ''
  #hits: HitSet | undefined

  /** @throws WeirError REGEX_INVALID when one pattern is too large; many together go to several automata. */
  constructor(patterns: readonly FieldPattern[]) {
    const rest = patterns.filter((pattern) => !this.#takeLiteral(pattern))
    this.#automata = buildAutomata(rest)
  }

  /** Add to `hits` the ids of all patterns that match the whole of `text` (one char per byte). */
  match(text: string, hits: HitSet): void {
    const exact = this.#exact.size === 0 ? undefined : this.#exact.get(text)
    if (exact !== undefined) for (const id of exact) hits.add(id)
    if (this.#trie !== undefined) {
      this.#text = text
      this.#hits = hits
      this.#trie.walk(text, this.#onPrefix)
    }
    for (const automaton of this.#automata) for (const id of automaton.match(text)) hits.add(id)
  }

  readonly #onPrefix = (entries: readonly PrefixEntry[], length: number): void => {
    const text = this.#text
    const plain = isPlain(text, length)
    for (const { id, tail } of entries)
      if (plain || matchesTail(tail, text.slice(length))) this.#hits?.add(id)
  }

  #takeLiteral({ id, tree }: FieldPattern): boolean {
    const form = literalForm(tree)
    if (form.kind === 'none') return false
    if (form.kind === 'exact') {
      for (const text of form.texts) {
        const ids = this.#exact.get(text)
        if (ids === undefined) this.#exact.set(text, [id])
        else ids.push(id)
      }
      return true
    }
    const trie = (this.#trie ??= new PrefixTrie<PrefixEntry>())
    // Part of it added and the rest refused does no harm: the automaton finds the same id again.
    return form.texts.every((text) => trie.add(text, { id, tail: form.tail }))
  }
}

/** `.*` matches ASCII without line feeds, whatever the flags, without a closer look. */
function isPlain(text: string, from: number): boolean {
  for (let i = from; i < text.length; i++) {
    const byte = text.charCodeAt(i)
    if (byte > 0x7f || byte === 0x0a) return false
  }
  return true
}

/** Rare: line feeds or bytes beyond ASCII after a prefix. */
function matchesTail(tail: RegexNode, rest: string): boolean {
  const nfa = new Nfa()
  nfa.add(tail, 0)
  return new LazyDfa(nfa).match(rest).length > 0
}

function buildAutomata(patterns: readonly FieldPattern[]): LazyDfa[] {
  const automata: LazyDfa[] = []
  let nfa = new Nfa()
  for (const [i, { id, tree, source }] of patterns.entries()) {
    addPattern(nfa, source, tree, id)
    const isFull = nfa.size > MAX_NFA_NODES - MAX_PATTERN_NODES - 1
    if (isFull || i === patterns.length - 1) {
      automata.push(new LazyDfa(nfa))
      nfa = new Nfa()
    }
  }
  return automata
}
