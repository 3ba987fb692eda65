// The policy in force in this worker, and every live connection under it. A new snapshot replaces the old one
// in one step: connections live on, each later request is judged by the new one, and what is no longer
// allowed at all is reset.
import type { Revision } from '../lib/brands.ts'
import type { EncodedSlash } from '../lib/encoded-slash.ts'
import { errorMessage } from '../lib/errors.ts'
import { formatAddress } from '../lib/address.ts'
import { HttpSession } from '../l7rules/http/session.ts'
import type { HttpExchange, HttpJudge, HttpRequest } from '../l7rules/http1/request.ts'
import {
  compileSnapshot,
  type CompiledSnapshot,
  type ConnectionEnds,
  type ConnectionPolicy,
} from '../l7rules/snapshot.ts'
import type { Verdict } from '../l7rules/verdict.ts'
import { Observer } from '../l7rules/observer.ts'
import type { ProtocolParser, Steps } from '../l7rules/parser.ts'
import type { PolicySnapshot } from '../policy/network-policy.ts'
import { MARK_UPSTREAM } from '../redirect/layouts.ts'
import type { ProxyMaps, SteeredConnection } from '../redirect/proxy-maps.ts'
import type { AccessLog, ConnectionLog } from './access-log.ts'
import { isEndedByPeer } from './outcome.ts'
import type { AcceptedConnection, ConnectionDecision } from './connection.ts'
import { Directory } from './directory.ts'
import { LiveList, type Listed } from './live-list.ts'
import type { Relay } from './relay.ts'
import { PolicyAddresses } from './xds/policy-addresses.ts'

/** Why a steered connection was not relayed; counted by name. */
export const ENFORCER_REASONS = {
  NO_CONNECTION_ENTRY: 'The datapath wrote no entry for the connection: nobody knows who speaks.',
  NO_POLICY: 'The worker has no policy yet.',
  POLICY_DENIED: 'The policy in force does not allow the connection.',
} as const

export interface EnforcerOptions {
  readonly maps: Pick<ProxyMaps, 'takeConnection'>
  readonly accessLog: AccessLog
  readonly deniedBody: Buffer
  /** What `%2F` in a path means. Default: keep. */
  readonly encodedSlash?: EncodedSlash
  /** Find policies by the addresses of a connection, not by the endpoint ids of the datapath. */
  readonly findsByAddress?: boolean
}

export interface RequestCounters {
  allowed: number
  denied: number
  /** By the parser's code. */
  readonly errors: Map<string, number>
}

export class Enforcer {
  readonly counters: RequestCounters = { allowed: 0, denied: 0, errors: new Map() }
  readonly #options: EnforcerOptions
  readonly #connections = new LiveList<EnforcedConnection>()
  #snapshot: CompiledSnapshot | undefined
  #directory = new Directory([], [])
  #addresses: PolicyAddresses | undefined

  constructor(options: EnforcerOptions) {
    this.#options = options
  }

  get hasPolicy(): boolean {
    return this.#snapshot !== undefined
  }

  /** Swap in a snapshot. @returns why it was refused; undefined when it is in force */
  apply(snapshot: PolicySnapshot): string | undefined {
    try {
      this.#snapshot = compileSnapshot(snapshot, this.#snapshot)
    } catch (error) {
      return errorMessage(error)
    }
    this.#directory = new Directory(snapshot.endpoints, snapshot.identities)
    if (this.#options.findsByAddress === true) this.#addresses = new PolicyAddresses(snapshot.policies)
    for (const connection of this.#connections) connection.follow(this.#snapshot)
    return undefined
  }

  /** Decide about an accepted connection, failing closed. */
  readonly resolve = (accepted: AcceptedConnection): ConnectionDecision => {
    const steered = this.#options.maps.takeConnection(
      accepted.peerAddress,
      accepted.peerPort,
      accepted.localAddress,
      accepted.localPort,
    )
    if (steered === undefined) return { close: 'NO_CONNECTION_ENTRY' }
    const snapshot = this.#snapshot
    if (snapshot === undefined) return { close: 'NO_POLICY' }
    const connection = new EnforcedConnection(steered, accepted, snapshot, this)
    // Until there is a session for Kafka, nothing of it passes.
    if (connection.policy.kind === 'deny' || connection.policy.kind === 'kafka')
      return { close: 'POLICY_DENIED' }
    const isHairpin = Buffer.compare(accepted.peerAddress, accepted.localAddress) === 0
    return {
      parser: connection.policy.kind === 'http' ? (steps) => connection.openSession(steps) : null,
      dial: {
        // An endpoint refuses packets from its own address: then the node's is used.
        source: isHairpin ? null : accepted.peerAddress,
        destination: accepted.localAddress,
        destinationPort: accepted.localPort,
        // Whose ingress rules these requests are judged by: NAT may send them to another endpoint.
        mark: (MARK_UPSTREAM | (steered.ingressEndpoint << 16)) >>> 0,
        isTransparent: !isHairpin,
      },
      onOpened: (relay) => {
        connection.relay = relay
        this.#connections.add(connection)
      },
      onClosed: () => {
        this.#connections.delete(connection)
      },
    }
  }

  /** What decides about a connection. The datapath knows best which of its ends are local. */
  endsOf(steered: SteeredConnection, accepted: AcceptedConnection): ConnectionEnds {
    const { egressEndpoint, ingressEndpoint, sourceIdentity, destinationIdentity } = steered
    const addresses = this.#addresses
    const isById = addresses === undefined
    return {
      egressEndpoint: isById || egressEndpoint === 0 ? egressEndpoint : addresses.find(accepted.peerAddress),
      ingressEndpoint:
        isById || ingressEndpoint === 0 ? ingressEndpoint : addresses.find(accepted.localAddress),
      sourceIdentity,
      destinationIdentity,
      destinationPort: accepted.localPort,
    }
  }

  openSession(steps: Steps, judge: HttpJudge, onExchange: (exchange: HttpExchange) => void): HttpSession {
    const { deniedBody, encodedSlash = 'keep' } = this.#options
    return new HttpSession({ steps, judge, onExchange, deniedBody, encodedSlash })
  }

  logConnection(steered: SteeredConnection, accepted: AcceptedConnection): ConnectionLog {
    const { egressEndpoint, ingressEndpoint, sourceIdentity, destinationIdentity } = steered
    return this.#options.accessLog.connection({
      source: this.#directory.describe(egressEndpoint, sourceIdentity),
      destination: this.#directory.describe(ingressEndpoint, destinationIdentity),
      sourceAddress: formatAddress(accepted.peerAddress),
      sourcePort: accepted.peerPort,
      destinationAddress: formatAddress(accepted.localAddress),
      destinationPort: accepted.localPort,
    })
  }

  count(exchange: HttpExchange): void {
    if (exchange.error !== '') {
      this.counters.errors.set(exchange.error, (this.counters.errors.get(exchange.error) ?? 0) + 1)
    }
    if (exchange.verdict.allowed) this.counters.allowed++
    else this.counters.denied++
  }
}

/** One connection, judged anew under each snapshot. */
class EnforcedConnection implements Listed {
  liveIndex = -1
  relay: Relay | undefined
  policy: ConnectionPolicy
  readonly #steered: SteeredConnection
  readonly #accepted: AcceptedConnection
  readonly #enforcer: Enforcer
  /** Bytes pass unjudged, for all of the connection; at most a parser looks on. */
  readonly #isOpaque: boolean
  #revision: Revision
  #log: ConnectionLog | undefined

  constructor(
    steered: SteeredConnection,
    accepted: AcceptedConnection,
    snapshot: CompiledSnapshot,
    enforcer: Enforcer,
  ) {
    this.#steered = steered
    this.#accepted = accepted
    this.#enforcer = enforcer
    this.#revision = snapshot.revision
    this.policy = this.#policyUnder(snapshot)
    this.#isOpaque = this.policy.kind === 'allow' || (this.policy.kind === 'http' && this.policy.isAdvisory)
  }

  openSession(steps: Steps): ProtocolParser {
    const enforcer = this.#enforcer
    const judge = (request: HttpRequest): Verdict => this.#judge(request)
    if (!this.#isOpaque) return enforcer.openSession(steps, judge, (exchange) => this.#onExchange(exchange))
    return new Observer(steps, (unheeded) =>
      enforcer.openSession(unheeded, judge, (exchange) => this.#onObserved(exchange)),
    )
  }

  /**
   * A connection that passes unseen cannot be judged from its middle: the client has to come again. Not for the
   * sake of records alone.
   */
  follow(snapshot: CompiledSnapshot): void {
    this.#revision = snapshot.revision
    const next = this.#policyUnder(snapshot)
    const isRestricted = next.kind === 'http' && !next.isAdvisory
    if (next.kind === 'deny' || next.kind === 'kafka' || (this.#isOpaque && isRestricted))
      this.relay?.abort('POLICY_REVOKED')
    this.policy = next
  }

  #policyUnder(snapshot: CompiledSnapshot): ConnectionPolicy {
    return snapshot.connection(this.#enforcer.endsOf(this.#steered, this.#accepted))
  }

  #judge(request: HttpRequest): Verdict {
    if (this.policy.kind === 'kafka') return this.policy.unparseable
    return this.policy.kind === 'http' ? this.policy.judge(request) : this.policy.verdict
  }

  /** What would have ended a judged connection ended nothing here. */
  #onObserved(exchange: HttpExchange): void {
    const isOver = exchange.error === '' || isEndedByPeer(exchange.error)
    if (isOver) return this.#onExchange(exchange)
    const { policy } = this
    const verdict = 'unparseable' in policy ? policy.unparseable : policy.verdict
    this.#onExchange({ ...exchange, status: 0, responseBytes: 0, error: '', verdict })
  }

  #onExchange(exchange: HttpExchange): void {
    this.#enforcer.count(exchange)
    this.#log ??= this.#enforcer.logConnection(this.#steered, this.#accepted)
    this.#log.record(exchange, this.#revision)
  }
}
