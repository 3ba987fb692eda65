// The subset construction on demand: states appear as inputs need them, in a bounded cache that is
// flushed when full. Time is linear in the input whatever the patterns; memory is bounded whatever
// the input. Whole-string semantics: what counts is the state after the last byte.
import { MAX_DFA_STATES } from './limits.ts'
import type { Assertion } from './regex-ast.ts'
import type { Nfa } from './nfa.ts'

/** NFA nodes held by all states together (4 bytes each, twice with the keys). */
const MAX_STATE_NODES = 1 << 20

/** Entries of the transition table that are no state; states count from 1. */
const UNKNOWN = 0
const DEAD = -1

const NO_IDS: readonly number[] = Object.freeze([])

const NEWLINE = 0x0a
const BITS: Readonly<Record<Assertion, number>> = {
  beginText: 1,
  beginLine: 2,
  endText: 4,
  endLine: 8,
  word: 16,
  notWord: 32,
}
const LOOK_AHEAD = BITS.endText | BITS.endLine | BITS.word | BITS.notWord
/** The byte before the state was a word byte. */
const AFTER_WORD = 64

export class LazyDfa {
  readonly #nfa: Nfa
  readonly #maxStates: number
  /** Byte -> class of bytes that no pattern tells apart. */
  readonly #classes = new Uint8Array(256)
  readonly #classCount: number
  #table: Int32Array
  #stateCount = 0
  #storedNodes = 0
  #start = UNKNOWN
  #ids = new Map<string, number>()
  /** Per state: its NFA nodes (bytes, trie, match and assertions that depend on the next byte), sorted. */
  #sets: Int32Array[] = []
  /** Per state: what assertions in its set need to know of the byte before; 0 when it holds none. */
  #contexts: number[] = []
  #accepts: (readonly number[] | undefined)[] = []
  /** The set under construction, and which nodes this round has seen. */
  readonly #found: Int32Array
  #foundCount = 0
  readonly #seen: Uint32Array
  #round = 0
  readonly #stack: number[] = []

  /** @param nfa must not change afterwards. */
  constructor(nfa: Nfa, maxStates: number = MAX_DFA_STATES) {
    this.#nfa = nfa
    this.#maxStates = Math.max(maxStates, 2)
    this.#found = new Int32Array(nfa.size)
    this.#seen = new Uint32Array(nfa.size)
    this.#classCount = fillByteClasses(nfa, this.#classes)
    this.#table = new Int32Array(this.#classCount * 16)
  }

  get stateCount(): number {
    return this.#stateCount
  }

  /** Ids of all patterns that match the whole of `input` (one char per byte), ascending; do not modify. */
  match(input: string): readonly number[] {
    const classes = this.#classes
    const width = this.#classCount
    let state = this.#start === UNKNOWN ? this.#makeStart() : this.#start
    let table = this.#table
    for (let i = 0; i < input.length; i++) {
      const byte = input.charCodeAt(i)
      if (byte > 0xff) return NO_IDS
      let next = table[state * width + (classes[byte] as number)] as number
      if (next === UNKNOWN) {
        next = this.#step(state, byte)
        table = this.#table
      }
      if (next === DEAD) return NO_IDS
      state = next
    }
    return this.#accepts[state] ?? this.#accept(state)
  }

  #makeStart(): number {
    this.#beginRound()
    this.#follow(this.#nfa.start, BITS.beginText | BITS.beginLine, LOOK_AHEAD)
    this.#start = this.#intern(BITS.beginText | BITS.beginLine)
    return this.#start
  }

  /** The state after `byte`; makes it, and flushes the cache for it, where needed. */
  #step(state: number, byte: number): number {
    const { nodes } = this.#nfa
    const sources = this.#resolved(state, this.#lookAhead(state, byte))
    const begins = byte === NEWLINE ? BITS.beginLine : 0
    this.#beginRound()
    for (const source of sources) {
      const node = nodes[source]
      if (node?.op !== 'bytes' && node?.op !== 'trie') continue
      const { edges } = node
      for (let i = 0; i < edges.length; i += 3) {
        if (byte >= (edges[i] as number) && byte <= (edges[i + 1] as number)) {
          this.#follow(edges[i + 2] as number, begins, LOOK_AHEAD)
        }
      }
    }
    const tableBefore = this.#ids
    const next = this.#foundCount === 0 ? DEAD : this.#intern(begins | (isWord(byte) ? AFTER_WORD : 0))
    // After a flush `state` is the number of another state.
    if (tableBefore === this.#ids) {
      this.#table[state * this.#classCount + (this.#classes[byte] as number)] = next
    }
    return next
  }

  #accept(state: number): readonly number[] {
    const context = this.#contexts[state] ?? 0
    const boundary = (context & AFTER_WORD) !== 0 ? BITS.word : BITS.notWord
    const ends = this.#resolved(state, (context & ~AFTER_WORD) | BITS.endText | BITS.endLine | boundary)
    const ids: number[] = []
    for (const end of ends) {
      const node = this.#nfa.nodes[end]
      if (node?.op === 'match') ids.push(node.id)
    }
    const accepted = ids.length === 0 ? NO_IDS : Object.freeze(ids.sort((a, b) => a - b))
    this.#accepts[state] = accepted
    return accepted
  }

  /** Which assertions hold between the byte before `state` and `byte`. */
  #lookAhead(state: number, byte: number): number {
    const context = this.#contexts[state] ?? 0
    const isBoundary = ((context & AFTER_WORD) !== 0) !== isWord(byte)
    return (
      (context & ~AFTER_WORD) |
      (byte === NEWLINE ? BITS.endLine : 0) |
      (isBoundary ? BITS.word : BITS.notWord)
    )
  }

  /** The nodes of `state` once its assertions are decided. Valid until the next round. */
  #resolved(state: number, holds: number): Int32Array {
    const set = this.#sets[state] ?? new Int32Array(0)
    if (this.#contexts[state] === 0) return set
    this.#beginRound()
    for (const node of set) this.#follow(node, holds, 0)
    return this.#found.slice(0, this.#foundCount)
  }

  #beginRound(): void {
    this.#foundCount = 0
    this.#round++
    if (this.#round === 0xffffffff) {
      this.#seen.fill(0)
      this.#round = 1
    }
  }

  /** Add to `found` what `from` reaches without a byte; assertions in `keep` stay for later. */
  #follow(from: number, holds: number, keep: number): void {
    const { nodes } = this.#nfa
    const stack = this.#stack
    stack.push(from)
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.#seen[at] === this.#round) continue
      this.#seen[at] = this.#round
      const node = nodes[at]
      if (node === undefined) continue
      if (node.op === 'split' || node.op === 'trie') {
        for (const target of node.targets) stack.push(target)
        if (node.op === 'split' || node.edges.length === 0) continue
      }
      if (node.op === 'assert') {
        const bit = BITS[node.at]
        if ((bit & holds) !== 0) stack.push(node.target)
        if ((bit & keep) === 0) continue
      }
      this.#found[this.#foundCount++] = at
    }
  }

  /** The number of the state that `found` stands for. */
  #intern(context: number): number {
    const set = this.#found.slice(0, this.#foundCount).sort()
    const waits = set.some((node) => this.#nfa.nodes[node]?.op === 'assert')
    const kept = waits ? context | 128 : 0
    const key = setKey(set, kept)
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const isFull = this.#stateCount >= this.#maxStates || this.#storedNodes + set.length > MAX_STATE_NODES
    if (isFull && this.#stateCount > 0) this.#flush()
    const state = ++this.#stateCount
    this.#storedNodes += set.length
    this.#ids.set(key, state)
    this.#sets[state] = set
    this.#contexts[state] = kept
    this.#accepts[state] = undefined
    this.#growTable()
    return state
  }

  #flush(): void {
    this.#ids = new Map()
    this.#sets = []
    this.#contexts = []
    this.#accepts = []
    this.#stateCount = 0
    this.#storedNodes = 0
    this.#start = UNKNOWN
    this.#table.fill(UNKNOWN)
  }

  #growTable(): void {
    const needed = (this.#stateCount + 1) * this.#classCount
    if (needed <= this.#table.length) return
    const grown = new Int32Array(this.#table.length * 2)
    grown.set(this.#table)
    this.#table = grown
  }
}

function isWord(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x5f
  )
}

/** Assertions tell `byte` from the byte below it. */
function changesContext(byte: number): boolean {
  return isWord(byte) !== isWord(byte - 1) || byte === NEWLINE || byte === NEWLINE + 1
}

/** One string per set, injective: two UTF-16 units per node. */
function setKey(set: Int32Array, context: number): string {
  const units = new Uint16Array(set.buffer, set.byteOffset, set.length * 2)
  let key = String.fromCharCode(context)
  const chunk = 8192
  for (let i = 0; i < units.length; i += chunk) {
    key += String.fromCharCode.apply(null, units.subarray(i, i + chunk) as unknown as number[])
  }
  return key
}

/** Number the runs of bytes that all edges treat alike. @returns how many there are. */
function fillByteClasses(nfa: Nfa, classes: Uint8Array): number {
  const starts = new Uint8Array(257)
  let hasContext = false
  for (const node of nfa.nodes) {
    if (node.op === 'assert') hasContext = true
    if (node.op !== 'bytes' && node.op !== 'trie') continue
    for (let i = 0; i < node.edges.length; i += 3) {
      starts[node.edges[i] as number] = 1
      starts[(node.edges[i + 1] as number) + 1] = 1
    }
  }
  let current = 0
  for (let byte = 1; byte < 256; byte++) {
    if (starts[byte] === 1 || (hasContext && changesContext(byte))) current++
    classes[byte] = current
  }
  return current + 1
}
