// How a request that is allowed, as a whole or in part, goes on, and what is done to its answer.
import { answerElements } from './answer.ts'
import {
  API_VERSIONS,
  type ApiVersion,
  DESCRIBE_TOPIC_PARTITIONS,
  FETCH,
  METADATA,
  SASL_HANDSHAKE,
  SHARE_FETCH,
} from './api.ts'
import { ByteWriter } from './byte-writer.ts'
import type { KafkaConnection } from './connection.ts'
import { Denials } from './denials.ts'
import type { Edit } from './edit.ts'
import type { Slot } from './exchange.ts'
import type { KafkaAccess } from './request.ts'
import { growth, type Replacement } from './rewrite.ts'
import type { Node, Value } from './walker.ts'

/** Where the array that may be cut stands in its frame. */
export interface CutArray {
  readonly count: number
  readonly countAt: number
  readonly countEnd: number
  /** Of each element. */
  readonly spans: (readonly [start: number, end: number])[]
}

const NO_DENIALS = new Denials()

/** Whether what is denied can be taken out and the rest be served. */
export function canCut(slot: Slot, root: Node, denials: Denials, connection: KafkaConnection): boolean {
  const { api, record } = slot
  const { request } = record
  const elements = api === undefined ? undefined : root[api.cut]
  if (!Array.isArray(elements) || !denials.isPartial) return false
  // A session goes on without new topics, too.
  if (denials.elements.size < elements.length || request.apiKey === SHARE_FETCH) return true
  // Without a broker's own word on its cluster clients do not look at errors. In version 0 no topics are all topics.
  return (
    request.apiKey === METADATA &&
    request.apiVersion > 0 &&
    connection.options.judge.judge(request, {}).allowed
  )
}

/** What is changed in a request that goes on whole. */
export function patches(
  slot: Slot,
  root: Node,
  marks: ReadonlyMap<string, number>,
  connection: KafkaConnection,
): Replacement[] {
  const { request } = slot.record
  const at = marks.get('sessionId')
  if (request.apiKey !== FETCH || at === undefined || root['sessionEpoch'] === SESSIONLESS) return []
  if (!connection.options.judge.restrictsResources(request)) return []
  // No session: each fetch names all its topics and can be judged.
  return [{ from: at, to: at + NO_SESSION.length, bytes: NO_SESSION }]
}

const SESSIONLESS = -1
/** Session 0, epoch -1. */
const NO_SESSION = Buffer.from([0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])

/** @param frameBytes with the length. */
export function cuts(
  api: ApiVersion,
  denials: Denials,
  array: CutArray,
  before: readonly Replacement[],
  frameBytes: number,
): Replacement[] {
  const writer = new ByteWriter()
  const count = array.count - denials.elements.size
  if (api.isFlexible) writer.varint(count + 1)
  else writer.int(count, 4)
  const replacements: Replacement[] = [
    ...before,
    { from: array.countAt, to: array.countEnd, bytes: writer.bytes },
  ]
  array.spans.forEach(([from, to], index) => {
    if (denials.elements.has(index)) replacements.push({ from, to, bytes: NOTHING })
  })
  const length = Buffer.alloc(4)
  length.writeInt32BE(frameBytes - length.length + growth(replacements))
  return [{ from: 0, to: length.length, bytes: length }, ...replacements]
}

const NOTHING = new Uint8Array(0)

/** undefined: the answer passes as it comes. */
export function editOf(
  slot: Slot,
  root: Node,
  connection: KafkaConnection,
  denials = NO_DENIALS,
): Edit | undefined {
  const { api, record } = slot
  if (api?.response === undefined) return undefined
  const { request } = record
  const { judge, topicIds } = connection.options
  if (request.apiKey === API_VERSIONS) return { api, array: 'apis', lowersVersions: true }
  if (request.apiKey === SASL_HANDSHAKE && request.apiVersion === 0) {
    const mechanism = root['mechanism']
    const onRead = ({ error }: Node): void => {
      connection.authenticate(error === 0 && typeof mechanism === 'string' ? mechanism : undefined)
    }
    return { api, array: '', onRead }
  }
  const { filter } = api.text
  const isOpen = filter !== undefined && showsMore(api, root, filter) && judge.restrictsResources(request)
  const isCut = denials.elements.size > 0
  const hasIds =
    request.apiKey === METADATA ? request.apiVersion >= 10 : request.apiKey === DESCRIBE_TOPIC_PARTITIONS
  if (!isOpen && !isCut && !hasIds) return undefined
  const learn = ({ topicId, name }: Node): void => {
    if (typeof topicId === 'string' && typeof name === 'string') topicIds.learn(topicId, name)
  }
  return {
    api,
    array: isOpen ? filter.array : isCut ? api.cut : 'topics',
    ...(isCut ? { elements: answerElements(api, root, denials), elementCount: denials.elements.size } : {}),
    ...(isOpen ? { allows: (access) => judge.judge(request, access).allowed, access: accessOf(root) } : {}),
    ...(hasIds ? { learn } : {}),
  }
}

/** The answer may show what the request did not name. */
function showsMore(
  api: ApiVersion,
  root: Node,
  { array, when }: NonNullable<ApiVersion['text']['filter']>,
): boolean {
  if (when === 'always') return true
  const isEmptyAll = when === 'empty' || (api.text.name === 'metadata' && api.version === 0)
  const isAll = (value: Value): boolean =>
    value === null || (isEmptyAll && Array.isArray(value) && value.length === 0)
  const search = (node: Value): boolean => {
    if (Array.isArray(node)) return node.some(search)
    if (typeof node !== 'object' || node === null) return false
    return (array in node && isAll(node[array])) || Object.values(node).some(search)
  }
  return search(root)
}

function accessOf({ groupId }: Node): KafkaAccess {
  return typeof groupId === 'string' ? { group: groupId } : {}
}
