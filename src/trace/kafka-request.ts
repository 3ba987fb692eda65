// A Kafka request of a trace, as rules see it.
import type { TraceKafka__Output } from '../gen/weir/v1/TraceKafka.ts'
import { WeirError } from '../lib/errors.ts'
import type { KafkaAccess, KafkaRequest } from '../l7rules/kafka/request.ts'
import { kafkaApiKey, KAFKA_API_NAMES, MAX_INT16 } from '../policy/kafka-apis.ts'

export interface TracedKafka {
  readonly request: KafkaRequest
  /** Each thing that it touches; at least one. */
  readonly accesses: readonly KafkaAccess[]
}

/** @throws WeirError CONFIG_INVALID when there can be no such request. */
export function readKafka(kafka: TraceKafka__Output): TracedKafka {
  const { apiVersion, clientId } = kafka
  const apiKey = kafkaApiKey(kafka.apiKey)
  if (apiKey === undefined) {
    throw new WeirError('CONFIG_INVALID', `${JSON.stringify(kafka.apiKey)} is not an API of Kafka`, {
      mend: 'e.g. produce, fetch, metadata, or its number',
    })
  }
  if (apiVersion > MAX_INT16) {
    throw new WeirError('CONFIG_INVALID', `Kafka version ${apiVersion} must be 0 to ${MAX_INT16}`)
  }
  return { request: { apiKey, apiVersion, clientId }, accesses: accessesOf(apiKey, kafka) }
}

function accessesOf(
  apiKey: number,
  { topics, group, transactionalId }: TraceKafka__Output,
): readonly KafkaAccess[] {
  // As the proxy, which cannot read what it does not know.
  if (KAFKA_API_NAMES[apiKey] === undefined) return [{ isUnread: true }]
  const common = {
    ...(group === '' ? {} : { group }),
    ...(transactionalId === '' ? {} : { transactionalId }),
  }
  return topics.length === 0 ? [common] : topics.map((topic) => ({ topic, ...common }))
}
