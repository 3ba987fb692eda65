// Requests that are answered here although no rule denies them, and what answers need that requests do not have.
import { answer, type Extras } from './answer.ts'
import {
  API_VERSIONS,
  type ApiVersion,
  FETCH,
  findApi,
  METADATA,
  offeredVersion,
  SASL_HANDSHAKE,
  SHARE_FETCH,
} from './api.ts'
import {
  FETCH_SESSION_ID_NOT_FOUND,
  SHARE_SESSION_NOT_FOUND,
  UNSUPPORTED_SASL_MECHANISM,
  UNSUPPORTED_VERSION,
} from './codes.ts'
import type { KafkaConnection, KafkaOptions } from './connection.ts'
import { Denials } from './denials.ts'
import type { Slot } from './exchange.ts'
import { isKnownMechanism } from './sasl.ts'
import type { Node } from './walker.ts'

/** @returns the answer; undefined: the broker gives it. */
export function ownAnswer(slot: Slot, root: Node, connection: KafkaConnection): Buffer | undefined {
  const { judge } = connection.options
  const { api, record } = slot
  const { request, correlationId } = record
  const refuse = (version: ApiVersion | undefined, code: number, extras: Extras = {}): Buffer | undefined => {
    record.errorCode = code
    return version === undefined ? undefined : answer(version, correlationId, {}, Denials.whole(code), extras)
  }
  if (request.apiKey === API_VERSIONS && api === undefined) {
    const entry = { apiKey: API_VERSIONS, minVersion: 0, maxVersion: offeredVersion(API_VERSIONS) ?? 0 }
    return refuse(findApi(API_VERSIONS, 0), UNSUPPORTED_VERSION, { apis: [entry] })
  }
  if (request.apiKey === SASL_HANDSHAKE && request.apiVersion === 0) {
    const isKnown = typeof root['mechanism'] === 'string' && isKnownMechanism(root['mechanism'])
    return isKnown ? undefined : refuse(api, UNSUPPORTED_SASL_MECHANISM)
  }
  // Requests of a session name only what changed: they could not be judged anew.
  const isOfSession = request.apiKey === FETCH && (root['sessionId'] ?? 0) !== 0
  if (isOfSession && judge.restrictsResources(request)) return refuse(api, FETCH_SESSION_ID_NOT_FOUND)
  const isOfShareSession = request.apiKey === SHARE_FETCH && judge.restrictsResources(request)
  if (isOfShareSession && !isRestAllowed(slot, root, connection)) return refuse(api, SHARE_SESSION_NOT_FOUND)
  return undefined
}

/** Whether what the session holds beside what the request names may still be fetched. */
function isRestAllowed({ record }: Slot, root: Node, { options, shareSessions }: KafkaConnection): boolean {
  const group = typeof root['groupId'] === 'string' ? { group: root['groupId'] } : {}
  const rest = shareSessions.rest(root)
  if (rest === undefined) return false
  return [...rest].every((id) => {
    const topic = options.topicIds.nameOf(id)
    return topic !== undefined && options.judge.judge(record.request, { ...group, topic }).allowed
  })
}

/** A client without a broker in its metadata would ask again and again, and not look at the errors. */
export function extrasFor({ record }: Slot, { broker }: KafkaOptions): Extras {
  if (record.request.apiKey !== METADATA) return {}
  return { brokers: [{ nodeId: 0, host: broker.host, port: broker.port }], controllerId: 0 }
}
