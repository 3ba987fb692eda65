// KafkaRule <-> cilium.KafkaNetworkPolicyRule.
import type {
  KafkaNetworkPolicyRule,
  KafkaNetworkPolicyRule__Output,
} from '../gen/cilium/KafkaNetworkPolicyRule.ts'
import { WeirError } from '../lib/errors.ts'
import { MAX_INT16 } from './kafka-apis.ts'
import type { KafkaRule } from './network-policy.ts'
import { decodeMode, encodeMode } from './npds-mode.ts'

const ANY_VERSION = -1

export function encodeKafkaRule(rule: KafkaRule): KafkaNetworkPolicyRule {
  return {
    weirName: rule.name,
    apiVersion: rule.apiVersion ?? ANY_VERSION,
    apiKeys: [...(rule.apiKeys ?? [])],
    clientId: rule.clientId ?? '',
    topic: rule.topic ?? '',
    weirTopicPrefix: rule.topicPrefix ?? '',
    weirGroup: rule.group ?? '',
    weirTransactionalId: rule.transactionalId ?? '',
    ...encodeMode(rule.mode),
  }
}

/** @throws WeirError POLICY_INVALID with the path of the field. */
export function decodeKafkaRule(rule: KafkaNetworkPolicyRule__Output, at: string): KafkaRule {
  const { weirName, apiVersion, topic, weirTopicPrefix } = rule
  if (apiVersion > MAX_INT16) refuse(at, `api_version ${apiVersion} must be at most ${MAX_INT16}`)
  for (const key of rule.apiKeys) {
    if (key < 0 || key > MAX_INT16) refuse(at, `api_keys ${key} must be 0..${MAX_INT16}`)
  }
  if (topic !== '' && weirTopicPrefix !== '') refuse(at, 'topic is not supported beside weir_topic_prefix')
  checkTopic(topic, 'topic', at)
  checkTopic(weirTopicPrefix, 'weir_topic_prefix', at)
  return {
    name: weirName === '' ? at : weirName,
    ...(rule.apiKeys.length === 0 ? {} : { apiKeys: [...new Set(rule.apiKeys)].sort((a, b) => a - b) }),
    ...(apiVersion < 0 ? {} : { apiVersion }),
    ...given('clientId', rule.clientId),
    ...given('topic', topic),
    ...given('topicPrefix', weirTopicPrefix),
    ...given('group', rule.weirGroup),
    ...given('transactionalId', rule.weirTransactionalId),
    ...decodeMode(rule.weirMode, at),
  }
}

function given<Key extends string>(key: Key, value: string): { [K in Key]?: string } {
  return (value === '' ? {} : { [key]: value }) as { [K in Key]?: string }
}

/** As the schema of Cilium's own rules has it. */
function checkTopic(text: string, field: string, at: string): void {
  if (/^[a-zA-Z0-9._-]{0,255}$/.test(text)) return
  refuse(at, `${field} ${JSON.stringify(text)} must be up to 255 letters, digits, ".", "_" or "-"`)
}

function refuse(at: string, problem: string): never {
  throw new WeirError('POLICY_INVALID', `${at}: ${problem}`)
}
