// A listening TCP socket: makes it, accepts from it, survives running out of descriptors.
import type { EventLoop, FdHandler } from './event-loop.ts'
import type { ListenerCounters, ListeningSocket, ListenOptions, Socket } from './types.ts'
import { formatAddress } from '../../lib/address.ts'
import { WeirError, type ErrorCode } from '../../lib/errors.ts'
import {
  decodeAddress,
  decodePort,
  encodeSockaddr,
  familyOf,
  prepareSockaddr,
  readLocalEnd,
  sockaddrPointer,
  socklenPointer,
} from './sockaddr.ts'
import { TcpSocket } from './tcp-socket.ts'
import * as sys from './syscalls.ts'

const BACKLOG = 4096
/** After so many accepts other sockets get their turn. */
const MAX_ACCEPTS = 64
/** No edge comes again for connections that could not be accepted for want of descriptors: look again. */
const ACCEPT_RETRY_MS = 100

export class TcpListener implements ListeningSocket, FdHandler {
  readonly fd: number
  readonly address: Uint8Array
  readonly port: number
  readonly counters: ListenerCounters = { accepted: 0, acceptExhausted: 0, acceptFailed: 0 }
  readonly #loop: EventLoop
  readonly #onAccept: (socket: Socket) => void
  #isClosed = false
  #isDeferred = false
  #retry: NodeJS.Timeout | null = null

  /** @throws WeirError CONFIG_INVALID, NOT_PRIVILEGED, KERNEL_CALL_FAILED */
  constructor(loop: EventLoop, options: ListenOptions, onAccept: (socket: Socket) => void) {
    this.#loop = loop
    this.#onAccept = onAccept
    this.fd = openListener(options)
    if (!readLocalEnd(this.fd) || !loop.add(this.fd, sys.EPOLLIN + sys.EPOLLET, this)) {
      const error = failure('getsockname or epoll_ctl', options)
      sys.close(this.fd)
      throw error
    }
    readLocalEnd(this.fd)
    this.address = decodeAddress()
    this.port = decodePort()
  }

  close(): void {
    if (this.#isClosed) return
    // The kernel resets connections that it completed and nobody accepted.
    while (this.#acceptOne()) continue
    this.#isClosed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#loop.remove(this.fd)
    sys.close(this.fd)
  }

  onEvents(): void {
    for (let i = 0; i < MAX_ACCEPTS; i++) {
      if (!this.#acceptOne()) return
    }
    this.#defer()
  }

  onDeferred(): void {
    this.#isDeferred = false
    this.onEvents()
  }

  /** Returns false when there is nothing to accept for now. */
  #acceptOne(): boolean {
    if (this.#isClosed) return false
    prepareSockaddr()
    const fd = sys.accept4(this.fd, sockaddrPointer, socklenPointer, sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC)
    if (fd < 0) return this.#survives(sys.errno())
    this.counters.accepted++
    const socket = new TcpSocket(this.#loop, fd, decodeAddress(), decodePort(), false)
    socket.open(0)
    try {
      this.#onAccept(socket)
    } catch (error) {
      socket.abort() // nobody owns it
      this.#defer() // those behind it get no edge of their own
      throw error
    }
    return true
  }

  #defer(): void {
    if (this.#isDeferred || this.#isClosed) return
    this.#isDeferred = true
    this.#loop.defer(this)
  }

  /** Returns true when the next accept may succeed at once. */
  #survives(code: number): boolean {
    if (code === sys.EAGAIN) return false
    if (code === sys.EMFILE || code === sys.ENFILE || code === sys.ENOBUFS || code === sys.ENOMEM) {
      this.counters.acceptExhausted++
      this.#retry ??= setTimeout(() => {
        this.#retry = null
        this.onEvents()
      }, ACCEPT_RETRY_MS)
      return false
    }
    // accept(2): errors of the connection come here too, and the next one may be well.
    if (code !== sys.EINTR) this.counters.acceptFailed++
    return true
  }
}

function openListener(options: ListenOptions): number {
  const isIPv6 = familyOf(options.address) === sys.AF_INET6
  const type = sys.SOCK_STREAM | sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC
  const fd = sys.socket(isIPv6 ? sys.AF_INET6 : sys.AF_INET, type, 0)
  if (fd < 0) throw failure('socket', options)
  const set = (name: string, level: number, option: number, value: number): void => {
    if (sys.setOption(fd, level, option, value) < 0) throw failure(`setsockopt ${name}`, options)
  }
  try {
    set('SO_REUSEADDR', sys.SOL_SOCKET, sys.SO_REUSEADDR, 1)
    if (options.isShared) set('SO_REUSEPORT', sys.SOL_SOCKET, sys.SO_REUSEPORT, 1)
    if (isIPv6) set('IPV6_V6ONLY', sys.SOL_IPV6, sys.IPV6_V6ONLY, 1)
    if (options.isTransparent && isIPv6) set('IPV6_TRANSPARENT', sys.SOL_IPV6, sys.IPV6_TRANSPARENT, 1)
    if (options.isTransparent && !isIPv6) set('IP_TRANSPARENT', sys.SOL_IP, sys.IP_TRANSPARENT, 1)
    // Accepted sockets inherit the rest; before listen, or the first ones would not.
    if (options.mark !== 0) set('SO_MARK', sys.SOL_SOCKET, sys.SO_MARK, options.mark)
    set('TCP_NODELAY', sys.IPPROTO_TCP, sys.TCP_NODELAY, 1)
    // The one thing that ends a connection whose peer vanished: idle ones have no deadline.
    set('SO_KEEPALIVE', sys.SOL_SOCKET, sys.SO_KEEPALIVE, 1)
    const length = encodeSockaddr(options.address, options.port)
    if (sys.bind(fd, sockaddrPointer, length) < 0) throw failure('bind', options)
    if (sys.listen(fd, BACKLOG) < 0) throw failure('listen', options)
    return fd
  } catch (error) {
    sys.close(fd)
    throw error
  }
}

function failure(call: string, options: ListenOptions): WeirError {
  const code = sys.errno()
  const at = `${formatAddress(options.address)} port ${options.port}`
  let kind: ErrorCode = 'KERNEL_CALL_FAILED'
  let mend = 'see the manual page of the call'
  if (code === sys.EPERM || code === sys.EACCES) {
    kind = 'NOT_PRIVILEGED'
    mend = 'run as root or with CAP_NET_ADMIN'
  } else if (code === sys.EADDRINUSE || code === sys.EADDRNOTAVAIL) {
    kind = 'CONFIG_INVALID'
    mend = 'choose another address or port'
  }
  return new WeirError(kind, `listen on ${at}: ${call} failed with ${sys.errnoName(code)}`, { mend })
}
