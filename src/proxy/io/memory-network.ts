// The in-memory twin of `TcpNetwork`: a manual clock, and nothing happens until `run`.
import type {
  DialOptions,
  ListenerCounters,
  ListeningSocket,
  ListenOptions,
  Network,
  Socket,
} from './types.ts'
import { parseAddress } from '../../lib/address.ts'
import { WeirError } from '../../lib/errors.ts'
import { MemorySocket } from './memory-socket.ts'

const FIRST_EPHEMERAL_PORT = 40_000

export interface MemoryDial {
  readonly options: DialOptions
  readonly socket: MemorySocket
}

export class MemoryNetwork implements Network {
  readonly clock = { nowMs: 0 }
  /** Every dial so far, in order; `socket.peer` is the server. */
  readonly dials: MemoryDial[] = []
  readonly #listeners = new Map<number, MemoryListener>()
  readonly #ticks = new Set<(nowMs: number) => void>()
  #due: MemorySocket[] = []
  #nextPort = FIRST_EPHEMERAL_PORT

  listen(options: ListenOptions, onAccept: (socket: Socket) => void): ListeningSocket {
    const port = options.port === 0 ? this.#nextPort++ : options.port
    if (this.#listeners.has(port)) throw new WeirError('CONFIG_INVALID', `listen on port ${port}: in use`)
    const listener = new MemoryListener(options.address, port, onAccept, () => this.#listeners.delete(port))
    this.#listeners.set(port, listener)
    return listener
  }

  dial(options: DialOptions): MemorySocket {
    const socket = this.socket({
      remoteAddress: options.destination,
      remotePort: options.destinationPort,
      localAddress: options.source ?? parseAddress('127.0.0.1'),
      localPort: this.#nextPort++,
      isConnecting: true,
    })
    this.dials.push({ options, socket })
    return socket
  }

  /** A socket outside any listener or dial. */
  socket(ends: Omit<ConstructorParameters<typeof MemorySocket>[0], 'defer'>): MemorySocket {
    return new MemorySocket({ ...ends, defer: (socket) => this.#due.push(socket) })
  }

  /**
   * A client connects from `remote` to `local` (its original destination) and is steered to the listener on
   * `listenerPort`. Null when nothing listens there.
   */
  connect(
    listenerPort: number,
    remote: { address: Uint8Array; port: number },
    local: { address: Uint8Array; port: number },
  ): MemorySocket | null {
    const listener = this.#listeners.get(listenerPort)
    if (listener === undefined) return null
    const socket = this.socket({
      remoteAddress: remote.address,
      remotePort: remote.port,
      localAddress: local.address,
      localPort: local.port,
      isConnecting: false,
    })
    listener.accept(socket)
    return socket
  }

  onTick(tick: (nowMs: number) => void): () => void {
    this.#ticks.add(tick)
    return () => this.#ticks.delete(tick)
  }

  /** Deliver events until none is due. */
  run(): void {
    while (this.#due.length > 0) {
      const due = new Set(this.#due)
      this.#due = []
      for (const socket of due) socket.serve()
    }
  }

  /** Move the clock, call the ticks, run. */
  advance(ms: number): void {
    this.clock.nowMs += ms
    for (const tick of this.#ticks) tick(this.clock.nowMs)
    this.run()
  }
}

class MemoryListener implements ListeningSocket {
  readonly fd = -1
  readonly address: Uint8Array
  readonly port: number
  readonly counters: ListenerCounters = { accepted: 0, acceptExhausted: 0, acceptFailed: 0 }
  readonly #onAccept: (socket: Socket) => void
  readonly #onClose: () => void

  constructor(address: Uint8Array, port: number, onAccept: (socket: Socket) => void, onClose: () => void) {
    this.address = address
    this.port = port
    this.#onAccept = onAccept
    this.#onClose = onClose
  }

  accept(socket: MemorySocket): void {
    this.counters.accepted++
    this.#onAccept(socket)
  }

  close(): void {
    this.#onClose()
  }
}
