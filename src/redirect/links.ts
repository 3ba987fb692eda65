// Network devices of this namespace: what they are ports of, where the other end of a veth is, their group.
import { constants } from 'node:os'
import { kernelError } from './libbpf.ts'
import { ask, attributesOf, change, dump, type NetlinkMessage } from './rtnetlink.ts'

export const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const RTM_SETLINK = 19
const RTM_GETNSID = 90
export const LINK_HEADER_BYTES = 16
const NAMESPACE_HEADER_BYTES = 4
/** Bit of ifi_flags. */
const IFF_UP = 1
const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
const IFLA_LINK = 5
const IFLA_MASTER = 10
const IFLA_GROUP = 27
const IFLA_EXT_MASK = 29
const IFLA_LINK_NETNSID = 37
const IFLA_TARGET_NETNSID = 46
/** Statistics are most of an answer, and nobody here reads them. */
const RTEXT_FILTER_SKIP_STATS = 8
const NETNSA_NSID = 1
const NETNSA_PID = 2

export interface Link {
  readonly ifindex: number
  readonly name: string
  /** Of the bridge (bond, team, ...) that it is a port of; 0 = none. */
  readonly master: number
  readonly group: number
  /** As configured, whatever its other end does. */
  readonly isUp: boolean
  /** `02:42:ac:11:00:02`; '' when it has none. */
  readonly mac: string
  /** For a veth: where its other end is. */
  readonly peer: {
    readonly ifindex: number
    /** As this namespace numbers others; undefined = in this one. */
    readonly namespace: number | undefined
  }
}

/** @throws WeirError KERNEL_CALL_FAILED */
export function listLinks(): Link[] {
  const mask: readonly [number, Buffer] = [IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)]
  return dump({ type: RTM_GETLINK, fixed: linkHeader(0), attributes: [mask] })
    .filter(({ type }) => type === RTM_NEWLINK)
    .map(readLink)
}

/**
 * One device by its index, also of another namespace that this one has a number for; undefined = there is none.
 * @throws WeirError KERNEL_CALL_FAILED
 */
export function findLink(ifindex: number, namespace?: number): Link | undefined {
  const attributes: (readonly [number, Buffer])[] = [[IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)]]
  if (namespace !== undefined) attributes.push([IFLA_TARGET_NETNSID, u32(namespace)])
  const answer = ask({ type: RTM_GETLINK, fixed: linkHeader(ifindex), attributes })
  return 'errno' in answer || answer.type !== RTM_NEWLINK ? undefined : readLink(answer)
}

/** No error when the device is gone. @throws WeirError KERNEL_CALL_FAILED, NOT_PRIVILEGED */
export function setLinkGroup(ifindex: number, group: number): void {
  const fixed = linkHeader(ifindex)
  const errno = change({ type: RTM_SETLINK, fixed, attributes: [[IFLA_GROUP, u32(group)]] })
  if (errno !== 0 && errno !== constants.errno.ENODEV)
    throw kernelError(`set group of interface ${ifindex}`, errno)
}

/**
 * The number that this namespace has for the network namespace of a process; undefined = the process is gone, or
 * nothing connects both namespaces.
 */
export function namespaceOf(pid: number): number | undefined {
  const fixed = Buffer.alloc(NAMESPACE_HEADER_BYTES)
  const answer = ask({ type: RTM_GETNSID, fixed, attributes: [[NETNSA_PID, u32(pid)]] })
  if ('errno' in answer) return undefined
  const nsid = attributesOf(answer.body, NAMESPACE_HEADER_BYTES).get(NETNSA_NSID)?.readInt32LE(0) ?? -1
  return nsid < 0 ? undefined : nsid
}

/** struct ifinfomsg */
function linkHeader(ifindex: number): Buffer {
  const header = Buffer.alloc(LINK_HEADER_BYTES)
  header.writeInt32LE(ifindex, 4)
  return header
}

function readLink({ body }: NetlinkMessage): Link {
  const attributes = attributesOf(body, LINK_HEADER_BYTES)
  const number = (type: number): number | undefined => attributes.get(type)?.readUInt32LE(0)
  const name = attributes.get(IFLA_IFNAME)?.toString('utf8') ?? ''
  return {
    ifindex: body.readInt32LE(4),
    name: name.slice(0, name.indexOf('\0')),
    master: number(IFLA_MASTER) ?? 0,
    group: number(IFLA_GROUP) ?? 0,
    isUp: (body.readUInt32LE(8) & IFF_UP) !== 0,
    mac: [...(attributes.get(IFLA_ADDRESS) ?? [])]
      .map((byte) => byte.toString(16).padStart(2, '0'))
      .join(':'),
    peer: { ifindex: number(IFLA_LINK) ?? 0, namespace: number(IFLA_LINK_NETNSID) },
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
