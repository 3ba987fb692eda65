// Accepts redirected connections, asks what to do with each, and keeps the relays that live.
import type { ListeningSocket, ListenOptions, Network, Socket } from './io/types.ts'
import {
  count,
  createConnectionCounters,
  type REFUSAL_REASONS,
  type ConnectionCounters,
  type ConnectionDecision,
  type ConnectionResolver,
  type RelayDecision,
} from './connection.ts'
import { LiveList } from './live-list.ts'
import { openRelay, type CloseReason, type Relay } from './relay.ts'
import { RELAY_LIMITS, type RelayLimits } from './relay-limits.ts'
import { TimerWheel } from './timer-wheel.ts'

export interface ProxyListenerOptions {
  readonly network: Network
  /** One socket each: usually 127.0.0.1 and ::1. */
  readonly listen: readonly ListenOptions[]
  readonly resolve: ConnectionResolver
  readonly limits?: RelayLimits
}

export class ProxyListener {
  readonly counters: ConnectionCounters = createConnectionCounters()
  /** In the order of `options.listen`; their `fd` goes into the listener map. */
  readonly sockets: readonly ListeningSocket[]
  readonly #network: Network
  readonly #resolve: ConnectionResolver
  readonly #limits: RelayLimits
  readonly #wheel: TimerWheel
  readonly #endTicks: () => void
  readonly #relays = new LiveList<Relay>()
  #onIdle: (() => void) | null = null

  /** Accepts from now on. @throws WeirError as `Network.listen`; then nothing is left open. */
  constructor(options: ProxyListenerOptions) {
    this.#network = options.network
    this.#resolve = options.resolve
    this.#limits = options.limits ?? RELAY_LIMITS
    this.#wheel = new TimerWheel(options.network.clock.nowMs)
    this.sockets = this.#listen(options.listen)
    this.#endTicks = options.network.onTick((nowMs) => this.#wheel.advance(nowMs))
  }

  /** The relays that live. `abort` of any of them while iterating is allowed. */
  get relays(): Pick<LiveList<Relay>, 'size' | typeof Symbol.iterator> {
    return this.#relays
  }

  /** Close the listening sockets. Relays live on. */
  stopAccepting(): void {
    for (const socket of this.sockets) socket.close()
  }

  /** Stop accepting, let relays end by themselves for `graceMs`, then reset the rest. */
  async stop(graceMs = 0): Promise<void> {
    this.stopAccepting()
    if (graceMs > 0 && this.#relays.size > 0) await this.#idle(graceMs)
    for (const relay of this.#relays) relay.abort('SHUTDOWN')
    this.#endTicks()
  }

  #listen(all: readonly ListenOptions[]): ListeningSocket[] {
    const sockets: ListeningSocket[] = []
    try {
      for (const options of all) {
        const listening: ListeningSocket = this.#network.listen(options, (downstream) =>
          this.#accept(listening, options.isTransparent, downstream),
        )
        sockets.push(listening)
      }
      return sockets
    } catch (error) {
      for (const socket of sockets) socket.close()
      throw error
    }
  }

  #accept(listening: ListeningSocket, isTransparent: boolean, downstream: Socket): void {
    this.counters.total++
    if (isTransparent && isSameEnd(listening, downstream)) return this.#refuse(downstream, 'NOT_REDIRECTED')
    let decision: ConnectionDecision
    try {
      decision = this.#resolve({
        peerAddress: downstream.remoteAddress,
        peerPort: downstream.remotePort,
        localAddress: downstream.localAddress,
        localPort: downstream.localPort,
      })
    } catch {
      return this.#refuse(downstream, 'RESOLVER_FAILED')
    }
    if ('close' in decision) return this.#refuse(downstream, decision.close)
    this.#open(downstream, decision)
  }

  #open(downstream: Socket, decision: RelayDecision): void {
    const upstream = this.#network.dial(decision.dial)
    // The relay lives as long as its connection: it must not hold the whole decision.
    const { onClosed } = decision
    let relay: Relay
    try {
      relay = openRelay({
        downstream,
        upstream,
        parser: decision.parser,
        clock: this.#network.clock,
        wheel: this.#wheel,
        limits: this.#limits,
        onClosed: (closed, reason, detail) => {
          this.#forget(closed, reason, detail)
          onClosed?.(closed, reason, detail)
        },
      })
    } catch {
      upstream.abort()
      return this.#refuse(downstream, 'RELAY_FAILED')
    }
    this.#relays.add(relay)
    this.counters.active++
    decision.onOpened?.(relay)
  }

  #refuse(downstream: Socket, reason: keyof typeof REFUSAL_REASONS | (string & {})): void {
    downstream.abort()
    count(this.counters.refused, reason)
  }

  #forget(relay: Relay, reason: CloseReason, detail: string): void {
    this.#relays.delete(relay)
    this.counters.active--
    count(this.counters.closed, reason)
    if (detail !== '') count(this.counters.details, `${reason}/${detail}`)
    if (this.#relays.size === 0) this.#onIdle?.()
  }

  #idle(graceMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, graceMs)
      this.#onIdle = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

/** The local end of a steered connection is its original destination, of a direct one the listener. */
function isSameEnd(listening: ListeningSocket, downstream: Socket): boolean {
  return (
    downstream.localPort === listening.port &&
    Buffer.compare(downstream.localAddress, listening.address) === 0
  )
}
