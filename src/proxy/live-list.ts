// Objects that come and go by the thousands per second, in no order.
//
// Not a Set: V8 rehashes its table every few dozen changes and chains each old table to the next. As soon as one of
// them is in the old generation, all that follow survive with everything that they held until the next full
// collection, so that every scavenge copies connections that are long closed.

/** `liveIndex` belongs to the one list that the object is in; -1: in none. */
export interface Listed {
  liveIndex: number
}

export class LiveList<T extends Listed> {
  readonly #items: T[] = []

  get size(): number {
    return this.#items.length
  }

  add(item: T): void {
    item.liveIndex = this.#items.length
    this.#items.push(item)
  }

  /** Does nothing when it is not there. */
  delete(item: T): void {
    const index = item.liveIndex
    if (index < 0) return
    item.liveIndex = -1
    const last = this.#items.pop()
    if (last === undefined || last === item) return
    this.#items[index] = last
    last.liveIndex = index
  }

  /** Those that are in it now; adding and deleting while iterating is allowed. */
  [Symbol.iterator](): Iterator<T> {
    return [...this.#items][Symbol.iterator]()
  }
}
