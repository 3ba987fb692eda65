// Asks workers for flows when somebody looks, and only then.
import type { WorkerLink } from './worker-link.ts'

/** A worker that is busy must not keep the command line waiting; its records come a little later. */
const ANSWER_TIMEOUT_MS = 200

/** Where the flow log gets its records from. */
export interface FlowSource {
  /** Fetch what the workers keep. Resolves when all have answered, or after 200 ms. */
  collectFlows(): Promise<void>
  /** Have new records sent as they come, until the function that is returned is called. */
  followFlows(): () => void
}

interface Collection {
  readonly unanswered: Set<WorkerLink>
  readonly finish: () => void
}

export class FlowCollector {
  readonly #collections = new Map<number, Collection>()
  #lastId = 0
  #followers = 0

  collect(links: Iterable<WorkerLink>): Promise<void> {
    const id = ++this.#lastId
    const unanswered = new Set(links)
    if (unanswered.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#collections.delete(id)
        resolve()
      }
      const timer = setTimeout(finish, ANSWER_TIMEOUT_MS)
      this.#collections.set(id, { unanswered, finish })
      for (const link of unanswered) link.requestFlows(id, this.#followers > 0)
    })
  }

  /** `links`: called when the first follower comes and when the last one goes. */
  follow(links: () => Iterable<WorkerLink>): () => void {
    const tell = (): void => {
      for (const link of links()) link.requestFlows(++this.#lastId, this.#followers > 0)
    }
    if (++this.#followers === 1) tell()
    let isStopped = false
    return () => {
      if (isStopped) return
      isStopped = true
      if (--this.#followers === 0) tell()
    }
  }

  /** A worker that comes while somebody follows has to know. */
  greet(link: WorkerLink): void {
    if (this.#followers > 0) link.requestFlows(++this.#lastId, true)
  }

  onAnswer(link: WorkerLink, id: number): void {
    const collection = this.#collections.get(id)
    if (collection?.unanswered.delete(link) === true && collection.unanswered.size === 0) collection.finish()
  }

  /** It will not answer any more. */
  forget(link: WorkerLink): void {
    for (const id of [...this.#collections.keys()]) this.onAnswer(link, id)
  }
}
