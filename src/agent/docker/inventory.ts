// One look at engine and kernel: containers, networks, and which port of which bridge is whose.
import { CONTAINER_PORT_PREFIX } from '../../redirect/port-gate.ts'
import { findLink, type Link, listLinks, namespaceOf } from '../../redirect/links.ts'
import {
  attachmentsOf,
  bridgeOf,
  type EngineView,
  isBridgeNetwork,
  isRunning,
} from './container-endpoints.ts'
import type { Engine } from './engine.ts'
import type { EngineContainer } from './engine-types.ts'
import { type Attachment, bindPorts, type Bindings, type BridgePort } from './port-binding.ts'

export interface Inventory extends EngineView {
  /** Of the ports, see `portSignature`. */
  readonly signature: string
  /** Interface indexes of ports that are none of the engine's. */
  readonly elsewhere: readonly number[]
}

/** @throws WeirError DOCKER_UNREACHABLE, KERNEL_CALL_FAILED */
export async function takeInventory(
  engine: Pick<Engine, 'containers' | 'networks' | 'network' | 'pidOf'>,
  before: Bindings,
): Promise<Inventory> {
  // Before the networks: a port whose bridge is no network's by then is none of the engine's.
  const links = listLinks()
  const ports = containerPorts(links, before)
  const [containers, all] = await Promise.all([engine.containers(), engine.networks()])
  const details = await Promise.all(all.filter(isBridgeNetwork).map(({ Id }) => engine.network(Id)))
  const networks = details.filter((network) => network !== undefined)
  const attachments = attachmentsOf(networks)
  const running = new Set(containers.filter(isRunning).map(({ Id }) => Id))
  const bridges = new Set(networks.map(bridgeOf))
  const namespaces = await namespacesOf(engine, running, unconfirmed(attachments, ports, before))
  const bindings = bindPorts({
    attachments,
    ports,
    namespaces,
    isRunning: (id) => running.has(id),
    before: new Map([...before].filter(([ifindex]) => ports.some((port) => port.ifindex === ifindex))),
  })
  return {
    signature: portSignature(links),
    containers,
    networks,
    otherNetworks: otherNetworks(all, containers),
    ports,
    bindings,
    elsewhere: ports.filter(({ bridge }) => !bridges.has(bridge)).map(({ ifindex }) => ifindex),
  }
}

/** Whether another look may find out more, now that network devices have changed. Pure. */
export function isOutdated(
  { signature, ports, bindings, elsewhere }: Inventory,
  links: readonly Link[],
): boolean {
  // Not known yet whose it is: its other end may just have got the address that tells, which no message says.
  const isUnclaimed = ({ ifindex }: BridgePort): boolean =>
    !bindings.has(ifindex) && !elsewhere.includes(ifindex)
  return portSignature(links) !== signature || ports.some(isUnclaimed)
}

/** Changes whenever a port comes, goes, or moves its other end. */
function portSignature(links: readonly Link[]): string {
  return links
    .filter(isContainerPort)
    .map(({ ifindex, master, peer }) => `${ifindex} ${master} ${peer.namespace ?? ''}`)
    .join(', ')
}

function isContainerPort({ name, master }: Link): boolean {
  return master !== 0 && name.startsWith(CONTAINER_PORT_PREFIX)
}

function containerPorts(links: readonly Link[], before: Bindings): BridgePort[] {
  const names = new Map(links.map(({ ifindex, name }) => [ifindex, name]))
  return links.filter(isContainerPort).map(({ ifindex, name, master, peer }) => {
    const isAsked = peer.namespace !== undefined && !before.has(ifindex)
    return {
      ifindex,
      name,
      bridge: names.get(master) ?? '',
      namespace: peer.namespace,
      peerMac: isAsked ? (findLink(peer.ifindex, peer.namespace)?.mac ?? '') : '',
    }
  })
}

/** Containers of which not every port is known for certain. */
function unconfirmed(
  attachments: readonly Attachment[],
  ports: readonly BridgePort[],
  before: Bindings,
): ReadonlySet<string> {
  const isKnown = ({ containerId, bridge }: Attachment): boolean =>
    ports.some((port) => {
      const binding = before.get(port.ifindex)
      return port.bridge === bridge && binding?.containerId === containerId && binding.isConfirmed
    })
  return new Set(attachments.filter((one) => !isKnown(one)).map(({ containerId }) => containerId))
}

async function namespacesOf(
  engine: Pick<Engine, 'pidOf'>,
  running: ReadonlySet<string>,
  wanted: ReadonlySet<string>,
): Promise<ReadonlyMap<string, number>> {
  const namespaces = new Map<string, number>()
  await Promise.all(
    [...wanted]
      .filter((id) => running.has(id))
      .map(async (id) => {
        const pid = await engine.pidOf(id)
        const namespace = pid === undefined ? undefined : namespaceOf(pid)
        if (namespace !== undefined) namespaces.set(id, namespace)
      }),
  )
  return namespaces
}

function otherNetworks(
  all: readonly { readonly Id: string; readonly Name: string; readonly Driver: string }[],
  containers: readonly EngineContainer[],
): ReadonlyMap<string, string> {
  const used = new Set(
    containers.flatMap(({ NetworkSettings }) => Object.keys(NetworkSettings?.Networks ?? {})),
  )
  const isOther = (network: { Name: string; Driver: string }): boolean =>
    !isBridgeNetwork(network) && network.Name !== 'host' && network.Name !== 'none'
  return new Map(
    all
      .filter((network) => isOther(network) && used.has(network.Name))
      .map(({ Name, Driver }) => [Name, Driver]),
  )
}
