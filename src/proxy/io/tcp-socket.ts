// A non-blocking TCP socket on the event loop, edge-triggered: one epoll_ctl in its life.
import type { EventLoop, FdHandler } from './event-loop.ts'
import type { Socket, SocketHandler } from './types.ts'
import { ADDRESS_BYTES } from '../../lib/address.ts'
import { ByteQueue, NO_BYTES } from './byte-queue.ts'
import { MAX_READ_BYTES } from './limits.ts'
import { decodeAddress, decodePort, readLocalEnd } from './sockaddr.ts'
import {
  addressOf,
  close,
  EAGAIN,
  EINTR,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLPRI,
  EPOLLRDHUP,
  errno,
  errnoName,
  getOption,
  MSG_NOSIGNAL,
  recv,
  send,
  setLingerReset,
  SHUT_WR,
  shutdown,
  SO_ERROR,
  SOL_SOCKET,
} from './syscalls.ts'

/** After so many reads other sockets get their turn. */
const MAX_READS = 16
const SOCKET_EVENTS = EPOLLIN + EPOLLOUT + EPOLLPRI + EPOLLRDHUP + EPOLLET

// One buffer for all sockets: bytes are parsed and sent on from it before the next read.
const receiveBuffer = Buffer.allocUnsafeSlow(MAX_READ_BYTES)
const receivePointer = addressOf(receiveBuffer)
const NO_ADDRESS = new Uint8Array(ADDRESS_BYTES)

export class TcpSocket implements Socket, FdHandler {
  readonly remoteAddress: Uint8Array
  readonly remotePort: number
  isConnecting: boolean
  isEnded = false
  isShutdown = false
  isClosed = false
  readonly #loop: EventLoop
  #fd: number
  #handler: SocketHandler | null = null
  #localAddress: Uint8Array | null = null
  #localPort = 0
  #queue = NO_BYTES
  #isPaused = false
  /** The kernel may hold bytes or a FIN: an edge came that was not read to its end. */
  #isReadable = false
  /** No further edge will come for what is left: a short read does not prove that all was read. */
  #mustReadToEnd = false
  #isDeferred = false
  #isFinRequested = false
  #isHangupTold = false
  /** What broke the connection, kept until the bytes before it are read. */
  #brokenErrno = 0

  /** `fd` is non-blocking and already connecting or connected; -1 with `errnoAtBirth` makes a stillborn one. */
  constructor(loop: EventLoop, fd: number, address: Uint8Array, port: number, isConnecting: boolean) {
    this.#loop = loop
    this.#fd = fd
    this.remoteAddress = address
    this.remotePort = port
    this.isConnecting = isConnecting
  }

  /** Enter the event loop, or with `errnoSoFar` report that failure in a later turn. */
  open(errnoSoFar: number): void {
    let code = errnoSoFar
    if (code === 0 && !this.#loop.add(this.#fd, SOCKET_EVENTS, this)) code = errno()
    if (code === 0) return
    this.#brokenErrno = code
    this.isEnded = true // nothing to read: the error is due at once
    this.#defer()
  }

  /** For questions to the kernel that are not asked here. -1 when closed or never opened. */
  get fd(): number {
    return this.#fd
  }

  get localAddress(): Uint8Array {
    return this.#readLocalEnd()
  }

  get localPort(): number {
    this.#readLocalEnd()
    return this.#localPort
  }

  get queuedBytes(): number {
    return this.#queue.length
  }

  setHandler(handler: SocketHandler): void {
    this.#handler = handler
  }

  write(buffer: Uint8Array, start: number, end: number): boolean {
    const queue = this.#queue
    if (start >= end || this.isClosed || this.#isFinRequested || this.#brokenErrno !== 0) {
      return queue.length === 0
    }
    if (this.isConnecting || queue.length > 0) {
      this.#enqueue(buffer, start, end)
      return false
    }
    const pointer = buffer === receiveBuffer ? receivePointer : addressOf(buffer)
    const sent = this.#send(pointer + start, end - start)
    if (sent < 0 || sent === end - start) return true
    this.#enqueue(buffer, start + sent, end)
    return false
  }

  #enqueue(buffer: Uint8Array, start: number, end: number): void {
    if (this.#queue === NO_BYTES) this.#queue = new ByteQueue()
    this.#queue.append(buffer, start, end)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    // Not at once: the caller may be working on the receive buffer.
    if (this.#isReadable && !this.isClosed) this.#defer()
  }

  shutdown(): void {
    if (this.#isFinRequested || this.isClosed) return
    this.#isFinRequested = true
    if (!this.isConnecting && this.#queue.length === 0) this.#sendFin()
  }

  abort(): void {
    if (this.isClosed) return
    if (this.#fd >= 0) setLingerReset(this.#fd)
    this.close()
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.isConnecting = false
    this.#queue.clear()
    if (this.#fd < 0) return
    this.#loop.remove(this.#fd)
    close(this.#fd)
    this.#fd = -1
  }

  onEvents(events: number): void {
    if (this.isConnecting && !this.#finishConnect(events)) return
    if ((events & EPOLLERR) !== 0) this.#break(getOption(this.#fd, SOL_SOCKET, SO_ERROR))
    if ((events & EPOLLOUT) !== 0 && this.#queue.length > 0) this.#flush()
    if (this.isClosed || (events & ~EPOLLOUT) === 0) return
    this.#isReadable = true
    if ((events & ~(EPOLLIN | EPOLLOUT)) !== 0) this.#mustReadToEnd = true
    this.#readIfAllowed()
  }

  onDeferred(): void {
    this.#isDeferred = false
    if (!this.isClosed) this.#readIfAllowed()
  }

  /** Returns false when the socket is not connected (yet). */
  #finishConnect(events: number): boolean {
    if ((events & (EPOLLERR | EPOLLHUP)) !== 0) {
      const code = getOption(this.#fd, SOL_SOCKET, SO_ERROR)
      // Without an error the peer has connected, sent and closed already: go on and read.
      if (code > 0) {
        this.#fail(code)
        return false
      }
    } else if ((events & EPOLLOUT) === 0) {
      return false
    }
    this.isConnecting = false
    this.#handler?.onConnect()
    if (this.isClosed) return false
    if (this.#isFinRequested && this.#queue.length === 0) this.#sendFin()
    return true
  }

  #readIfAllowed(): void {
    if (this.#brokenErrno !== 0 && this.isEnded) {
      this.#fail(this.#brokenErrno)
    } else if (!this.#isPaused) {
      if (this.#isReadable) this.#read()
    } else if (this.#brokenErrno !== 0 && !this.#isHangupTold) {
      this.#isHangupTold = true
      this.#handler?.onHangup()
    }
  }

  #read(): void {
    if (this.isEnded) {
      this.#isReadable = false
      return
    }
    for (let i = 0; i < MAX_READS; i++) {
      const bytes = recv(this.#fd, receivePointer, MAX_READ_BYTES, 0)
      if (bytes <= 0) {
        if (bytes < 0 && errno() === EINTR) continue
        return this.#finishReading(bytes < 0 ? errno() : 0)
      }
      if (bytes < MAX_READ_BYTES && !this.#mustReadToEnd) this.#isReadable = false
      this.#handler?.onData(receiveBuffer, 0, bytes)
      if (this.isClosed || this.#isPaused || !this.#isReadable) return
    }
    this.#defer()
  }

  /** `code` is 0 for FIN. */
  #finishReading(code: number): void {
    if (code === EAGAIN) {
      this.#isReadable = false
      return
    }
    // The first call after a reset gets its error, later ones see FIN: prefer what was seen first.
    const broken = this.#brokenErrno !== 0 ? this.#brokenErrno : code
    if (broken !== 0) return this.#fail(broken)
    this.#isReadable = false
    this.isEnded = true
    this.#handler?.onEnd()
  }

  #flush(): void {
    const queue = this.#queue
    const sent = this.#send(addressOf(queue.buffer) + queue.start, queue.length)
    if (sent < 0) return
    queue.consume(sent)
    if (queue.length > 0) return
    this.#queue = NO_BYTES
    if (this.#isFinRequested) this.#sendFin()
    this.#handler?.onDrain()
  }

  /** Returns the bytes that the kernel took; -1 when the connection is broken. */
  #send(pointer: number, length: number): number {
    for (;;) {
      const sent = send(this.#fd, pointer, length, MSG_NOSIGNAL)
      if (sent >= 0) return sent
      const code = errno()
      if (code === EAGAIN) return 0
      if (code === EINTR) continue
      this.#break(code)
      return -1
    }
  }

  #sendFin(): void {
    this.isShutdown = true
    // Fails only on a broken connection, which reading tells.
    shutdown(this.#fd, SHUT_WR)
  }

  /** Nothing can be sent any more, but bytes that came before the break can still be read. */
  #break(code: number): void {
    // 0: another call has consumed the error and is dealing with it.
    if (code <= 0 || this.#brokenErrno !== 0) return
    this.#brokenErrno = code
    this.#queue.clear()
    this.#isReadable = true
    this.#mustReadToEnd = true
    this.#defer()
  }

  #fail(code: number): void {
    this.close()
    this.#handler?.onError(errnoName(code))
  }

  #defer(): void {
    if (this.#isDeferred) return
    this.#isDeferred = true
    this.#loop.defer(this)
  }

  #readLocalEnd(): Uint8Array {
    if (this.#localAddress !== null) return this.#localAddress
    if (this.#fd < 0 || !readLocalEnd(this.#fd)) return NO_ADDRESS
    this.#localPort = decodePort()
    return (this.#localAddress = decodeAddress())
  }
}
