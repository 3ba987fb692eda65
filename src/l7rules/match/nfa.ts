// Thompson's construction over bytes: many patterns in one automaton, bounded in size.
// Leading literals are shared between patterns as a trie, so that ten thousand rules below one path
// prefix keep few threads alive instead of ten thousand.
import { MAX_NFA_NODES, MAX_PATTERN_NODES } from './limits.ts'
import { encode, utf8Sequences } from './utf8.ts'
import type { Assertion, RegexNode } from './regex-ast.ts'

export type NfaNode =
  /** `edges`: low byte, high byte, target, flat. */
  | { readonly op: 'bytes'; readonly edges: number[] }
  | { readonly op: 'split'; readonly targets: number[] }
  /** Both: a shared prefix, `edges` to the longer ones, `targets` for what patterns have after it. */
  | TrieNode
  | { readonly op: 'assert'; readonly at: Assertion; readonly target: number }
  | { readonly op: 'match'; readonly id: number }

interface TrieNode {
  readonly op: 'trie'
  readonly edges: number[]
  readonly targets: number[]
}

/** Thrown by `add`; callers name the pattern. The automaton may hold a useless rest of it and stays sound. */
export class NfaTooLarge extends Error {}

export class Nfa {
  readonly nodes: NfaNode[] = []
  /** The empty prefix. */
  readonly start = 0
  readonly #root: TrieNode
  /** `nodes.length` that the pattern being added may not pass. */
  #limit = MAX_NFA_NODES

  constructor() {
    this.#root = { op: 'trie', edges: [], targets: [] }
    this.#push(this.#root)
  }

  get size(): number {
    return this.nodes.length
  }

  /** Whole strings that `pattern` matches yield `id`. @throws NfaTooLarge */
  add(pattern: RegexNode, id: number): void {
    this.#limit = Math.min(this.nodes.length + MAX_PATTERN_NODES, MAX_NFA_NODES)
    const parts = pattern.kind === 'concat' ? pattern.parts : [pattern]
    let trie = this.#root
    let shared = 0
    for (; shared < parts.length; shared++) {
      const point = singlePoint(parts[shared])
      if (point === undefined) break
      for (const byte of encode(point)) trie = this.#child(trie, byte)
    }
    const rest: RegexNode = { kind: 'concat', parts: parts.slice(shared) }
    trie.targets.push(this.#compile(rest, this.#push({ op: 'match', id })))
  }

  #child(parent: TrieNode, byte: number): TrieNode {
    const { edges } = parent
    for (let i = 0; i < edges.length; i += 3) {
      const known = edges[i] === byte ? this.nodes[edges[i + 2]!] : undefined
      if (known?.op === 'trie') return known
    }
    const child: TrieNode = { op: 'trie', edges: [], targets: [] }
    edges.push(byte, byte, this.#push(child))
    return child
  }

  /** Entry node of `node` followed by `next`. */
  #compile(node: RegexNode, next: number): number {
    switch (node.kind) {
      case 'empty':
        return next
      case 'class':
        return this.#class(node.ranges, next)
      case 'assert':
        return this.#push({ op: 'assert', at: node.at, target: next })
      case 'concat':
        return node.parts.reduceRight((after, part) => this.#compile(part, after), next)
      case 'alternate':
        return this.#push({ op: 'split', targets: node.options.map((option) => this.#compile(option, next)) })
      case 'repeat':
        return this.#repeat(node.body, node.min, node.max, next)
    }
  }

  #repeat(body: RegexNode, min: number, max: number, next: number): number {
    let entry = next
    if (max === Infinity) {
      const targets = [next]
      entry = this.#push({ op: 'split', targets })
      targets.push(this.#compile(body, entry))
    } else {
      for (let i = min; i < max; i++) {
        entry = this.#push({ op: 'split', targets: [this.#compile(body, entry), next] })
      }
    }
    for (let i = 0; i < min; i++) entry = this.#compile(body, entry)
    return entry
  }

  #class(ranges: readonly number[], next: number): number {
    const edges: number[] = []
    const tails = new Map<string, number>()
    for (let i = 0; i + 1 < ranges.length; i += 2) {
      const high = Math.min(ranges[i + 1]!, 0x7f)
      if (ranges[i]! <= high) edges.push(ranges[i]!, high, next)
      if (ranges[i + 1]! <= 0x7f) continue
      for (const sequence of utf8Sequences(Math.max(ranges[i]!, 0x80), ranges[i + 1]!)) {
        edges.push(sequence[0] ?? 0, sequence[1] ?? 0, this.#tail(sequence.slice(2), next, tails))
      }
    }
    return this.#push({ op: 'bytes', edges })
  }

  /** Continuation bytes; sequences of one class that end alike share the nodes of their end. */
  #tail(sequence: readonly number[], next: number, tails: Map<string, number>): number {
    const [low, high] = sequence
    if (low === undefined || high === undefined) return next
    const key = sequence.join()
    const known = tails.get(key)
    if (known !== undefined) return known
    const node = this.#push({ op: 'bytes', edges: [low, high, this.#tail(sequence.slice(2), next, tails)] })
    tails.set(key, node)
    return node
  }

  #push(node: NfaNode): number {
    if (this.nodes.length >= this.#limit) throw new NfaTooLarge(this.#tooLarge())
    this.nodes.push(node)
    return this.nodes.length - 1
  }

  #tooLarge(): string {
    return this.#limit < MAX_NFA_NODES
      ? `expression too large: more than ${MAX_PATTERN_NODES} automaton nodes`
      : `expression too large: the patterns together need more than ${MAX_NFA_NODES} automaton nodes`
  }
}

function singlePoint(node: RegexNode | undefined): number | undefined {
  if (node?.kind !== 'class' || node.ranges.length !== 2 || node.ranges[0] !== node.ranges[1])
    return undefined
  const point = node.ranges[0] ?? 0
  return point >= 0xd800 && point <= 0xdfff ? undefined : point
}
