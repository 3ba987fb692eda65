// One netlink socket that listens to groups of notifications, and what has come on it.
import koffi from 'koffi'
import { constants } from 'node:os'
import { kernelError, lastErrno } from './libbpf.ts'
import { AF_NETLINK, decodeMessages, type NetlinkMessage, SOCK_RAW_CLOEXEC } from './rtnetlink.ts'

const SOL_SOCKET = 1
const SO_ATTACH_FILTER = 26
const MSG_DONTWAIT = 0x40
const SOCKADDR_BYTES = 12
/** The kernel fills at most this much of one read. */
const READ_BYTES = 32_768
const { ENOBUFS } = constants.errno

const libc = koffi.load(null)
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const setOption = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
const receive = libc.func('intptr_t recv(int fd, _Out_ uint8_t *buffer, size_t length, int flags)')
const close = libc.func('int close(int fd)')

/** An instruction of the classic BPF, bpf(4): code, jumps if true and if false, operand. */
export type FilterInstruction = readonly [code: number, isTrue: number, isFalse: number, operand: number]

export interface NotificationSocketOptions {
  /** NETLINK_ROUTE and the like. */
  readonly protocol: number
  /** Numbers of multicast groups, the first 32 alone. */
  readonly groups: readonly number[]
  /** What the kernel is to keep to itself. */
  readonly filter?: readonly FilterInstruction[]
}

export class NotificationSocket {
  readonly fd: number
  readonly #buffer = Buffer.alloc(READ_BYTES)

  /** @throws WeirError KERNEL_CALL_FAILED, e.g. when the kernel has no such protocol */
  constructor({ protocol, groups, filter }: NotificationSocketOptions) {
    this.fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol) as number
    if (this.fd < 0) throw kernelError(`open netlink socket of protocol ${protocol}`, lastErrno())
    const address = Buffer.alloc(SOCKADDR_BYTES)
    address.writeUInt16LE(AF_NETLINK, 0)
    address.writeUInt32LE(
      groups.reduce((mask, group) => (mask | (1 << (group - 1))) >>> 0, 0),
      8,
    )
    // The filter first: nothing that it would have kept back is in the queue then.
    if (filter === undefined || attachFilter(this.fd, filter)) {
      if (bind(this.fd, address, SOCKADDR_BYTES) === 0) return
    }
    const errno = lastErrno()
    close(this.fd)
    throw kernelError(`listen to netlink protocol ${protocol}`, errno)
  }

  /** All that has come, without waiting. `isLossy`: more came than the kernel could keep. */
  read(): { readonly messages: readonly NetlinkMessage[]; readonly isLossy: boolean } {
    const messages: NetlinkMessage[] = []
    let isLossy = false
    for (;;) {
      const bytes = receive(this.fd, this.#buffer, READ_BYTES, MSG_DONTWAIT) as number
      // What follows a loss may still be read.
      if (bytes < 0 && lastErrno() === ENOBUFS) isLossy = true
      else if (bytes <= 0) return { messages, isLossy }
      else messages.push(...decodeMessages(Buffer.from(this.#buffer.subarray(0, bytes))))
    }
  }

  close(): void {
    close(this.fd)
  }
}

/** struct sock_fprog: how many, and where. */
function attachFilter(fd: number, filter: readonly FilterInstruction[]): boolean {
  const program = Buffer.alloc(filter.length * 8)
  for (const [i, [code, isTrue, isFalse, operand]] of filter.entries()) {
    program.writeUInt16LE(code, i * 8)
    program.writeUInt8(isTrue, i * 8 + 2)
    program.writeUInt8(isFalse, i * 8 + 3)
    program.writeUInt32LE(operand, i * 8 + 4)
  }
  const header = Buffer.alloc(16)
  header.writeUInt16LE(filter.length, 0)
  header.writeBigUInt64LE(koffi.address(program), 8)
  return setOption(fd, SOL_SOCKET, SO_ATTACH_FILTER, header, header.length) === 0
}
