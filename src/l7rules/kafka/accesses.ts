// What a request touches, found in its tree.
import type { ApiVersion } from './api.ts'
import type { KafkaAccess } from './request.ts'
import { ARRAY, type Op, type Program, STRUCT, VALUE } from './schema.ts'
import type { Node, Value } from './walker.ts'

export interface Touched {
  readonly access: KafkaAccess
  /** Its topic is there by an id whose name is not known; the access has the topic ''. */
  readonly isUnnamed: boolean
  /** Element of the array that may be cut; -1 = none. */
  readonly index: number
  /** The struct that names it, if the answer repeats that; undefined: the request itself. */
  readonly node: Node | undefined
  /** The whole request names the group, or the transactional id. */
  readonly isGroupOfAll: boolean
  readonly isTransactionOfAll: boolean
}

/** The name of a topic; `id` is 32 hexadecimal digits. */
export type TopicNames = (id: string) => string | undefined

/** Topics that cannot be told, such as those that a regex stands for: rules for topics do not cover this name. */
const UNTOLD = ''
const NO_ID = '0'.repeat(32)

/** Of the array that may be cut only the elements [fromElement, toElement) are looked at. */
export function collectAccesses(
  api: ApiVersion,
  root: Node,
  topicNames: TopicNames,
  fromElement = 0,
  toElement = Number.POSITIVE_INFINITY,
): Touched[] {
  const collector = new Collector(api, topicNames, fromElement, toElement)
  collector.struct(api.request, root, { access: {}, index: -1, node: undefined, depth: 0 })
  return collector.found
}

interface Place {
  readonly access: KafkaAccess
  readonly index: number
  readonly node: Node | undefined
  readonly depth: number
}

class Collector {
  readonly found: Touched[] = []
  readonly #api: ApiVersion
  readonly #topicNames: TopicNames
  readonly #fromElement: number
  readonly #toElement: number
  #rootAccess: KafkaAccess = {}

  constructor(api: ApiVersion, topicNames: TopicNames, fromElement: number, toElement: number) {
    this.#api = api
    this.#topicNames = topicNames
    this.#fromElement = fromElement
    this.#toElement = toElement
  }

  struct(program: Program, node: Node, outer: Place): void {
    const before = this.found.length
    let access = outer.access
    let namesTopics = false
    const topics: (string | undefined)[] = []
    const others: KafkaAccess[] = []
    for (const { kind, role, name } of program.ops) {
      if (kind !== VALUE || role === undefined || !(name in node)) continue
      const value = node[name]
      if (role === 'group' && typeof value === 'string') access = { ...access, group: value }
      else if (role === 'txn' && typeof value === 'string') access = { ...access, transactionalId: value }
      else if (role === 'topic' || role === 'id') {
        namesTopics = true
        if (role === 'topic' && typeof value === 'string') topics.push(value)
        if (role === 'id' && typeof value === 'string' && value !== NO_ID)
          topics.push(this.#topicNames(value))
      } else if (role === 'regex' && typeof value === 'string' && value !== '') topics.push(UNTOLD)
      else if (role === 'coordinator') others.push(coordinator(value, node['keyType']))
      else if (role === 'resource') others.push(resourceAccess(value, node))
    }
    if (namesTopics && topics.length === 0) topics.push(UNTOLD)
    const place = { ...outer, access }
    if (outer.depth === 0) this.#rootAccess = access
    for (const topic of topics) this.#add(place, { ...access, topic: topic ?? UNTOLD }, topic === undefined)
    for (const other of others) this.#add(place, { ...access, ...other })
    for (const op of program.ops) this.#children(op, node, place)
    // The bare request counts only when nothing within it was, or had been, named.
    const isBare = this.found.length === before && (outer.depth > 0 || this.#fromElement === 0)
    if (isBare) this.#add(place, access)
  }

  #children(op: Op, node: Node, place: Place): void {
    const value = node[op.name]
    const hasRoles = op.role !== undefined || op.program?.rolesFrom[0] === true
    if (!hasRoles || value === undefined) return
    if (op.kind === STRUCT) {
      if (isNode(value)) this.struct(op.program!, value, { ...place, depth: place.depth + 1 })
      return
    }
    if (op.kind !== ARRAY) return
    if (!Array.isArray(value)) {
      if (op.role === 'all') this.#add(place, { ...place.access, topic: UNTOLD })
      return
    }
    const isTop = place.depth === 0
    const isCut = isTop && op.name === this.#api.cut
    // What the answer does not repeat can be denied as a whole only.
    const isRepeated = !isTop || this.#api.body?.ops.some(({ name }) => name === op.name) === true
    const from = isCut ? this.#fromElement : 0
    const to = isCut ? Math.min(value.length, this.#toElement) : value.length
    for (let i = from; i < to; i++) {
      const element = value[i]
      const index = isCut ? i : place.index
      if (isNode(element)) {
        const isOwn = isRepeated && (isTop || place.node !== undefined)
        const inner = {
          access: place.access,
          index,
          node: isOwn ? element : place.node,
          depth: place.depth + 1,
        }
        this.struct(op.program!, element, inner)
      } else this.#add({ ...place, index }, { ...place.access, ...named(op, element, node) })
    }
  }

  #add({ index, node }: Place, access: KafkaAccess, isUnnamed = false): void {
    this.found.push({
      access,
      isUnnamed,
      index,
      node,
      isGroupOfAll: this.#rootAccess.group !== undefined,
      isTransactionOfAll: this.#rootAccess.transactionalId !== undefined,
    })
  }
}

function isNode(value: Value): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** An element of an array of names. */
function named({ role }: Op, value: Value, parent: Node): KafkaAccess {
  const name = typeof value === 'string' ? value : UNTOLD
  switch (role) {
    case 'topic':
      return { topic: name }
    case 'regex':
      return { topic: UNTOLD }
    case 'group':
      return { group: name }
    case 'txn':
      return { transactionalId: name }
    case 'coordinator':
      return coordinator(value, parent['keyType'])
    case 'id':
    case 'resource':
    case 'kind':
    case 'all':
    case undefined:
      return { isUnread: true }
  }
}

const GROUP_KEY = 0
const TRANSACTION_KEY = 1
/** `<group>:<topic id>:<partition>` */
const SHARE_KEY = 2

/** Whose coordinator is asked for. Before there was a type, all were of groups. */
function coordinator(value: Value, type: Value): KafkaAccess {
  const key = typeof value === 'string' ? value : UNTOLD
  switch (type ?? GROUP_KEY) {
    case GROUP_KEY:
      return { group: key }
    case TRANSACTION_KEY:
      return { transactionalId: key }
    case SHARE_KEY:
      return { group: key.split(':').slice(0, -2).join(':'), topic: UNTOLD }
    default:
      return { isUnread: true }
  }
}

// ConfigResource.Type and ResourceType of the Java client, which agree where both have a meaning.
const TOPIC = 2
const GROUP = 3
const TRANSACTIONAL_ID = 5
const GROUP_SETTINGS = 32
/** Broker or cluster, delegation token, user, logger of a broker, metrics of clients: nothing that rules know. */
const OTHERS: readonly Value[] = [4, 6, 7, 8, 16]
const LITERAL = 3

/** What settings or access rules of the broker are about. Of a type that is not known it may be anything. */
export function resourceAccess(value: Value, { resourceType, patternType = LITERAL }: Node): KafkaAccess {
  const name = typeof value === 'string' && patternType === LITERAL ? value : UNTOLD
  switch (resourceType) {
    case TOPIC:
      return { topic: name }
    case GROUP:
    case GROUP_SETTINGS:
      return { group: name }
    case TRANSACTIONAL_ID:
      return { transactionalId: name }
    default:
      return OTHERS.includes(resourceType) ? {} : { isUnread: true }
  }
}
