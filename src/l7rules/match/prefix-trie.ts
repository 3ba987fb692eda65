// Byte strings -> the ids of all that a text starts with, in one walk over the text.

/** Key of an edge: node and byte in one number; 0 marks a free slot, as no edge leads to the root. */
interface Slots {
  readonly keys: Int32Array
  readonly targets: Int32Array
}

const ROOT = 1
/** Nodes above this would overflow the 31 bits of a key. */
const MAX_NODES = 1 << 22

export class PrefixTrie<T> {
  #slots: Slots = makeSlots(64)
  #nodeCount = ROOT
  readonly #values: (T[] | undefined)[] = []

  /** False when the trie is full: `value` was not added. */
  add(prefix: string, value: T): boolean {
    if (this.#nodeCount + prefix.length > MAX_NODES) return false
    let node = ROOT
    for (let i = 0; i < prefix.length; i++) node = this.#childOrNew(node, prefix.charCodeAt(i))
    const values = this.#values[node]
    if (values === undefined) this.#values[node] = [value]
    else values.push(value)
    return true
  }

  /** Calls `found` with the values of each prefix of `text` and the length of that prefix, short ones first. */
  walk(text: string, found: (values: readonly T[], length: number) => void): void {
    let node = ROOT
    for (let i = 0; ; i++) {
      const values = this.#values[node]
      if (values !== undefined) found(values, i)
      if (i === text.length) return
      node = this.#child(node, text.charCodeAt(i))
      if (node === 0) return
    }
  }

  #child(node: number, byte: number): number {
    if (byte > 0xff) return 0
    const { keys, targets } = this.#slots
    const key = (node << 8) | byte
    const mask = keys.length - 1
    for (let slot = hash(key) & mask; ; slot = (slot + 1) & mask) {
      const there = keys[slot] as number
      if (there === key) return targets[slot] as number
      if (there === 0) return 0
    }
  }

  #childOrNew(node: number, byte: number): number {
    const known = this.#child(node, byte)
    if (known !== 0) return known
    this.#nodeCount++
    if (this.#nodeCount * 2 > this.#slots.keys.length) this.#grow()
    insert(this.#slots, (node << 8) | byte, this.#nodeCount)
    return this.#nodeCount
  }

  #grow(): void {
    const grown = makeSlots(this.#slots.keys.length * 2)
    const { keys, targets } = this.#slots
    keys.forEach((key, slot) => key !== 0 && insert(grown, key, targets[slot] as number))
    this.#slots = grown
  }
}

function makeSlots(size: number): Slots {
  return { keys: new Int32Array(size), targets: new Int32Array(size) }
}

function insert({ keys, targets }: Slots, key: number, target: number): void {
  const mask = keys.length - 1
  let slot = hash(key) & mask
  while (keys[slot] !== 0) slot = (slot + 1) & mask
  keys[slot] = key
  targets[slot] = target
}

function hash(key: number): number {
  const mixed = Math.imul(key ^ (key >>> 15), 0x2c1b3c6d)
  return mixed ^ (mixed >>> 13)
}
