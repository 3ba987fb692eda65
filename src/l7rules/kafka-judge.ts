// Judges what Kafka requests touch, of connections under the same rules: both endpoints must allow. Verdicts are
// kept, so that a topic that clients come back to costs one look-up.
import type { KafkaAccess, KafkaJudge, KafkaRequest } from './kafka/request.ts'
import type { KafkaJudgement } from './kafka-side.ts'
import { joinSides } from './moded-side.ts'
import type { Verdict } from './verdict.ts'

/** Verdicts kept, then all are forgotten. */
const MAX_ENTRIES = 4096
/** Accesses that are kept under one name: others with it are evaluated, so that a chain stays short. */
const MAX_CHAIN = 8
/** Longer ones are not kept: strangers choose them, and 4,096 of them must stay small. */
const MAX_KEY_CHARS = 1024

const UNREAD: KafkaAccess = { isUnread: true }

interface Entry {
  readonly apiKey: number
  readonly apiVersion: number
  readonly clientId: string
  readonly access: KafkaAccess
  readonly verdict: Verdict
  readonly next: Entry | undefined
  /** Entries from here to the end of the chain. */
  readonly length: number
}

export class AccessJudge implements KafkaJudge {
  readonly #first: KafkaJudgement
  readonly #second: KafkaJudgement | undefined
  /** By topic, group or id, whichever comes first; each value is the head of a chain. */
  readonly #memo = new Map<string, Entry>()
  #entryCount = 0

  /** @param second asked when `first` allows. */
  constructor(first: KafkaJudgement, second?: KafkaJudgement) {
    this.#first = first
    this.#second = second
  }

  judge(request: KafkaRequest, access: KafkaAccess): Verdict {
    const name = access.topic ?? access.group ?? access.transactionalId ?? ''
    const head = this.#memo.get(name)
    for (let entry = head; entry !== undefined; entry = entry.next) {
      if (isSame(entry, request, access)) return entry.verdict
    }
    const verdict = this.#evaluate(request, access)
    if (head === undefined || head.length < MAX_CHAIN) this.#remember(name, request, access, verdict)
    return verdict
  }

  restrictsResources(request: KafkaRequest): boolean {
    return !this.judge(request, UNREAD).allowed
  }

  #evaluate(request: KafkaRequest, access: KafkaAccess): Verdict {
    const first = this.#first.judge(request, access)
    if (this.#second === undefined || (!first.allowed && first.shadow?.allowed !== true)) return first
    return joinSides(first, this.#second.judge(request, access))
  }

  #remember(name: string, request: KafkaRequest, access: KafkaAccess, verdict: Verdict): void {
    const { apiKey, apiVersion, clientId } = request
    const { topic = '', group = '', transactionalId = '' } = access
    if (clientId.length + topic.length + group.length + transactionalId.length > MAX_KEY_CHARS) return
    if (this.#entryCount >= MAX_ENTRIES) {
      this.#memo.clear()
      this.#entryCount = 0
    }
    const next = this.#memo.get(name)
    const length = (next?.length ?? 0) + 1
    this.#memo.set(name, { apiKey, apiVersion, clientId, access: { ...access }, verdict, next, length })
    this.#entryCount++
  }
}

function isSame(entry: Entry, { apiKey, apiVersion, clientId }: KafkaRequest, access: KafkaAccess): boolean {
  const known = entry.access
  return (
    entry.apiKey === apiKey &&
    entry.apiVersion === apiVersion &&
    entry.clientId === clientId &&
    known.topic === access.topic &&
    known.group === access.group &&
    known.transactionalId === access.transactionalId &&
    known.isUnread === access.isUnread
  )
}
