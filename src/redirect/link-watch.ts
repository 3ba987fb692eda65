// Tells when network devices or addresses of this namespace change: rtnetlink, rtnetlink(7). Without it a
// device that was made anew would stay without programs until the next poll.
import koffi from 'koffi'
import { kernelError, lastErrno } from './libbpf.ts'

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0x80000
const NETLINK_ROUTE = 0
/** RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR */
const GROUPS = 0x1 | 0x10 | 0x100
const SOL_SOCKET = 1
const SO_RCVTIMEO = 20
/** How long `close` may have to wait: a blocked recv cannot be interrupted. */
const RECEIVE_TIMEOUT_US = 100_000
const SOCKADDR_BYTES = 12
const MESSAGE_BYTES = 8192

const libc = koffi.load(null)
const socket = libc.func('int socket(int domain, int type, int protocol)')
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)')
const setOption = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
const receive = libc.func('intptr_t recv(int fd, void *buffer, size_t length, int flags)')
const close = libc.func('int close(int fd)')

export class LinkWatch {
  readonly #fd: number
  readonly #onChange: () => void
  readonly #buffer = Buffer.alloc(MESSAGE_BYTES)
  #isClosed = false

  /** `onChange` is called after each change, in a later turn. @throws WeirError KERNEL_CALL_FAILED */
  constructor(onChange: () => void) {
    this.#onChange = onChange
    this.#fd = openSocket()
    this.#wait()
  }

  /** No call of `onChange` follows. The process stays alive until the wait under way ends, 0.1 s at most. */
  close(): void {
    this.#isClosed = true
  }

  /** Blocks one thread of libuv's pool, not the loop. */
  #wait(): void {
    receive.async(this.#fd, this.#buffer, MESSAGE_BYTES, 0, (_error: unknown, bytes: number) => {
      if (this.#isClosed) {
        close(this.#fd)
        return
      }
      this.#wait()
      // What changed does not matter: everything is looked at again. Negative: nothing came in time, or
      // messages were lost (ENOBUFS), which the slower checks make good.
      if (bytes > 0) this.#onChange()
    })
  }
}

function openSocket(): number {
  const fd = socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE) as number
  if (fd < 0) throw kernelError('open rtnetlink socket', lastErrno())
  const address = Buffer.alloc(SOCKADDR_BYTES)
  address.writeUInt16LE(AF_NETLINK, 0)
  address.writeUInt32LE(GROUPS, 8)
  const timeout = Buffer.alloc(16)
  timeout.writeBigInt64LE(BigInt(RECEIVE_TIMEOUT_US), 8)
  const isReady =
    setOption(fd, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length) === 0 &&
    bind(fd, address, SOCKADDR_BYTES) === 0
  if (isReady) return fd
  const errno = lastErrno()
  close(fd)
  throw kernelError('watch devices by rtnetlink', errno)
}
