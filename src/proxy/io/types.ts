// What everything above the socket core sees of it. tcp-*.ts implement it on the kernel, memory-*.ts in memory.

/** Monotonic time, taken once per wake of the event loop: cheap enough for every byte that passes. */
export interface Clock {
  readonly nowMs: number
}

/**
 * Events of one socket. None is called from within a call to the socket itself: `write`, `resume`, `abort`
 * and the others never re-enter the caller. After `onError`, `close` or `abort` nothing more is called.
 */
export interface SocketHandler {
  /** The dial succeeded. Not called for accepted sockets. */
  onConnect(): void
  /**
   * `buffer[start, end)` arrived, at least one byte. The buffer belongs to the core and is overwritten by the
   * next read of any socket: use or copy it before returning.
   */
  onData(buffer: Buffer, start: number, end: number): void
  /** The peer sent FIN; all its bytes came before. */
  onEnd(): void
  /** `queuedBytes` fell to 0 (and the FIN that `shutdown` asked for was sent). */
  onDrain(): void
  /**
   * The connection broke while the socket is paused, so bytes may be left to read before the error. Called
   * at most once; `onError` follows when the socket is resumed and read to its end.
   */
  onHangup(): void
  /** Connecting failed or the connection broke. The socket is closed. `errno` is a name: ECONNRESET, ... */
  onError(errno: string): void
}

/** A TCP connection. All calls on a closed socket do nothing. */
export interface Socket {
  /** Address of the peer; 16 bytes, network order, IPv4 mapped. */
  readonly remoteAddress: Uint8Array
  readonly remotePort: number
  /** On a redirected downstream this is the original destination. */
  readonly localAddress: Uint8Array
  readonly localPort: number
  /** Bytes accepted by `write` that the kernel has not taken yet. */
  readonly queuedBytes: number
  readonly isConnecting: boolean
  /** The peer's FIN was delivered by `onEnd`. */
  readonly isEnded: boolean
  /** Our FIN was sent. */
  readonly isShutdown: boolean
  readonly isClosed: boolean
  /** Must be set in the same turn in which the socket was made, before any event can come. */
  setHandler(handler: SocketHandler): void
  /**
   * Send `buffer[start, end)`, in order. What the kernel does not take at once is copied and queued without
   * bound: a caller that gets `false` must stop feeding until `onDrain`. Returns true when nothing is queued.
   * Bytes written after `shutdown`, or after the connection broke, are dropped.
   */
  write(buffer: Uint8Array, start: number, end: number): boolean
  /** Stop `onData` and `onEnd`. Takes effect at once, also from within `onData`. */
  pause(): void
  /** Go on reading, in a later turn of the loop. */
  resume(): void
  /** Send FIN after everything queued. Reading goes on. */
  shutdown(): void
  /** Reset the connection: the peer sees RST. Unsent bytes are lost. */
  abort(): void
  /**
   * Close at once. Bytes that the kernel took are still sent, followed by FIN; queued ones are lost. If the
   * peer's bytes were not all read, the kernel sends RST instead and may destroy what the peer has not read.
   */
  close(): void
}

export interface ListenOptions {
  /** Local address; 16 bytes, network order, IPv4 mapped. */
  readonly address: Uint8Array
  /** 0 = the kernel chooses. */
  readonly port: number
  /** Accept connections to addresses that are not local (needs CAP_NET_ADMIN). */
  readonly isTransparent: boolean
  /** SO_MARK of the listener, inherited by accepted sockets; 0 = none (otherwise needs CAP_NET_ADMIN). */
  readonly mark: number
  /** Share the port with other processes, which the kernel balances between. */
  readonly isShared: boolean
}

export interface DialOptions {
  /** Address to send from, port chosen by the kernel; null = the kernel chooses. 16 bytes, IPv4 mapped. */
  readonly source: Uint8Array | null
  readonly destination: Uint8Array
  readonly destinationPort: number
  /** SO_MARK; 0 = none (otherwise needs CAP_NET_ADMIN). */
  readonly mark: number
  /** Allow a `source` that is not local (needs CAP_NET_ADMIN). */
  readonly isTransparent: boolean
}

export interface ListenerCounters {
  accepted: number
  /** accept failed for want of file descriptors or memory; each waits `ACCEPT_RETRY_MS`. */
  acceptExhausted: number
  /** accept failed otherwise: the connection was gone before it was accepted. */
  acceptFailed: number
}

export interface ListeningSocket {
  /** For the listener map of the kernel half only. */
  readonly fd: number
  readonly address: Uint8Array
  readonly port: number
  readonly counters: Readonly<ListenerCounters>
  /** Accept what the kernel has completed, then stop listening. */
  close(): void
}

/** Makes sockets and calls their handlers, one at a time, in the thread of the caller. */
export interface Network {
  readonly clock: Clock
  /** @throws WeirError CONFIG_INVALID (address in use or not local), NOT_PRIVILEGED, KERNEL_CALL_FAILED */
  listen(options: ListenOptions, onAccept: (socket: Socket) => void): ListeningSocket
  /** Never throws: every failure comes as `onError` in a later turn. */
  dial(options: DialOptions): Socket
  /** Call `tick` about 50 times per second, from the loop. Returns a function that ends it. */
  onTick(tick: (nowMs: number) => void): () => void
}
