// Which device, if any, a network device is a port of: asked by one rtnetlink message, cheap enough for every look.
// /sys/class/net would show the network namespace that /sys was mounted in, which need not be ours.
import { askRtnetlink, findAttribute } from './rtnetlink.ts'

const RTM_NEWLINK = 16
const RTM_GETLINK = 18
/** struct ifinfomsg */
const LINK_HEADER_BYTES = 16
const LINK_IFINDEX_OFFSET = 4
const IFLA_MASTER = 10

/** @returns interface index of the bridge (bond, team, ...); 0 = none, or no such device. @throws WeirError KERNEL_CALL_FAILED */
export function masterOf(ifindex: number): number {
  const header = Buffer.alloc(LINK_HEADER_BYTES)
  header.writeInt32LE(ifindex, LINK_IFINDEX_OFFSET)
  const answer = askRtnetlink(RTM_GETLINK, header, RTM_NEWLINK)
  const master = answer && findAttribute(answer.subarray(LINK_HEADER_BYTES), IFLA_MASTER)
  return master?.readUInt32LE(0) ?? 0
}
