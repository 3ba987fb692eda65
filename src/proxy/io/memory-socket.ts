// The in-memory twin of a TCP connection: one end is a `Socket`, the other is driven by the test.
import type { Socket, SocketHandler } from './types.ts'
import { ByteQueue } from './byte-queue.ts'

export interface MemorySocketOptions {
  readonly remoteAddress: Uint8Array
  readonly remotePort: number
  readonly localAddress: Uint8Array
  readonly localPort: number
  readonly isConnecting: boolean
  /** Ask for `serve` to be called once, later. */
  readonly defer: (socket: MemorySocket) => void
}

type Event =
  { kind: 'data'; bytes: Buffer } | { kind: 'connect' } | { kind: 'fin' } | { kind: 'error'; errno: string }

const SCRATCH_BYTES = 64 * 1024

export class MemorySocket implements Socket {
  readonly remoteAddress: Uint8Array
  readonly remotePort: number
  readonly localAddress: Uint8Array
  readonly localPort: number
  isConnecting: boolean
  isEnded = false
  isShutdown = false
  isClosed = false
  /** The far end. */
  readonly peer: MemoryPeer
  readonly #defer: (socket: MemorySocket) => void
  readonly #queue = new ByteQueue()
  // Like the kernel's socket: one receive buffer for all reads, spoilt after each, to catch who keeps it.
  readonly #scratch = Buffer.alloc(SCRATCH_BYTES)
  #handler: SocketHandler | null = null
  #isPaused = false
  #isFinRequested = false
  #isHangupTold = false
  #isFlushDue = false
  #brokenErrno = ''

  constructor(options: MemorySocketOptions) {
    this.remoteAddress = options.remoteAddress
    this.remotePort = options.remotePort
    this.localAddress = options.localAddress
    this.localPort = options.localPort
    this.isConnecting = options.isConnecting
    this.#defer = options.defer
    this.peer = new MemoryPeer(() => this.#wake())
  }

  get queuedBytes(): number {
    return this.#queue.length
  }

  setHandler(handler: SocketHandler): void {
    this.#handler = handler
  }

  write(buffer: Uint8Array, start: number, end: number): boolean {
    const queue = this.#queue
    if (start >= end || this.isClosed || this.#isFinRequested || this.#brokenErrno !== '') {
      return queue.length === 0
    }
    const sent = this.isConnecting || queue.length > 0 ? 0 : this.peer.take(buffer.subarray(start, end))
    queue.append(buffer, start + sent, end)
    return queue.length === 0
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#wake()
  }

  shutdown(): void {
    if (this.#isFinRequested || this.isClosed) return
    this.#isFinRequested = true
    if (!this.isConnecting && this.#queue.length === 0) this.#sendFin()
  }

  abort(): void {
    if (this.isClosed) return
    this.peer.hasReset = true
    this.#release()
  }

  close(): void {
    if (this.isClosed) return
    // As the kernel does: a close with unread bytes resets.
    if (this.peer.unreadBytes > 0) this.peer.hasReset = true
    else this.peer.hasFin = true
    this.#release()
  }

  /** Deliver what is due: at most one read, like one entry of a batch of events. */
  serve(): void {
    if (this.isClosed) return
    if (this.#isFlushDue) this.#flush()
    this.#serveEvent()
  }

  #serveEvent(): void {
    const event = this.peer.events[0]
    if (event === undefined) return
    if (event.kind === 'error' && this.#brokenErrno === '') this.#break(event.errno)
    if (event.kind === 'connect') return this.#connected()
    if (this.#isPaused && !this.isConnecting) return this.#tellHangup()
    this.peer.events.shift()
    if (event.kind === 'data') this.#deliver(event.bytes)
    else if (event.kind === 'fin') this.#deliverFin()
    else this.#fail(event.errno)
    if (this.peer.events.length > 0) this.#wake()
  }

  #connected(): void {
    this.peer.events.shift()
    this.isConnecting = false
    this.#handler?.onConnect()
    if (this.isClosed) return
    if (this.#isFinRequested && this.#queue.length === 0) this.#sendFin()
    this.#isFlushDue = true
    this.#wake()
  }

  #deliver(bytes: Buffer): void {
    bytes.copy(this.#scratch)
    try {
      this.#handler?.onData(this.#scratch, 0, bytes.length)
    } finally {
      this.#scratch.fill(0xaa, 0, bytes.length)
    }
  }

  #deliverFin(): void {
    this.isEnded = true
    this.#handler?.onEnd()
  }

  #flush(): void {
    this.#isFlushDue = false
    const queue = this.#queue
    if (this.isConnecting || queue.length === 0) return
    queue.consume(this.peer.take(queue.buffer.subarray(queue.start, queue.end)))
    if (queue.length > 0) return
    if (this.#isFinRequested) this.#sendFin()
    this.#handler?.onDrain()
  }

  #sendFin(): void {
    this.isShutdown = true
    this.peer.hasFin = true
  }

  #break(errno: string): void {
    this.#brokenErrno = errno
    this.#queue.clear()
  }

  /** Only once a reset was seen behind the bytes that wait. */
  #tellHangup(): void {
    const error = this.peer.events.find((event) => event.kind === 'error')
    if (error === undefined || this.#isHangupTold) return
    if (this.#brokenErrno === '') this.#break(error.errno)
    // After FIN nothing is left to read: the error is due at once, as on the kernel's socket.
    if (this.isEnded) return this.#fail(error.errno)
    this.#isHangupTold = true
    this.#handler?.onHangup()
  }

  #fail(errno: string): void {
    this.#release()
    this.#handler?.onError(errno)
  }

  #release(): void {
    this.isClosed = true
    this.isConnecting = false
    this.#queue.clear()
    this.peer.events.length = 0
  }

  #wake(): void {
    if (this.isClosed) return
    this.#isFlushDue = true
    this.#defer(this)
  }
}

/** The far end of a `MemorySocket`. Everything it does arrives in order when the network runs. */
export class MemoryPeer {
  /** Bytes of ours that still fit into "the kernel"; grows by `read`, shrinks by what is sent. */
  window = Number.POSITIVE_INFINITY
  hasFin = false
  hasReset = false
  readonly events: Event[] = []
  readonly #wake: () => void
  #received: Buffer[] = []

  constructor(wake: () => void) {
    this.#wake = wake
  }

  /** Bytes sent here that the socket has not read. */
  get unreadBytes(): number {
    let bytes = 0
    for (const event of this.events) if (event.kind === 'data') bytes += event.bytes.length
    return bytes
  }

  /** All bytes that arrived since the last `read`. */
  get received(): Buffer {
    return Buffer.concat(this.#received)
  }

  /** Send in reads of at most `chunkBytes`. */
  send(data: Uint8Array | string, chunkBytes = SCRATCH_BYTES): void {
    const bytes = Buffer.from(data)
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      this.#push({ kind: 'data', bytes: bytes.subarray(at, Math.min(at + chunkBytes, bytes.length)) })
    }
  }

  end(): void {
    this.#push({ kind: 'fin' })
  }

  /** Break the connection (or refuse it) behind everything sent before. */
  reset(errno = 'ECONNRESET'): void {
    this.#push({ kind: 'error', errno })
  }

  /** Let a dial succeed. */
  accept(): void {
    this.#push({ kind: 'connect' })
  }

  /** Take everything that arrived and open the window by `windowBytes`. */
  read(windowBytes = 0): Buffer {
    const received = this.received
    this.#received = []
    this.window += windowBytes
    this.#wake()
    return received
  }

  /** For the socket: hand over what fits. Returns how many bytes did. */
  take(bytes: Uint8Array): number {
    const taken = Math.min(bytes.length, this.window)
    if (taken > 0) this.#received.push(Buffer.from(bytes.subarray(0, taken)))
    this.window -= taken
    return taken
  }

  #push(event: Event): void {
    this.events.push(event)
    this.#wake()
  }
}
