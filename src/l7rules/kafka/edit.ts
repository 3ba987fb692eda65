// What is done to an answer of the broker on its way to the client.
import type { ApiVersion } from './api.ts'
import { offeredVersion } from './api.ts'
import type { KafkaAccess } from './request.ts'
import { resourceAccess } from './accesses.ts'
import type { Node, Value } from './walker.ts'

export interface Edit {
  readonly api: ApiVersion
  /** Arrays that are looked at. */
  readonly array: string
  /** Elements to put in front of those of the array at the top. */
  readonly elements?: Buffer
  readonly elementCount?: number
  /** Elements that it allows stay. */
  readonly allows?: (access: KafkaAccess) => boolean
  /** Of the whole request. */
  readonly access?: KafkaAccess
  /** Versions above those that Weir offers are lowered. */
  readonly lowersVersions?: boolean
  /** Called for each element. */
  readonly learn?: (element: Node) => void
  /** Called with the top of the answer. */
  readonly onRead?: (root: Node) => void
}

/** What an element of a response shows; undefined: nothing that has a name. */
export function shownBy(edit: Edit, path: readonly Node[], element: Node): KafkaAccess | undefined {
  let access: KafkaAccess = edit.access ?? {}
  for (const node of [...path, element]) {
    const { groupId, transactionalId, resourceName } = node
    if (typeof groupId === 'string') access = { ...access, group: groupId }
    if (typeof transactionalId === 'string') access = { ...access, transactionalId }
    if (resourceName !== undefined) access = { ...access, ...resourceAccess(resourceName, node) }
  }
  if (edit.array !== 'topics') return access
  const { name } = element
  return typeof name === 'string' ? { ...access, topic: name } : undefined
}

/** What to write instead of the highest version of an API; undefined: it stays. */
export function loweredVersion(element: Value): number | undefined {
  if (typeof element !== 'object' || element === null || Array.isArray(element)) return undefined
  const { apiKey, maxVersion } = element
  if (typeof apiKey !== 'number' || typeof maxVersion !== 'number') return undefined
  const offered = offeredVersion(apiKey)
  return offered !== undefined && offered < maxVersion ? offered : undefined
}
