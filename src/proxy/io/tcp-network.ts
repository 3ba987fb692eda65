// The kernel's TCP behind the `Network` interface.
import type { DialOptions, ListeningSocket, ListenOptions, Network, Socket } from './types.ts'
import { EventLoop } from './event-loop.ts'
import { encodeSockaddr, familyOf, sockaddrPointer } from './sockaddr.ts'
import { TcpListener } from './tcp-listener.ts'
import { TcpSocket } from './tcp-socket.ts'
import * as sys from './syscalls.ts'

/** One per process. Keeps the process alive until `close`. */
export class TcpNetwork implements Network {
  readonly clock: EventLoop

  /** @throws WeirError KERNEL_UNSUPPORTED, KERNEL_CALL_FAILED */
  constructor() {
    this.clock = new EventLoop()
    this.clock.start()
  }

  listen(options: ListenOptions, onAccept: (socket: Socket) => void): ListeningSocket {
    return new TcpListener(this.clock, options, onAccept)
  }

  dial(options: DialOptions): Socket {
    const family = familyOf(options.destination)
    const fd = sys.socket(family, sys.SOCK_STREAM | sys.SOCK_NONBLOCK | sys.SOCK_CLOEXEC, 0)
    const code = fd < 0 ? sys.errno() : connect(fd, family, options)
    const socket = new TcpSocket(this.clock, fd, options.destination, options.destinationPort, true)
    socket.open(code)
    return socket
  }

  onTick(tick: (nowMs: number) => void): () => void {
    return this.clock.onTick(tick)
  }

  /** Stop the event loop. Sockets still open are of no more use; close them before. */
  close(): void {
    this.clock.close()
  }
}

/** Returns 0 when the connection is under way, else the errno. */
function connect(fd: number, family: number, options: DialOptions): number {
  const set = (level: number, option: number, value: number): boolean =>
    sys.setOption(fd, level, option, value) === 0
  if (!set(sys.IPPROTO_TCP, sys.TCP_NODELAY, 1) || !set(sys.SOL_SOCKET, sys.SO_KEEPALIVE, 1))
    return sys.errno()
  if (options.mark !== 0 && !set(sys.SOL_SOCKET, sys.SO_MARK, options.mark)) return sys.errno()
  if (options.isTransparent) {
    const isAllowed =
      family === sys.AF_INET6
        ? set(sys.SOL_IPV6, sys.IPV6_TRANSPARENT, 1)
        : set(sys.SOL_IP, sys.IP_TRANSPARENT, 1)
    if (!isAllowed) return sys.errno()
  }
  if (options.source !== null) {
    if (familyOf(options.source) !== family) return sys.EADDRNOTAVAIL
    // Leaves the port to connect, which can share it between destinations. SOL_IP for IPv6 sockets too.
    if (!set(sys.SOL_IP, sys.IP_BIND_ADDRESS_NO_PORT, 1)) return sys.errno()
    const sourceLength = encodeSockaddr(options.source, 0)
    if (sys.bind(fd, sockaddrPointer, sourceLength) < 0) return sys.errno()
  }
  const length = encodeSockaddr(options.destination, options.destinationPort)
  if (sys.connect(fd, sockaddrPointer, length) === 0) return 0
  const code = sys.errno()
  return code === sys.EINPROGRESS ? 0 : code
}
