// Sends an Ethernet frame as it is, past the IP layer of a namespace.
import { constants } from 'node:os'
import koffi from 'koffi'
import { type Namespace } from './namespace.ts'

const AF_PACKET = 17
const SOCK_RAW_CLOEXEC = 3 | 0x8_0000
const SOCKADDR_LL_BYTES = 20
const MAC_BYTES = 6

type Call = (...args: unknown[]) => number
const libc = koffi.load('libc.so.6')
const socket = libc.func('int socket(int domain, int type, int protocol)') as Call
const sendto = libc.func(
  'intptr_t sendto(int fd, const void *data, size_t bytes, int flags, const void *to, uint32_t toBytes)',
) as Call
const interfaceIndex = libc.func('uint32_t if_nametoindex(const char *name)') as Call
const close = libc.func('int close(int fd)') as Call

/** `frame` begins with the destination MAC. */
export function sendFrame(from: Namespace, device: string, frame: Buffer): void {
  from.enter(() => {
    const fd = socket(AF_PACKET, SOCK_RAW_CLOEXEC, 0)
    if (fd < 0) throw new Error(`packet socket: errno ${koffi.errno()}`)
    const to = Buffer.alloc(SOCKADDR_LL_BYTES)
    to.writeUInt16LE(AF_PACKET, 0)
    frame.copy(to, 2, 2 * MAC_BYTES, 2 * MAC_BYTES + 2)
    to.writeInt32LE(interfaceIndex(device), 4)
    const sent = sendto(fd, frame, frame.length, 0, to, to.length)
    const errno = koffi.errno()
    close(fd)
    // ENOBUFS is what a drop at the egress hook of the device looks like.
    if (sent !== frame.length && errno !== constants.errno.ENOBUFS)
      throw new Error(`send a frame to ${device}: errno ${errno}`)
  })
}

/** The same frame with an 802.1Q tag. */
export function tagged(frame: Buffer, vlan: number): Buffer {
  const tag = Buffer.alloc(4)
  tag.writeUInt16BE(0x8100, 0)
  tag.writeUInt16BE(vlan, 2)
  return Buffer.concat([frame.subarray(0, 2 * MAC_BYTES), tag, frame.subarray(2 * MAC_BYTES)])
}
