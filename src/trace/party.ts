// Who is meant by `--from` and `--to`.
import { formatAddress, parseAddress } from '../lib/address.ts'
import { asIdentity, type Identity } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import { longestPrefix } from '../lib/longest-prefix.ts'
import { identityLabels } from '../policy/identity-labels.ts'
import { RESERVED_IDENTITIES, WORLD_IDENTITY } from '../policy/identity.ts'
import { K8S_SOURCE, LabelSet, NAMESPACE_KEY, parseLabel } from '../policy/labels.ts'
import type { TracedEndpoint, TraceWorld } from '../policy/trace-world.ts'

/** One end of a traced connection. */
export interface Party {
  readonly given: string
  readonly identity: Identity
  readonly labels: LabelSet
  /** undefined = not under policy here. */
  readonly endpoint: TracedEndpoint | undefined
  /** undefined = none was given. */
  readonly address: string | undefined
  readonly isHypothetical: boolean
}

/** Labels that nothing has: to be judged as if a workload here had them. */
export interface Hypothesis {
  readonly given: string
  readonly labels: LabelSet
}

export function isHypothesis(end: Party | Hypothesis): end is Hypothesis {
  return !('identity' in end)
}

/**
 * `text` with or without one of the prefixes `endpoint:`, `labels:`, `identity:`, `address:`. Without one: an
 * address, labels when a `=` is in it, a number is an identity, then a reserved name, else an endpoint.
 * @throws WeirError NOT_FOUND or CONFIG_INVALID
 */
export function resolveParty(text: string, world: TraceWorld): Party | Hypothesis {
  const [, prefix, named = text] = /^(endpoint|labels|identity|address):(.*)$/.exec(text) ?? []
  switch (prefix ?? kindOf(text)) {
    case 'address':
      return byAddress(named, text, world)
    case 'labels':
      return byLabels(named, text, world)
    case 'identity':
      return byIdentity(named, text, world)
    default:
      return byName(named, text, world)
  }
}

function kindOf(text: string): 'address' | 'labels' | 'identity' | 'endpoint' {
  if (isAddress(text)) return 'address'
  if (text.includes('=') || text.startsWith('reserved:')) return 'labels'
  return /^\d+$/.test(text) || text in RESERVED_IDENTITIES ? 'identity' : 'endpoint'
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text)
    return true
  } catch {
    return false
  }
}

function byAddress(text: string, given: string, world: TraceWorld): Party {
  const address = formatAddress(parseAddress(text))
  const endpoint = world.endpoints.find(({ addresses }) => addresses.includes(address))
  if (endpoint !== undefined) return ofEndpoint(endpoint, given, address)
  const identity = longestPrefix(address, world.ipcache())?.identity ?? WORLD_IDENTITY
  return ofIdentity(identity, given, world, address)
}

function byLabels(text: string, given: string, world: TraceWorld): Party | Hypothesis {
  const named = new LabelSet(text.split(',').map((label) => parseLabel(label.trim())))
  const isReserved = named.labels.every(({ source }) => source === 'reserved')
  const isPlaced = isReserved || named.has(K8S_SOURCE, NAMESPACE_KEY)
  const place = { source: K8S_SOURCE, key: NAMESPACE_KEY, value: 'default' }
  const labels = identityLabels(isPlaced ? named : new LabelSet([...named.labels, place]))
  const endpoint = world.endpoints.find((one) => one.labels.key === labels.key)
  if (endpoint !== undefined) return ofEndpoint(endpoint, given)
  const known = world.repository.identities().find(({ identity }) => {
    return world.repository.labelsOf(identity)?.key === labels.key
  })
  if (known !== undefined) return ofIdentity(known.identity, given, world)
  if (!isReserved) return { given, labels }
  throw new WeirError('NOT_FOUND', `no identity has the labels ${text}`, {
    mend: '`weir identity list` shows those that exist',
  })
}

function byIdentity(text: string, given: string, world: TraceWorld): Party {
  const reserved = (RESERVED_IDENTITIES as Readonly<Record<string, number>>)[text]
  const identity = asIdentity(reserved ?? (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN))
  const endpoint = world.endpoints.find((one) => one.identity === identity)
  return endpoint === undefined ? ofIdentity(identity, given, world) : ofEndpoint(endpoint, given)
}

function byName(name: string, given: string, world: TraceWorld): Party {
  const found = world.endpoints.filter((endpoint) => {
    return [String(endpoint.id), endpoint.name, `${endpoint.namespace}/${endpoint.name}`].includes(name)
  })
  const [endpoint, another] = found
  if (endpoint === undefined) {
    throw new WeirError('NOT_FOUND', `nothing is known by ${JSON.stringify(given)}`, {
      mend: 'name an endpoint, labels (app=web,tier=front), an identity, an address, world or host',
    })
  }
  if (another === undefined) return ofEndpoint(endpoint, given)
  const names = found.map((one) => `${one.namespace}/${one.name}`).join(', ')
  throw new WeirError('CONFIG_INVALID', `${JSON.stringify(given)} names several endpoints: ${names}`, {
    mend: 'write one of them with its namespace',
  })
}

function ofEndpoint(endpoint: TracedEndpoint, given: string, address?: string): Party {
  const { identity, labels } = endpoint
  return { given, identity, labels, endpoint, address, isHypothetical: false }
}

function ofIdentity(identity: Identity, given: string, { repository }: TraceWorld, address?: string): Party {
  const labels = repository.labelsOf(identity)
  if (labels === undefined) {
    throw new WeirError('NOT_FOUND', `no identity is known by ${JSON.stringify(given)}`, {
      mend: '`weir identity list` shows those that exist',
    })
  }
  return { given, identity, labels, endpoint: undefined, address, isHypothetical: false }
}
