// Which device, if any, a network device is a port of: asked by one rtnetlink message, cheap enough for every look.
// /sys/class/net would show the network namespace that /sys was mounted in, which need not be ours.
import koffi from 'koffi'
import { kernelError } from './libbpf.ts'

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0x8_0000
const NETLINK_ROUTE = 0
const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const NLM_F_REQUEST = 1
const NETLINK_HEADER_BYTES = 16
const LINK_HEADER_BYTES = 16
const ATTRIBUTE_HEADER_BYTES = 4
const ATTRIBUTE_TYPE_MASK = 0x3fff
const IFLA_MASTER = 10
/** A link's statistics and options of all families fit. */
const ANSWER_BYTES = 32_768

type Call = (...args: unknown[]) => number

function declare(): Record<'socket' | 'send' | 'recv' | 'close', Call> {
  const libc = koffi.load(null)
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)') as Call,
    send: libc.func('intptr_t send(int fd, const void *data, size_t size, int flags)') as Call,
    recv: libc.func('intptr_t recv(int fd, _Out_ uint8_t *data, size_t size, int flags)') as Call,
    close: libc.func('int close(int fd)') as Call,
  }
}

let declared: ReturnType<typeof declare> | undefined

/** @returns interface index of the bridge (bond, team, ...); 0 = none. @throws WeirError KERNEL_CALL_FAILED */
export function masterOf(ifindex: number): number {
  declared ??= declare()
  const fd = declared.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE)
  if (fd < 0) throw kernelError('open rtnetlink', koffi.errno())
  try {
    const request = linkRequest(ifindex)
    if (declared.send(fd, request, request.length, 0) < 0) throw kernelError('ask rtnetlink', koffi.errno())
    const answer = Buffer.alloc(ANSWER_BYTES)
    const bytes = declared.recv(fd, answer, answer.length, 0)
    if (bytes < 0) throw kernelError('read rtnetlink', koffi.errno())
    return readMaster(answer.subarray(0, bytes))
  } finally {
    declared.close(fd)
  }
}

function linkRequest(ifindex: number): Buffer {
  const request = Buffer.alloc(NETLINK_HEADER_BYTES + LINK_HEADER_BYTES)
  request.writeUInt32LE(request.length, 0)
  request.writeUInt16LE(RTM_GETLINK, 4)
  request.writeUInt16LE(NLM_F_REQUEST, 6)
  request.writeInt32LE(ifindex, NETLINK_HEADER_BYTES + 4)
  return request
}

/** An error answer (the device is gone) has no master either. */
function readMaster(answer: Buffer): number {
  if (answer.length < NETLINK_HEADER_BYTES || answer.readUInt16LE(4) !== RTM_NEWLINK) return 0
  let offset = NETLINK_HEADER_BYTES + LINK_HEADER_BYTES
  while (offset + ATTRIBUTE_HEADER_BYTES <= answer.length) {
    const bytes = answer.readUInt16LE(offset)
    if (bytes < ATTRIBUTE_HEADER_BYTES) return 0
    if ((answer.readUInt16LE(offset + 2) & ATTRIBUTE_TYPE_MASK) === IFLA_MASTER)
      return answer.readUInt32LE(offset + ATTRIBUTE_HEADER_BYTES)
    offset += (bytes + 3) & ~3
  }
  return 0
}
