// Drop events from the ring buffer weir_events.
import { asIdentity } from '../lib/brands.ts'
import { formatAddress } from '../lib/address.ts'
import type { DatapathEvent } from './datapath-api.ts'
import { DIRECTION, dropReasonName, eventLayout } from './layouts.ts'
import { kernelError, lastErrno, libbpf, ringSampleCallback, type Pointer } from './libbpf.ts'

export class DatapathEvents {
  private readonly ring: Pointer
  private handler: ((event: DatapathEvent) => void) | undefined

  constructor(mapFd: number) {
    const callback = ringSampleCallback((data) => this.handler?.(decodeEvent(Buffer.from(data))))
    const ring = libbpf().ringBufferNew(mapFd, callback, null, null) as Pointer | null
    if (ring === null) throw kernelError('open ring buffer weir_events', lastErrno())
    this.ring = ring
  }

  /** Deliver what has gathered; returns when the buffer is empty. */
  consume(handler: (event: DatapathEvent) => void): void {
    this.handler = handler
    libbpf().ringBufferConsume(this.ring)
    this.handler = undefined
  }

  close(): void {
    libbpf().ringBufferFree(this.ring)
  }
}

function decodeEvent(data: Buffer): DatapathEvent {
  const event = eventLayout.decode(data)
  return {
    reason: dropReasonName(event.reason),
    direction: event.direction === DIRECTION.egress ? 'egress' : 'ingress',
    protocol: event.protocol,
    source: formatAddress(event.source),
    sourcePort: event.source_port,
    destination: formatAddress(event.destination),
    destinationPort: event.destination_port,
    sourceIdentity: asIdentity(event.source_identity),
    destinationIdentity: asIdentity(event.destination_identity),
    endpoint: event.endpoint,
  }
}
