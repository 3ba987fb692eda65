// Which topic an id stands for, as brokers told it. Ids are random and never used twice, so that one table serves all
// connections of a worker; a client may ask one broker for metadata and fetch from another.
import { MAX_TOPIC_IDS } from './limits.ts'

export class TopicIds {
  readonly #names = new Map<string, string>()

  /** @param id 32 hexadecimal digits. */
  learn(id: string, name: string): void {
    if (this.#names.get(id) === name) return
    this.#names.set(id, name)
    if (this.#names.size <= MAX_TOPIC_IDS) return
    const [oldest] = this.#names.keys()
    if (oldest !== undefined) this.#names.delete(oldest)
  }

  readonly nameOf = (id: string): string | undefined => this.#names.get(id)
}
