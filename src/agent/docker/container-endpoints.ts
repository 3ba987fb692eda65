// From what the engine says to endpoints, and to what cannot be one. Pure.
import { formatAddress, parseAddress } from '../../lib/address.ts'
import type { EndpointSpec } from '../endpoints-document.ts'
import { containerLabels } from './container-labels.ts'
import type { EngineContainer, EngineNetworkDetail } from './engine-types.ts'
import type { Attachment, Bindings, BridgePort } from './port-binding.ts'

/** Docker has no namespaces; policies without one are of this one, too. */
export const CONTAINER_NAMESPACE = 'default'
const BRIDGE_DRIVER = 'bridge'
const BRIDGE_NAME_OPTION = 'com.docker.network.bridge.name'
const BRIDGE_NAME_ID_LENGTH = 12

export interface UnenforceableContainer {
  readonly name: string
  readonly containerId: string
  readonly addresses: readonly string[]
  /** Nothing passes to it or from it; otherwise everything does. */
  readonly isClosed: boolean
  readonly why: string
}

export interface ContainerEndpoints {
  readonly endpoints: readonly EndpointSpec[]
  readonly unenforceable: readonly UnenforceableContainer[]
}

export interface EngineView {
  readonly containers: readonly EngineContainer[]
  /** With driver `bridge`. */
  readonly networks: readonly EngineNetworkDetail[]
  /** Of the networks of other drivers: name to driver. */
  readonly otherNetworks: ReadonlyMap<string, string>
  readonly ports: readonly BridgePort[]
  readonly bindings: Bindings
}

export function isBridgeNetwork({ Driver }: { readonly Driver: string }): boolean {
  return Driver === BRIDGE_DRIVER
}

/** Name of the device that is a network's bridge. */
export function bridgeOf({ Id, Options }: EngineNetworkDetail): string {
  return Options?.[BRIDGE_NAME_OPTION] ?? `br-${Id.slice(0, BRIDGE_NAME_ID_LENGTH)}`
}

export function attachmentsOf(networks: readonly EngineNetworkDetail[]): Attachment[] {
  return networks.flatMap((network) =>
    Object.entries(network.Containers ?? {}).map(
      ([containerId, { MacAddress, IPv4Address, IPv6Address }]) => ({
        containerId,
        network: network.Name,
        bridge: bridgeOf(network),
        mac: MacAddress,
        addresses: [IPv4Address, IPv6Address].filter((text) => text !== '').map(withoutPrefix),
      }),
    ),
  )
}

/** @param reserved endpoints that are named elsewhere: they keep their names and addresses. */
export function containerEndpoints(view: EngineView, reserved: readonly EndpointSpec[]): ContainerEndpoints {
  const endpoints: EndpointSpec[] = []
  const unenforceable: UnenforceableContainer[] = []
  const attachments = attachmentsOf(view.networks)
  const owners = new Owners(reserved)
  // Who was there first keeps an address.
  const oldestFirst = [...view.containers].sort((a, b) => a.Created - b.Created || (a.Id < b.Id ? -1 : 1))
  for (const container of oldestFirst) {
    const own = attachments.filter(({ containerId }) => containerId === container.Id)
    const spec = own.length === 0 ? undefined : toEndpoint(container, own, view)
    const conflict = spec === undefined ? undefined : owners.claim(spec)
    if (spec !== undefined && conflict === undefined) endpoints.push(spec)
    else if (conflict !== undefined) unenforceable.push(refused(container, own, conflict, true))
    else if (isRunning(container)) {
      unenforceable.push(refused(container, own, whyNotOnBridge(container, view), false))
    }
  }
  return { endpoints, unenforceable }
}

export function isRunning({ State }: EngineContainer): boolean {
  return State === 'running' || State === 'paused'
}

function toEndpoint(
  container: EngineContainer,
  attachments: readonly Attachment[],
  { ports, bindings, otherNetworks }: EngineView,
): EndpointSpec {
  const { labels, notes } = containerLabels(container.Labels ?? {})
  const bridges = new Set(attachments.map(({ bridge }) => bridge))
  const devices = ports
    .filter(
      ({ bridge, ifindex }) => bridges.has(bridge) && bindings.get(ifindex)?.containerId === container.Id,
    )
    .map(({ name }) => name)
  const elsewhere = networksOf(container)
    .filter((network) => otherNetworks.has(network))
    .map((network) => `its network ${network} (driver ${otherNetworks.get(network)}) is not under policy`)
  const allNotes = [...elsewhere, ...notes]
  return {
    name: nameOf(container),
    namespace: CONTAINER_NAMESPACE,
    labels,
    containerId: container.Id,
    ...(allNotes.length === 0 ? {} : { notes: allNotes }),
    devices: devices.sort(),
    addresses: attachments.flatMap(({ addresses }) => addresses),
  }
}

function refused(
  container: EngineContainer,
  attachments: readonly Attachment[],
  why: string,
  isClosed: boolean,
): UnenforceableContainer {
  const addresses = attachments.flatMap((attachment) => attachment.addresses)
  return { name: nameOf(container), containerId: container.Id, addresses, isClosed, why }
}

/** What only one endpoint may have. */
class Owners {
  readonly #names: Set<string>
  readonly #addresses: Map<string, string>

  constructor(reserved: readonly EndpointSpec[]) {
    this.#names = new Set(reserved.map(({ namespace, name }) => `${namespace}/${name}`))
    this.#addresses = new Map(
      reserved.flatMap(({ name, addresses }) => addresses.map((address) => [address, `endpoint ${name}`])),
    )
  }

  /** Why it cannot have what it says; undefined = it has it now. */
  claim({ name, namespace, addresses }: EndpointSpec): string | undefined {
    if (this.#names.has(`${namespace}/${name}`)) {
      return `the endpoints file has an endpoint of this name: rename one of them`
    }
    for (const address of addresses) {
      const owner = this.#addresses.get(address)
      if (owner !== undefined) {
        return `address ${address} belongs to ${owner}, too: give their networks subnets that do not overlap`
      }
    }
    for (const address of addresses) this.#addresses.set(address, `container ${name}`)
    return undefined
  }
}

function whyNotOnBridge(container: EngineContainer, { containers, otherNetworks }: EngineView): string {
  const mode = container.HostConfig?.NetworkMode ?? ''
  if (mode === 'host') return 'it uses the network of the host: to policy it is the host'
  if (mode === 'none') return 'it has no network: there is nothing to enforce'
  if (mode.startsWith('container:')) {
    const id = mode.slice('container:'.length)
    const other = containers.find(({ Id }) => Id === id)
    return `it shares the network of container ${other === undefined ? id : nameOf(other)}, whose policy holds for both`
  }
  const others = networksOf(container).filter((network) => otherNetworks.has(network))
  if (others.length === 0) return 'it is connected to no network'
  const named = others.map((network) => `${network} (driver ${otherNetworks.get(network)})`).join(', ')
  return `its network ${named} does not pass a bridge of this host: use one with driver bridge`
}

function networksOf(container: EngineContainer): string[] {
  return Object.keys(container.NetworkSettings?.Networks ?? {})
}

/** Links of the old kind are names, too, with a second slash. */
function nameOf({ Id, Names }: EngineContainer): string {
  const name = Names?.find((one) => one.lastIndexOf('/') === 0)
  return name === undefined ? Id.slice(0, BRIDGE_NAME_ID_LENGTH) : name.slice(1)
}

function withoutPrefix(text: string): string {
  return formatAddress(parseAddress(text.split('/')[0] ?? ''))
}
