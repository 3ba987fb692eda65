// Judges one request, at once or as its topics come along.
import { planOf, type Verdict } from '../verdict.ts'
import { collectAccesses, type Touched } from './accesses.ts'
import { type ApiVersion, API_VERSIONS, isKnownApi, SASL_AUTHENTICATE, SASL_HANDSHAKE } from './api.ts'
import type { KafkaCode } from './codes.ts'
import type { KafkaOptions } from './connection.ts'
import { Denials } from './denials.ts'
import type { Slot } from './exchange.ts'
import type { KafkaAccess } from './request.ts'
import type { Node } from './walker.ts'

/** Who somebody is, is the broker's concern, and touches nothing. */
const AUTHENTICATION: Verdict = Object.freeze({
  allowed: true,
  rule: '',
  reason: 'AUTHENTICATION',
  direction: 'ingress',
})

const UNREAD: KafkaAccess = { isUnread: true }

export class Judging {
  readonly denials = new Denials()
  readonly #options: KafkaOptions
  readonly #slot: Slot
  /** Elements of the array that may be cut whose topics were judged. */
  #judged = 0
  #hasVerdict = false

  constructor(options: KafkaOptions, slot: Slot) {
    this.#options = options
    this.#slot = slot
  }

  /** @returns why the request can be neither forwarded nor answered; '' = it can. */
  all(root: Node): KafkaCode | '' {
    const { api, record } = this.#slot
    const { request } = record
    if (request.apiKey === SASL_HANDSHAKE || request.apiKey === SASL_AUTHENTICATE) {
      record.verdict = AUTHENTICATION
      return ''
    }
    if (api === undefined) return this.#unknown()
    this.#new(api, root, Number.POSITIVE_INFINITY)
    return ''
  }

  /** Elements that have their names, of a request that is not complete. */
  named(api: ApiVersion, root: Node): void {
    const elements = root[api.cut]
    if (!Array.isArray(elements)) return
    const last = elements.at(-1) as Node | undefined
    const isNamed = last === undefined || 'name' in last || 'topicId' in last
    const count = elements.length - (isNamed ? 0 : 1)
    if (count > this.#judged) this.#new(api, root, count)
  }

  #new(api: ApiVersion, root: Node, toElement: number): void {
    const found = collectAccesses(api, root, this.#options.topicIds.nameOf, this.#judged, toElement)
    this.#judged = toElement
    for (const touched of found) this.#judge(touched)
  }

  #judge(touched: Touched): void {
    const { judge } = this.#options
    const { record } = this.#slot
    const verdict = judge.judge(record.request, touched.access)
    const { denials } = this
    const isDecisive = verdict.allowed
      ? denials.isEmpty && planOf(record.verdict).allowed && !planOf(verdict).allowed
      : denials.isEmpty
    if (isDecisive || !this.#hasVerdict) {
      record.verdict = verdict
      record.topic = touched.access.topic ?? ''
      this.#hasVerdict = true
    }
    if (!verdict.allowed) denials.add(judge, record.request, touched)
  }

  #unknown(): KafkaCode | '' {
    const { judge } = this.#options
    const { record } = this.#slot
    const { request } = record
    const isRestricted = judge.restrictsResources(request)
    record.verdict = judge.judge(request, isRestricted ? UNREAD : {})
    // Answered in a version that every client knows.
    if (record.verdict.allowed || request.apiKey === API_VERSIONS) return ''
    if (!isRestricted) return 'KAFKA_NO_DENIAL'
    return isKnownApi(request.apiKey) ? 'KAFKA_UNKNOWN_VERSION' : 'KAFKA_UNKNOWN_API'
  }
}
