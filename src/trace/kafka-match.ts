// Which conditions of a Kafka rule hold for what a request touches: each one is compiled alone, by the engine of the
// proxy.
import type { KafkaAccess, KafkaRequest } from '../l7rules/kafka/request.ts'
import { compileKafkaRules } from '../l7rules/kafka/rules.ts'
import { kafkaApiName, kafkaApisText } from '../policy/kafka-apis.ts'
import type { KafkaRule } from '../policy/network-policy.ts'

export interface KafkaTouch {
  readonly request: KafkaRequest
  readonly access: KafkaAccess
}

/** For people; `every request` when there is none. */
export function kafkaConditions(rule: KafkaRule): string {
  const texts = conditionsOf(rule).map(({ text }) => text)
  return texts.length === 0 ? 'every request' : texts.join(', ')
}

/** Why the rule does not cover it; empty when it does. */
export function kafkaMisses(rule: KafkaRule, { request, access }: KafkaTouch): string[] {
  return conditionsOf(rule)
    .filter((condition) => compileKafkaRules([condition.rule]).evaluate(request, access) < 0)
    .map(({ text, had }) => `${had(request, access)} does not fit ${text}`)
}

/** `topic "orders", group "g"`; `nothing by name` when it names nothing. */
export function accessText({ topic, group, transactionalId, isUnread }: KafkaAccess): string {
  if (isUnread === true) return 'nobody knows what'
  const parts = [named('topic', topic), named('group', group), named('transactional id', transactionalId)]
  const texts = parts.filter((part) => part !== undefined)
  return texts.length === 0 ? 'nothing by name' : texts.join(', ')
}

interface Condition {
  readonly text: string
  /** What the request has in that place. */
  readonly had: (request: KafkaRequest, access: KafkaAccess) => string
  /** With this condition only. */
  readonly rule: KafkaRule
}

function conditionsOf(rule: KafkaRule): Condition[] {
  const { name, apiKeys, apiVersion, clientId, topic, topicPrefix, group, transactionalId } = rule
  const conditions: Condition[] = []
  const add = (text: string, only: Omit<KafkaRule, 'name'>, had: Condition['had']): void => {
    conditions.push({ text, had, rule: { name, ...only } })
  }
  if (apiKeys !== undefined) {
    add(kafkaApisText(apiKeys), { apiKeys }, (request) => {
      return `API ${kafkaApiName(request.apiKey)}`
    })
  }
  if (apiVersion !== undefined) {
    add(`version ${apiVersion}`, { apiVersion }, (request) => `version ${request.apiVersion}`)
  }
  if (clientId !== undefined) {
    add(`client ${JSON.stringify(clientId)}`, { clientId }, (request) => {
      return `client ${JSON.stringify(request.clientId)}`
    })
  }
  const touched: Condition['had'] = (_request, access) => accessText(access)
  if (topic !== undefined) add(`topic ${JSON.stringify(topic)}`, { topic }, touched)
  if (topicPrefix !== undefined) {
    add(`topics that begin with ${JSON.stringify(topicPrefix)}`, { topicPrefix }, touched)
  }
  if (group !== undefined) add(`group ${JSON.stringify(group)}`, { group }, touched)
  if (transactionalId !== undefined) {
    add(`transactional id ${JSON.stringify(transactionalId)}`, { transactionalId }, touched)
  }
  return conditions
}

function named(what: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : `${what} ${JSON.stringify(value)}`
}
