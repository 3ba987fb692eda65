// A relay between two in-memory peers, with a manual clock.
import { parseAddress } from '../../src/lib/address.ts'
import { MemoryNetwork } from '../../src/proxy/io/memory-network.ts'
import type { MemoryPeer, MemorySocket } from '../../src/proxy/io/memory-socket.ts'
import { RELAY_LIMITS, type RelayLimits } from '../../src/proxy/relay-limits.ts'
import type { ParserFactory } from '../../src/proxy/relay-parser.ts'
import { openRelay, type Relay } from '../../src/proxy/relay.ts'
import { TimerWheel } from '../../src/proxy/timer-wheel.ts'

const CLIENT = parseAddress('10.0.0.1')
const SERVER = parseAddress('10.0.0.2')

export interface MemoryRelay {
  readonly network: MemoryNetwork
  readonly relay: Relay
  readonly client: MemoryPeer
  readonly server: MemoryPeer
  readonly downstream: MemorySocket
  readonly upstream: MemorySocket
  /** One entry per call of `onClosed`: `REASON` or `REASON/detail`. */
  readonly ends: string[]
  run(): void
}

export interface MemoryRelayOptions {
  readonly parser?: ParserFactory | null
  readonly limits?: Partial<RelayLimits>
  /** Default true: the server accepts before the relay runs. */
  readonly isConnected?: boolean
}

export function openMemoryRelay(options: MemoryRelayOptions = {}): MemoryRelay {
  const network = new MemoryNetwork()
  const wheel = new TimerWheel(0)
  network.onTick((nowMs) => wheel.advance(nowMs))
  const downstream = network.socket({
    remoteAddress: CLIENT,
    remotePort: 1234,
    localAddress: SERVER,
    localPort: 80,
    isConnecting: false,
  })
  const upstream = network.dial({
    source: CLIENT,
    destination: SERVER,
    destinationPort: 80,
    mark: 0,
    isTransparent: true,
  })
  const ends: string[] = []
  const relay = openRelay({
    downstream,
    upstream,
    parser: options.parser ?? null,
    clock: network.clock,
    wheel,
    limits: { ...RELAY_LIMITS, ...options.limits },
    onClosed: (_relay, reason, detail) => ends.push(detail === '' ? reason : `${reason}/${detail}`),
  })
  if (options.isConnected !== false) {
    upstream.peer.accept()
    network.run()
  }
  return {
    network,
    relay,
    client: downstream.peer,
    server: upstream.peer,
    downstream,
    upstream,
    ends,
    run: () => network.run(),
  }
}
