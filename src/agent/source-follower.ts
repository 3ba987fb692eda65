// Brings what the sources say into force: one change after the other, each against what is in force by then.
import { errorMessage } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import type { EndpointSpec } from './endpoints-document.ts'
import type { Reconciler } from './reconciler.ts'

/** A change that failed is tried again by itself, also when no file changes any more. */
const RETRY_MS = 2000

export interface SourceFollowerOptions {
  readonly reconciler: Pick<Reconciler, 'apply' | 'repository'>
  readonly endpoints: () => readonly EndpointSpec[]
  readonly policies: () => readonly ParsedPolicy[]
  /** After each change that is in force. */
  readonly onApplied: (policies: readonly ParsedPolicy[]) => void
  readonly log: Logger
  readonly retryMs?: number
}

export class SourceFollower {
  readonly #options: SourceFollowerOptions
  #isChanged = false
  #following: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #isClosed = false
  /** Why the last change is not in force; undefined when it is. */
  failure: string | undefined

  constructor(options: SourceFollowerOptions) {
    this.#options = options
  }

  /** The sources have changed. Resolves when what they say now was tried. Never rejects. */
  follow(): Promise<void> {
    this.#isChanged = true
    this.#following ??= this.#followAll().finally(() => (this.#following = undefined))
    return this.#following
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#retry)
  }

  async #followAll(): Promise<void> {
    while (this.#isChanged && !this.#isClosed) {
      this.#isChanged = false
      clearTimeout(this.#retry)
      await this.#followOnce()
    }
  }

  async #followOnce(): Promise<void> {
    const { reconciler, endpoints, policies, onApplied, log, retryMs } = this.#options
    const wanted = new Map(policies().map((policy) => [policy.key, policy]))
    // What the repository holds, not what was asked for last: a change that failed may be there in part.
    const held = new Map(reconciler.repository.policies().map((policy) => [policy.key, policy]))
    try {
      await reconciler.apply({
        endpoints: endpoints(),
        setPolicies: [...wanted.values()].filter((policy) => held.get(policy.key) !== policy),
        removePolicies: [...held.keys()].filter((key) => !wanted.has(key)),
      })
      onApplied([...wanted.values()])
      this.failure = undefined
    } catch (error) {
      this.failure = `the last change could not be applied: ${errorMessage(error)}`
      log.error({ error: errorMessage(error) }, 'change not applied; it is tried again')
      this.#retry = setTimeout(() => void this.follow(), retryMs ?? RETRY_MS)
    }
  }
}
