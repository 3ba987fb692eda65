// What is asked about an accepted connection, what may be answered, and what is counted.
import type { Relay } from './relay.ts'
import type { CloseReason } from './relay.ts'
import type { ParserFactory } from './relay-parser.ts'

/** An accepted connection. Addresses are 16 bytes, network order, IPv4 mapped; ports in host order. */
export interface AcceptedConnection {
  readonly peerAddress: Uint8Array
  readonly peerPort: number
  /** The original destination. */
  readonly localAddress: Uint8Array
  readonly localPort: number
}

export interface RelayDecision {
  /** Made once for the connection; null: bytes pass unseen. */
  readonly parser: ParserFactory | null
  /** The rest of a dial to the original destination, or to another one. */
  readonly dial: {
    /** Send from this address; null = an address of the host. */
    readonly source: Uint8Array | null
    readonly destination: Uint8Array
    readonly destinationPort: number
    readonly mark: number
    /** `source` need not be local. */
    readonly isTransparent: boolean
  }
  readonly onOpened?: (relay: Relay) => void
  /** Called once, without `this`. `detail` is an errno name, a parser's error code or ''. */
  readonly onClosed?: (relay: Relay, reason: CloseReason, detail: string) => void
}

/** `close`: fail closed. The client gets RST and the reason is counted. */
export type ConnectionDecision = { readonly close: string } | RelayDecision

/** Must not wait: the connection is dialled in the same turn. What it throws closes the connection. */
export type ConnectionResolver = (connection: AcceptedConnection) => ConnectionDecision

/** Reasons of the listener itself, beside those that the resolver gives. */
export const REFUSAL_REASONS = {
  NOT_REDIRECTED: 'The client dialled the proxy itself; relaying would dial the proxy without end.',
  RESOLVER_FAILED: 'Finding identity and policy of the connection threw an exception.',
  RELAY_FAILED: 'Making the parser of the connection threw an exception.',
} as const

export interface ConnectionCounters {
  /** Relays alive now. */
  active: number
  /** Connections accepted, also those refused. */
  total: number
  /** Never relayed, by reason. */
  readonly refused: Map<string, number>
  /** Relays that ended, by reason. */
  readonly closed: Map<CloseReason, number>
  /** Ends with a detail, as `CONNECT_FAILED/ECONNREFUSED`, `PARSER_ERROR/<code>`. */
  readonly details: Map<string, number>
}

export function createConnectionCounters(): ConnectionCounters {
  return { active: 0, total: 0, refused: new Map(), closed: new Map(), details: new Map() }
}

export function count<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
