// For redirects that rewrite the destination: what the proxy was dialled for is asked of the datapath, and the dial to
// it goes out from the node's own address, as the answer would not find back to any other.
import type { ProxyMaps } from '../redirect/proxy-maps.ts'
import type { AcceptedConnection, ConnectionDecision, ConnectionResolver } from './connection.ts'

export function translated(
  maps: Pick<ProxyMaps, 'originalDestination'>,
  resolve: ConnectionResolver,
): ConnectionResolver {
  return (accepted: AcceptedConnection): ConnectionDecision => {
    const original = maps.originalDestination(accepted.peerAddress, accepted.peerPort)
    if (original === undefined) return { close: 'NO_CONNECTION_ENTRY' }
    const decision = resolve({ ...accepted, localAddress: original.address, localPort: original.port })
    if ('close' in decision) return decision
    return { ...decision, dial: { ...decision.dial, source: null, isTransparent: false } }
  }
}
