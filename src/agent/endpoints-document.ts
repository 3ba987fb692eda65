// The endpoints file: which local workloads are under policy. Pure: text in, endpoints and problems out.
import { formatAddress, parseAddress } from '../lib/address.ts'
import {
  K8S_SOURCE,
  labelKeyProblem,
  labelValueProblem,
  namespaceProblem,
  NAMESPACE_KEY,
} from '../policy/labels.ts'
import { inTextOrder, type Problem } from '../policy/problem.ts'
import type { PortName } from '../policy/rule-model.ts'
import type { Cursor, FieldTable } from '../policy/yaml-cursor.ts'
import { parseYamlDocuments } from '../policy/yaml-document.ts'
import { parsePorts } from './endpoint-ports.ts'

export interface EndpointSpec {
  /** Unique within the namespace. */
  readonly name: string
  readonly namespace: string
  /** Keys without a source. */
  readonly labels: Readonly<Record<string, string>>
  /** Labels of the namespace, keys without a source. Absent = none are known. */
  readonly namespaceLabels?: Readonly<Record<string, string>>
  /** Of the container engine. */
  readonly containerId?: string
  /** What an operator should know of it although it is fine. */
  readonly notes?: readonly string[]
  /** Ports by name. Absent = none. */
  readonly ports?: readonly PortName[]
  /** Host sides of the endpoint's veths, one per network that it is on; none while they are not known. */
  readonly devices: readonly string[]
  /** At least one; canonical text, unique among all endpoints. */
  readonly addresses: readonly string[]
}

export interface ParsedEndpoints {
  /** Usable only when there is no problem. */
  readonly endpoints: readonly EndpointSpec[]
  readonly problems: readonly Problem[]
}

const ENDPOINT: FieldTable = {
  known: ['name', 'namespace', 'labels', 'namespaceLabels', 'ports', 'device', 'addresses'],
}
/** The other form of the file, which has room for what endpoints share. */
const FILE: FieldTable = { known: ['namespaceLabels', 'endpoints'] }
const DEFAULT_NAMESPACE = 'default'
const NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/
const NAME_MAX = 253
const DEVICE_MAX_BYTES = 15

/**
 * Never throws. `file` is used in positions only. `isPlaced` false: nothing will be attached, so device and
 * addresses may be absent; they come out empty.
 */
export function parseEndpoints(text: string, file: string, isPlaced = true): ParsedEndpoints {
  const documents = parseYamlDocuments(text, file)
  const problems = documents.flatMap((document) => document.problems)
  // Values of broken YAML are guesses of the parser.
  if (problems.length > 0) return { endpoints: [], problems }
  const roots = documents.flatMap(({ root }) => root ?? [])
  const [root, second] = roots
  if (root === undefined) {
    const mend = 'write a list of endpoints, or [] for none'
    return {
      endpoints: [],
      problems: [{ file, line: 1, column: 1, path: '', message: 'the file is empty', mend }],
    }
  }
  second?.fail('a second document', 'put all endpoints into one list')
  const taken = new Taken()
  const { listAt, shared } = parseFile(root)
  const endpoints = (listAt?.items() ?? []).map((item) => parseEndpoint(item, taken, shared, isPlaced))
  return {
    endpoints: endpoints.filter((endpoint) => endpoint !== undefined),
    problems: inTextOrder(documents.flatMap((document) => document.problems)),
  }
}

type LabelMap = Readonly<Record<string, string>>

/** A list of endpoints, or a mapping that holds one beside the labels of namespaces. */
function parseFile(root: Cursor): { listAt: Cursor | undefined; shared: ReadonlyMap<string, LabelMap> } {
  const shared = new Map<string, LabelMap>()
  if (!root.isMapping) return { listAt: root, shared }
  const fields = root.fields(FILE)
  for (const [namespace, at] of fields?.get('namespaceLabels')?.entries() ?? []) {
    const problem = namespaceProblem(namespace)
    if (problem !== undefined) at.failKey(`"${namespace}" is not a namespace`, problem)
    const labels = parseLabels(at)
    if (labels !== undefined) shared.set(namespace, labels)
  }
  return {
    listAt: fields?.get('endpoints') ?? root.failMissing('endpoints', 'list them, or [] for none'),
    shared,
  }
}

/** Values that only one endpoint may have, with the path of the one that has it. */
class Taken {
  readonly #paths = new Map<string, string>()

  /** False, with a problem, when another endpoint has the value. */
  claim(kind: string, value: string, at: Cursor): boolean {
    const key = `${kind} ${value}`
    const holder = this.#paths.get(key)
    if (holder !== undefined) {
      at.fail(`${key} is used twice, first at ${holder}`, `give each endpoint a ${kind} of its own`)
      return false
    }
    this.#paths.set(key, at.path)
    return true
  }
}

function parseEndpoint(
  at: Cursor,
  taken: Taken,
  shared: ReadonlyMap<string, LabelMap>,
  isPlaced: boolean,
): EndpointSpec | undefined {
  const fields = at.fields(ENDPOINT)
  if (fields === undefined) return undefined
  const nameAt = fields.get('name') ?? at.failMissing('name', 'give the endpoint a name')
  const name = nameAt === undefined ? undefined : parseName(nameAt)
  const namespaceAt = fields.get('namespace')
  const namespace = namespaceAt === undefined ? DEFAULT_NAMESPACE : parseNamespace(namespaceAt)
  if (nameAt !== undefined && name !== undefined && namespace !== undefined) {
    taken.claim('name', `${namespace}/${name}`, nameAt)
  }
  const labelsAt = fields.get('labels')
  const labels = labelsAt === undefined ? {} : parseLabels(labelsAt)
  const ownAt = fields.get('namespaceLabels')
  const own = ownAt === undefined ? {} : parseLabels(ownAt)
  const portsAt = fields.get('ports')
  const ports = portsAt === undefined ? [] : parsePorts(portsAt)
  const absent = <T>(value: T): T | undefined => (isPlaced ? undefined : value)
  const requires = (field: 'device' | 'addresses', mend: string): Cursor | undefined => {
    return fields.get(field) ?? (isPlaced ? at.failMissing(field, mend) : undefined)
  }
  const deviceAt = requires('device', "name the host side of the endpoint's veth")
  const device = deviceAt === undefined ? absent('') : parseDevice(deviceAt)
  if (deviceAt !== undefined && device !== undefined) taken.claim('device', device, deviceAt)
  const addressesAt = requires('addresses', 'list at least one address')
  const addresses = addressesAt === undefined ? absent<string[]>([]) : parseAddresses(addressesAt, taken)
  if (name === undefined || namespace === undefined || labels === undefined) return undefined
  if (device === undefined || addresses === undefined || own === undefined || ports === undefined)
    return undefined
  const namespaceLabels = { ...shared.get(namespace), ...own }
  return {
    name,
    namespace,
    labels,
    ...(Object.keys(namespaceLabels).length === 0 ? {} : { namespaceLabels }),
    ...(ports.length === 0 ? {} : { ports }),
    devices: device === '' ? [] : [device],
    addresses,
  }
}

function parseName(at: Cursor): string | undefined {
  const name = at.string()
  if (name === undefined || (name.length <= NAME_MAX && NAME.test(name))) return name
  return at.fail(
    'is not a name',
    `use up to ${NAME_MAX} letters, digits, "-", "_" and ".", a letter or digit at both ends`,
  )
}

function parseNamespace(at: Cursor): string | undefined {
  const namespace = at.string()
  const problem = namespace === undefined ? undefined : namespaceProblem(namespace)
  return problem === undefined ? namespace : at.fail('is not a namespace', problem)
}

function parseLabels(at: Cursor): Record<string, string> | undefined {
  const entries = at.entries()?.map(([key, valueAt]) => [key, parseLabelEntry(key, valueAt)] as const)
  if (entries === undefined || entries.some(([, value]) => value === undefined)) return undefined
  return Object.fromEntries(entries.map(([key, value]) => [key, value ?? '']))
}

function parseLabelEntry(key: string, at: Cursor): string | undefined {
  if (key.includes(':')) {
    return at.failKey(
      `label key "${key}" has a source`,
      `write the key alone; it gets the source ${K8S_SOURCE}`,
    )
  }
  if (key === NAMESPACE_KEY) {
    return at.failKey(`label "${key}" is set by Weir`, 'use the field namespace of the endpoint')
  }
  const keyProblem = labelKeyProblem(key)
  if (keyProblem !== undefined) return at.failKey(`label key "${key}" is not valid`, keyProblem)
  const value = at.string()
  const problem = value === undefined ? undefined : labelValueProblem(value)
  return problem === undefined ? value : at.fail('is not a label value', problem)
}

/** What the kernel takes for the name of a device. */
function parseDevice(at: Cursor): string | undefined {
  const device = at.string()
  if (device === undefined) return undefined
  const bytes = new TextEncoder().encode(device).length
  if (bytes > DEVICE_MAX_BYTES) {
    return at.fail(`a device name of ${bytes} bytes`, `the kernel allows ${DEVICE_MAX_BYTES}; see "ip link"`)
  }
  if (device === '' || device === '.' || device === '..' || /[\s/:]/.test(device)) {
    return at.fail('is not a device name', 'name a device that "ip link" lists, without the part from "@"')
  }
  return device
}

function parseAddresses(at: Cursor, taken: Taken): string[] | undefined {
  const items = at.items()
  if (items === undefined) return undefined
  if (items.length === 0) return at.fail('lists no address', 'list at least one')
  const addresses = items.map((item) => parseOneAddress(item, taken))
  return addresses.every((address) => address !== undefined) ? addresses : undefined
}

function parseOneAddress(at: Cursor, taken: Taken): string | undefined {
  const text = at.string()
  if (text === undefined) return undefined
  const bytes = tryParse(text)
  if (bytes === undefined) {
    const mend = text.includes('/')
      ? 'write the address without the prefix length'
      : 'e.g. 10.0.1.5 or fd00::5'
    return at.fail('is not an IPv4 or IPv6 address', mend)
  }
  const address = formatAddress(bytes)
  if (!isWorkloadAddress(address)) {
    return at.fail(
      'no endpoint can have this address',
      'unspecified, loopback and multicast addresses are refused',
    )
  }
  return taken.claim('address', address, at) ? address : undefined
}

function tryParse(text: string): Uint8Array | undefined {
  try {
    return parseAddress(text)
  } catch {
    return undefined
  }
}

function isWorkloadAddress(address: string): boolean {
  if (address.includes(':')) return address !== '::' && address !== '::1' && !/^ff/.test(address)
  const first = Number(address.split('.')[0])
  return first !== 0 && first !== 127 && first < 224
}
