// A set of small numbers that is emptied for each request without touching memory.

export class HitSet {
  /** The members are ids[0, count), in no order. */
  readonly ids: Int32Array
  count = 0
  readonly #stamps: Uint32Array
  #round = 1

  /** @param size ids are 0..size-1. */
  constructor(size: number) {
    this.ids = new Int32Array(size)
    this.#stamps = new Uint32Array(size)
  }

  clear(): void {
    this.count = 0
    this.#round++
    if (this.#round === 0xffffffff) {
      this.#stamps.fill(0)
      this.#round = 1
    }
  }

  add(id: number): void {
    if (this.#stamps[id] === this.#round) return
    this.#stamps[id] = this.#round
    this.ids[this.count++] = id
  }

  has(id: number): boolean {
    return this.#stamps[id] === this.#round
  }
}
