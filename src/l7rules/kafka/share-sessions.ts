// Sessions of ShareFetch (KIP-932): a request names what is new in one, or not wanted any more, and means all of it.
// They end with their connection, so that it knows what each holds.
import type { Node } from './walker.ts'

/** A client has one with each broker. Beyond these, and beyond their topics, the client has to begin anew. */
const MAX_SESSIONS = 16
const MAX_TOPICS = 10_000

/** Of `shareSessionEpoch`; others continue a session. */
const FIRST_EPOCH = 0
const LAST_EPOCH = -1

export class ShareSessions {
  /** Ids of topics, by group and member. */
  readonly #sessions = new Map<string, ReadonlySet<string>>()

  /** Whether the request means more than it names. */
  static continues({ shareSessionEpoch }: Node): boolean {
    return shareSessionEpoch !== FIRST_EPOCH && shareSessionEpoch !== LAST_EPOCH
  }

  /** What the request means beside what it names; undefined: nobody knows. */
  rest(request: Node): ReadonlySet<string> | undefined {
    if (!ShareSessions.continues(request)) return new Set()
    const held = this.#sessions.get(keyOf(request))
    return held === undefined
      ? undefined
      : new Set([...held].filter((id) => !idsOf(request['forgotten']).has(id)))
  }

  /** The request goes on. @param isCut says which of its topics do not. */
  forward(request: Node, isCut: (index: number) => boolean): void {
    const key = keyOf(request)
    const held = new Set(this.rest(request) ?? [])
    if (request['shareSessionEpoch'] === LAST_EPOCH) {
      this.#sessions.delete(key)
      return
    }
    for (const id of idsOf(request['topics'], isCut)) held.add(id)
    this.#sessions.delete(key)
    if (held.size <= MAX_TOPICS) this.#sessions.set(key, held)
    const [oldest] = this.#sessions.keys()
    if (oldest !== undefined && this.#sessions.size > MAX_SESSIONS) this.#sessions.delete(oldest)
  }
}

function keyOf({ groupId, memberId }: Node): string {
  return JSON.stringify([groupId, memberId])
}

function idsOf(topics: unknown, isLeftOut?: (index: number) => boolean): ReadonlySet<string> {
  const ids = new Set<string>()
  if (!Array.isArray(topics)) return ids
  for (const [index, topic] of (topics as Node[]).entries()) {
    const { topicId } = topic
    if (typeof topicId === 'string' && isLeftOut?.(index) !== true) ids.add(topicId)
  }
  return ids
}
