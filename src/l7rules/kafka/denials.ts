// What of a request is denied, and with which error number.
import {
  CLUSTER_AUTHORIZATION_FAILED,
  GROUP_AUTHORIZATION_FAILED,
  NONE,
  TOPIC_AUTHORIZATION_FAILED,
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
  UNKNOWN_TOPIC_ID,
} from './codes.ts'
import type { Touched } from './accesses.ts'
import type { KafkaAccess, KafkaJudge, KafkaRequest } from './request.ts'
import type { Node, Value } from './walker.ts'

export class Denials {
  /** Of the whole request; NONE = only of parts. */
  root = NONE
  /** Elements of the array that may be cut that hold something denied. */
  readonly elements = new Set<number>()
  readonly #byNode = new Map<Node, number>()
  /** Of elements that are no structs. */
  readonly #byIndex = new Map<number, number>()
  /** The first one. */
  first = NONE
  #isElsewhere = false

  static whole(code: number): Denials {
    const denials = new Denials()
    denials.root = code
    denials.first = code
    return denials
  }

  /** Nothing but elements of the array that may be cut. */
  get isPartial(): boolean {
    return this.elements.size > 0 && this.root === NONE && !this.#isElsewhere
  }

  get isEmpty(): boolean {
    return this.first === NONE
  }

  /** A code for which others follow from is told by the order in which a broker asks: id, group, topic. */
  add(judge: KafkaJudge, request: KafkaRequest, touched: Touched): void {
    const code = codeOf(judge, request, touched)
    if (this.first === NONE) this.first = code
    const { index, node } = touched
    const isOfAll =
      (index < 0 && node === undefined) ||
      (code === TRANSACTIONAL_ID_AUTHORIZATION_FAILED && touched.isTransactionOfAll) ||
      (code === GROUP_AUTHORIZATION_FAILED && touched.isGroupOfAll)
    if (isOfAll) {
      if (this.root === NONE) this.root = code
      return
    }
    if (index >= 0) this.elements.add(index)
    else this.#isElsewhere = true
    if (node !== undefined) this.#byNode.set(node, code)
    else this.#byIndex.set(index, code)
  }

  /** undefined = it is not denied itself. */
  of(element: Value, index: number): number | undefined {
    return isNode(element) ? this.#byNode.get(element) : this.#byIndex.get(index)
  }

  /** Something within is denied. */
  holds(value: Value): boolean {
    if (Array.isArray(value)) return value.some((element) => this.holds(element))
    if (!isNode(value)) return false
    return this.#byNode.has(value) || Object.values(value).some((part) => this.holds(part))
  }
}

function isNode(value: Value): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function codeOf(judge: KafkaJudge, request: KafkaRequest, { access, isUnnamed }: Touched): number {
  const { transactionalId, group, topic, isUnread } = access
  let tried: KafkaAccess = {}
  if (transactionalId !== undefined) {
    tried = { transactionalId }
    if (!judge.judge(request, tried).allowed) return TRANSACTIONAL_ID_AUTHORIZATION_FAILED
  }
  if (group !== undefined && !judge.judge(request, { ...tried, group }).allowed) {
    return GROUP_AUTHORIZATION_FAILED
  }
  if (topic !== undefined) return isUnnamed ? UNKNOWN_TOPIC_ID : TOPIC_AUTHORIZATION_FAILED
  return isUnread === true || group === undefined ? CLUSTER_AUTHORIZATION_FAILED : GROUP_AUTHORIZATION_FAILED
}
