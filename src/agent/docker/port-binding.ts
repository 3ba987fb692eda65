// Which port of a bridge leads to which container. Pure: the caller has asked engine and kernel.
//
// A container that runs is found by its network namespace, which nobody in it can change: its process is in it, and so
// is the other end of the veth. Before its process runs there is none to ask for; but then the engine has just given
// the other end the MAC address that it says the container has, and nobody could change that either.

/** A veth in a bridge. */
export interface BridgePort {
  readonly ifindex: number
  readonly name: string
  /** Name of the bridge. */
  readonly bridge: string
  /** Where the other end is; undefined = (still) in the node's own namespace. */
  readonly namespace: number | undefined
  /** MAC address of the other end; '' = not asked for. */
  readonly peerMac: string
}

/** A container on a network. */
export interface Attachment {
  readonly containerId: string
  readonly network: string
  readonly bridge: string
  readonly mac: string
  readonly addresses: readonly string[]
}

export interface Binding {
  readonly containerId: string
  /** False: by its MAC address only, because it did not run yet. */
  readonly isConfirmed: boolean
}

/** By interface index. */
export type Bindings = ReadonlyMap<number, Binding>

export interface BindingFacts {
  readonly attachments: readonly Attachment[]
  readonly ports: readonly BridgePort[]
  /** Network namespaces of containers that run, as far as they were asked for. */
  readonly namespaces: ReadonlyMap<string, number>
  readonly isRunning: (containerId: string) => boolean
  readonly before: Bindings
}

export function bindPorts({ attachments, ports, namespaces, isRunning, before }: BindingFacts): Bindings {
  const bindings = new Map<number, Binding>()
  const bind = (
    { containerId, bridge }: Attachment,
    isConfirmed: boolean,
    fits: (port: BridgePort) => boolean,
  ): void => {
    const found = ports.filter((port) => port.bridge === bridge && !bindings.has(port.ifindex) && fits(port))
    const [port] = found
    // Two that fit are one too many: better closed than taken for each other.
    if (port !== undefined && found.length === 1) bindings.set(port.ifindex, { containerId, isConfirmed })
  }
  const rest: Attachment[] = []
  for (const attachment of attachments) {
    const namespace = namespaces.get(attachment.containerId)
    if (namespace === undefined) rest.push(attachment)
    else bind(attachment, true, (port) => port.namespace === namespace)
  }
  for (const attachment of rest) {
    const known = ports.find(
      (port) =>
        port.bridge === attachment.bridge &&
        before.get(port.ifindex)?.containerId === attachment.containerId &&
        !bindings.has(port.ifindex),
    )
    const binding = known === undefined ? undefined : before.get(known.ifindex)
    if (known !== undefined && binding !== undefined) bindings.set(known.ifindex, binding)
    else if (!isRunning(attachment.containerId)) {
      bind(attachment, false, (port) => port.peerMac === attachment.mac && !before.has(port.ifindex))
    }
  }
  return bindings
}
