// `rules.kafka` of a `toPorts` item: the Kafka requests that are allowed, as Cilium 1.19 has them, with groups,
// transactional ids and prefixes of topics besides.
import { kafkaApiKey, kafkaRole, KAFKA_API_NAMES, KAFKA_ROLES, MAX_INT16 } from '../kafka-apis.ts'
import { nearestName } from '../nearest-name.ts'
import type { KafkaRule } from '../network-policy.ts'
import type { Cursor, Fields } from '../yaml-cursor.ts'
import { KAFKA } from './fields.ts'

/** Of topics when Cilium wrote its check; brokers of today take 249. */
const MAX_TOPIC_CHARS = 255
const TOPIC = /^[a-zA-Z0-9._-]+$/
/** A string of Kafka has an int16 for its length. */
const MAX_STRING_BYTES = MAX_INT16

/** @param name of the `toPorts` item. @returns undefined after a problem. */
export function parseKafkaRules(at: Cursor, name: string): readonly KafkaRule[] | undefined {
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) {
    return at.fail('lists no rule', 'write [{}] or remove rules to allow every request, or list the requests')
  }
  const rules = items.map((item, i) => parseKafkaRule(item, `${name}.rules.kafka[${i}]`))
  return rules.every((rule) => rule !== undefined) ? rules : undefined
}

function parseKafkaRule(at: Cursor, name: string): KafkaRule | undefined {
  const fields = at.fields(KAFKA)
  if (fields === undefined) return undefined
  refuseBoth(fields, 'role', 'apiKey', 'write two rules; they are ORed')
  refuseBoth(fields, 'topic', 'topicPrefix', 'a topic that begins with the prefix is covered by it')
  const conditions = {
    apiKeys: parsed(fields, 'role', parseRole) ?? parsed(fields, 'apiKey', parseApiKey),
    apiVersion: parsed(fields, 'apiVersion', parseVersion),
    clientId: parsed(fields, 'clientID', parseText),
    topic: parsed(fields, 'topic', parseTopic),
    topicPrefix: parsed(fields, 'topicPrefix', parseTopic),
    group: parsed(fields, 'group', parseText),
    transactionalId: parsed(fields, 'transactionalID', parseText),
  }
  const given = Object.entries(conditions).filter(([, value]) => value !== undefined)
  // A condition that was not understood must not be left out.
  if (given.length !== fields.size) return undefined
  return { name, ...(Object.fromEntries(given) as Omit<KafkaRule, 'name'>) }
}

function refuseBoth(fields: Fields, one: string, other: string, mend: string): void {
  if (fields.get(one) === undefined) return
  fields.get(other)?.failKey(`cannot be combined with ${one} in one rule`, mend)
}

function parsed<T>(
  fields: Fields,
  field: string,
  parse: (at: Cursor, text: string, field: string) => T | undefined,
): T | undefined {
  const at = fields.get(field)
  const text = at?.string()
  if (at === undefined || text === undefined) return undefined
  if (text === '') return at.fail(`${field} is empty`, `remove ${field} to match every ${field}`)
  return parse(at, text, field)
}

function parseRole(at: Cursor, text: string): readonly number[] | undefined {
  return kafkaRole(text) ?? at.fail('unknown role', `use ${KAFKA_ROLES.join(' or ')}, or apiKey`)
}

function parseApiKey(at: Cursor, text: string): readonly number[] | undefined {
  const key = kafkaApiKey(text)
  if (key !== undefined) return [key]
  const near = nearestName(text.toLowerCase(), KAFKA_API_NAMES)
  const mend = near === undefined ? 'e.g. produce, fetch, metadata, or its number' : `did you mean "${near}"?`
  return at.fail('is not an API of Kafka', mend)
}

function parseVersion(at: Cursor, text: string): number | undefined {
  const isVersion = /^[0-9]{1,5}$/.test(text) && Number(text) <= MAX_INT16
  return isVersion ? Number(text) : at.fail(`apiVersion must be 0 to ${MAX_INT16}`, 'e.g. apiVersion: "7"')
}

function parseTopic(at: Cursor, text: string, field: string): string | undefined {
  if (text.length > MAX_TOPIC_CHARS) {
    return at.fail(`${field} has ${text.length} characters, the limit is ${MAX_TOPIC_CHARS}`, 'shorten it')
  }
  if (TOPIC.test(text)) return text
  const mend =
    field === 'topic' ? 'write one topic by its name; topicPrefix covers several' : 'write it without a "*"'
  return at.fail(`topics hold letters, digits, ".", "_" and "-" only`, mend)
}

function parseText(at: Cursor, text: string, field: string): string | undefined {
  const bytes = Buffer.byteLength(text)
  if (bytes <= MAX_STRING_BYTES) return text
  return at.fail(`${field} has ${bytes} bytes, the limit is ${MAX_STRING_BYTES}`, 'shorten it')
}
