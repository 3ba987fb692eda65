// libc through koffi. Pointers are plain numbers taken once: cheaper per call than passing Buffers.
// Every call returns what libc returns; `errno()` must be read before any other call is made.
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

const libc = koffi.load(null)

type Call<Arguments extends number[]> = (...args: Arguments) => number

export const socket = libc.func('int socket(int, int, int)') as Call<[number, number, number]>
export const bind = libc.func('int bind(int, uintptr_t, uint32_t)') as Call<[number, number, number]>
export const listen = libc.func('int listen(int, int)') as Call<[number, number]>
export const connect = libc.func('int connect(int, uintptr_t, uint32_t)') as Call<[number, number, number]>
export const accept4 = libc.func('int accept4(int, uintptr_t, uintptr_t, int)') as Call<
  [number, number, number, number]
>
/** Lengths stay below 2^31, so that the result fits although libc declares ssize_t. */
export const recv = libc.func('int recv(int, uintptr_t, size_t, int)') as Call<
  [number, number, number, number]
>
export const send = libc.func('int send(int, uintptr_t, size_t, int)') as Call<
  [number, number, number, number]
>
export const shutdown = libc.func('int shutdown(int, int)') as Call<[number, number]>
export const close = libc.func('int close(int)') as Call<[number]>
export const getsockname = libc.func('int getsockname(int, uintptr_t, uintptr_t)') as Call<
  [number, number, number]
>
export const epollCreate = libc.func('int epoll_create1(int)') as Call<[number]>
export const epollCtl = libc.func('int epoll_ctl(int, int, int, uintptr_t)') as Call<
  [number, number, number, number]
>
export const epollWait = libc.func('int epoll_wait(int, uintptr_t, int, int)') as Call<
  [number, number, number, number]
>
const setsockoptRaw = libc.func('int setsockopt(int, int, int, uintptr_t, uint32_t)') as Call<
  [number, number, number, number, number]
>
const getsockoptRaw = libc.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as Call<
  [number, number, number, number, number]
>

/** Address of the first byte. The caller keeps the buffer referenced while the number is in use. */
export function addressOf(buffer: Uint8Array): number {
  return Number(koffi.address(buffer)) // exact: user space ends below 2^53
}

/** errno of the call just made. */
export function errno(): number {
  return koffi.errno()
}

/** `ECONNRESET` for 104. */
export function errnoName(code: number): string {
  return getSystemErrorName(-code)
}

const option = new Int32Array(Buffer.allocUnsafeSlow(16).buffer)
const optionAddress = addressOf(Buffer.from(option.buffer))

/** setsockopt with an int. Returns 0 or -1. */
export function setOption(fd: number, level: number, name: number, value: number): number {
  option[0] = value
  return setsockoptRaw(fd, level, name, optionAddress, 4)
}

/** getsockopt of an int. Returns the value, or -1 (no option used here has negative values). */
export function getOption(fd: number, level: number, name: number): number {
  option[1] = 4
  return getsockoptRaw(fd, level, name, optionAddress, optionAddress + 4) < 0 ? -1 : (option[0] ?? -1)
}

/** SO_LINGER {1, 0}: the next close sends RST. */
export function setLingerReset(fd: number): void {
  option[0] = 1
  option[1] = 0
  setsockoptRaw(fd, SOL_SOCKET, SO_LINGER, optionAddress, 8)
}

// Linux, the same on x86-64 and arm64.
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_NONBLOCK = 0x800
export const SOCK_CLOEXEC = 0x80000
export const MSG_NOSIGNAL = 0x4000
export const SHUT_WR = 1
export const SOL_IP = 0
export const IP_TRANSPARENT = 19
export const IP_BIND_ADDRESS_NO_PORT = 24
export const SOL_IPV6 = 41
export const IPV6_V6ONLY = 26
export const IPV6_TRANSPARENT = 75
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_ERROR = 4
export const SO_KEEPALIVE = 9
export const SO_LINGER = 13
export const SO_REUSEPORT = 15
export const SO_MARK = 36
export const IPPROTO_TCP = 6
export const TCP_NODELAY = 1
export const EPOLL_CLOEXEC = 0x80000
export const EPOLL_CTL_ADD = 1
export const EPOLLIN = 0x1
export const EPOLLPRI = 0x2
export const EPOLLOUT = 0x4
export const EPOLLERR = 0x8
export const EPOLLHUP = 0x10
export const EPOLLRDHUP = 0x2000
/** 1 << 31 as the unsigned number that epoll_event holds. */
export const EPOLLET = 0x80000000
export const EPERM = 1
export const EINTR = 4
export const EAGAIN = 11
export const ENOMEM = 12
export const EACCES = 13
export const ENFILE = 23
export const EMFILE = 24
export const EADDRINUSE = 98
export const EADDRNOTAVAIL = 99
export const ENOBUFS = 105
export const EINPROGRESS = 115
