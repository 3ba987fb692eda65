// A Kafka session under test, with the policy that all tests here share: names that begin with `den` are denied.
import type { KafkaExchange } from '../../../src/l7rules/kafka/exchange.ts'
import type { KafkaAccess, KafkaJudge, KafkaRequest } from '../../../src/l7rules/kafka/request.ts'
import { KafkaSession } from '../../../src/l7rules/kafka/session.ts'
import { TopicIds } from '../../../src/l7rules/kafka/topic-ids.ts'
import { makeVerdict } from '../../../src/l7rules/verdict.ts'
import { MAX_HELD_BYTES } from '../../../src/l7rules/kafka/limits.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { MemoryConnection, type Subject, type SubjectFactory } from '../parser-laws.ts'

/** What may be held, and a name that is not complete. */
export const MAX_RETAINED_BYTES = MAX_HELD_BYTES + 33 * 1024

export const ALLOWED = makeVerdict(true, 'rule', 'RULE_MATCHED', 'ingress')
export const DENIED = makeVerdict(false, 'policy', 'NO_RULE_MATCHED', 'ingress')

/** Every name must be there and must not begin with `deny`; what nobody can read is denied. */
export const denyByName: KafkaJudge = {
  judge(_request: KafkaRequest, { topic, group, transactionalId, isUnread }: KafkaAccess) {
    const names = [topic, group, transactionalId]
    const isDenied =
      isUnread === true || names.some((name) => name === '' || name?.startsWith('den') === true)
    return isDenied ? DENIED : ALLOWED
  },
  restrictsResources: () => true,
}

/** Rules by API alone. */
export function allowApis(...keys: readonly number[]): KafkaJudge {
  return {
    judge: ({ apiKey }) => (keys.includes(apiKey) ? ALLOWED : DENIED),
    restrictsResources: ({ apiKey }) => !keys.includes(apiKey),
  }
}

export interface KafkaSubject extends Subject {
  readonly observed: KafkaExchange[]
  readonly parser: KafkaSession
}

export interface SubjectOptions {
  readonly judge?: KafkaJudge
  readonly topicIds?: TopicIds
  readonly observes?: boolean
}

export function kafka({
  judge = denyByName,
  topicIds,
  observes = false,
}: SubjectOptions = {}): SubjectFactory<KafkaSubject> {
  return (steps) => {
    const observed: KafkaExchange[] = []
    const parser = new KafkaSession({
      judge,
      onExchange: (exchange) => observed.push({ ...exchange }),
      steps,
      topicIds: topicIds ?? new TopicIds(),
      broker: { host: '10.0.0.7', port: 9092 },
      observes,
    })
    return { parser, observed }
  }
}

/** Both peers in one place. */
export class KafkaConnectionUnderTest {
  readonly memory: MemoryConnection<KafkaSubject>
  readonly #skipped: [number, number] = [0, 0]

  constructor(options: SubjectOptions = {}) {
    this.memory = new MemoryConnection(kafka(options), MAX_RETAINED_BYTES)
  }

  client(...frames: readonly Uint8Array[]): this {
    this.memory.send(ORIGINAL, Buffer.concat(frames))
    return this
  }

  broker(...frames: readonly Uint8Array[]): this {
    this.memory.send(REPLY, Buffer.concat(frames))
    return this
  }

  /** What came since the last call. */
  toBroker(): Buffer {
    return this.#take(ORIGINAL)
  }

  toClient(): Buffer {
    return this.#take(REPLY)
  }

  get error(): string {
    return this.memory.errorCode
  }

  get records(): readonly KafkaExchange[] {
    return this.memory.subject.observed
  }

  #take(direction: typeof ORIGINAL | typeof REPLY): Buffer {
    const all = this.memory.output(direction)
    const fresh = all.subarray(this.#skipped[direction])
    this.#skipped[direction] = all.length
    return fresh
  }
}
