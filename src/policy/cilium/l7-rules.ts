// `rules` of a `toPorts` item: which requests are allowed, in one protocol.
import type { PortGrant } from '../rule-model.ts'
import type { Cursor } from '../yaml-cursor.ts'
import { L7_RULES } from './fields.ts'
import { parseHttpRules, type HttpContext } from './http.ts'
import { parseKafkaRules } from './kafka.ts'

export interface L7Rules {
  readonly protocol: 'http' | 'kafka'
  /** undefined after a problem. */
  readonly rules: Pick<PortGrant, 'http' | 'kafka'> | undefined
}

/** undefined when it names no protocol, or several, which is a problem too. */
export function parseL7Rules(at: Cursor, context: HttpContext): L7Rules | undefined {
  const fields = at.fields(L7_RULES)
  if (fields === undefined) return undefined
  const httpAt = fields.get('http')
  const kafkaAt = fields.get('kafka')
  if (httpAt !== undefined && kafkaAt !== undefined) {
    return kafkaAt.failKey('cannot be combined with http in one item', 'write two items, each with its ports')
  }
  if (httpAt !== undefined) {
    const http = parseHttpRules(httpAt, context)
    return { protocol: 'http', rules: http && { http } }
  }
  if (kafkaAt !== undefined) {
    const kafka = parseKafkaRules(kafkaAt, context.name)
    return { protocol: 'kafka', rules: kafka && { http: undefined, kafka } }
  }
  // Silent when the mapping held something else: that is a problem of its own.
  if (at.entries()?.length === 0) at.fail('names no protocol', 'write http or kafka, or remove rules')
  return undefined
}
