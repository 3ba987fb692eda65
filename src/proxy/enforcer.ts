// The policy in force in this worker, and every live connection under it. A new snapshot replaces the old one
// in one step: connections live on, each later request is judged by the new one, and what is no longer
// allowed at all is reset.
import type { Revision } from '../lib/brands.ts'
import type { EncodedSlash } from '../lib/encoded-slash.ts'
import { errorMessage } from '../lib/errors.ts'
import { formatAddress } from '../lib/address.ts'
import { HttpSession } from '../l7rules/http/session.ts'
import type { HttpExchange, HttpJudge, HttpRequest } from '../l7rules/http1/request.ts'
import type { KafkaExchange } from '../l7rules/kafka/exchange.ts'
import type { KafkaJudge } from '../l7rules/kafka/request.ts'
import { KafkaSession } from '../l7rules/kafka/session.ts'
import type { TopicIds } from '../l7rules/kafka/topic-ids.ts'
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
import { KafkaClusters } from './kafka-clusters.ts'
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
  readonly #kafkaClusters = new KafkaClusters()

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
    if (connection.policy.kind === 'deny') return { close: 'POLICY_DENIED' }
    const isHairpin = Buffer.compare(accepted.peerAddress, accepted.localAddress) === 0
    return {
      parser: connection.policy.kind === 'allow' ? null : (steps) => connection.openSession(steps),
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

  /**
   * What decides about a connection. The datapath knows best which of its ends are local. A local endpoint has the
   * identity of its labels of today, as each packet of other connections has.
   */
  endsOf(steered: SteeredConnection, accepted: AcceptedConnection): ConnectionEnds {
    const { egressEndpoint, ingressEndpoint } = steered
    const directory = this.#directory
    const sourceIdentity = directory.identityOf(egressEndpoint) ?? steered.sourceIdentity
    const destinationIdentity = directory.identityOf(ingressEndpoint) ?? steered.destinationIdentity
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

  /** What brokers that are the same to policy have told of topics. */
  topicIdsOf(steered: SteeredConnection, accepted: AcceptedConnection): TopicIds {
    return this.#kafkaClusters.topicIds(steered.destinationIdentity, formatAddress(accepted.localAddress))
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

  count(exchange: Pick<HttpExchange, 'error' | 'verdict'>): void {
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
  /** What its parser speaks; undefined: it has none. */
  readonly #protocol: 'http' | 'kafka' | undefined
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
    const { policy } = this
    const isJudged = policy.kind === 'http' || policy.kind === 'kafka'
    this.#protocol = isJudged ? policy.kind : undefined
    this.#isOpaque = policy.kind === 'allow' || (isJudged && policy.isAdvisory)
  }

  openSession(steps: Steps): ProtocolParser {
    return this.#isOpaque ? new Observer(steps, (unheeded) => this.#open(unheeded)) : this.#open(steps)
  }

  #open(steps: Steps): ProtocolParser {
    return this.policy.kind === 'kafka' ? this.#openKafka(steps) : this.#openHttp(steps)
  }

  #openHttp(steps: Steps): ProtocolParser {
    const judge = (request: HttpRequest): Verdict => this.#judge(request)
    return this.#enforcer.openSession(steps, judge, (exchange) => {
      this.#onExchange(this.#isOpaque ? this.#observed(exchange, { status: 0, responseBytes: 0 }) : exchange)
    })
  }

  #openKafka(steps: Steps): ProtocolParser {
    const accepted = this.#accepted
    return new KafkaSession({
      steps,
      judge: this.#kafkaJudge(),
      onExchange: (exchange) => {
        this.#onKafkaExchange(
          this.#isOpaque ? this.#observed(exchange, { errorCode: 0, responseBytes: 0 }) : exchange,
        )
      },
      topicIds: this.#enforcer.topicIdsOf(this.#steered, accepted),
      broker: { host: formatAddress(accepted.localAddress), port: accepted.localPort },
      observes: this.#isOpaque,
    })
  }

  /**
   * A connection that passes unseen cannot be judged from its middle: the client has to come again. Not for the
   * sake of records alone.
   */
  follow(snapshot: CompiledSnapshot): void {
    this.#revision = snapshot.revision
    const next = this.#policyUnder(snapshot)
    const isJudged = next.kind === 'http' || next.kind === 'kafka'
    const isRestricted = isJudged && !next.isAdvisory
    const isOther = isJudged && this.#protocol !== undefined && next.kind !== this.#protocol
    if (next.kind === 'deny' || (isRestricted && (this.#isOpaque || isOther)))
      this.relay?.abort('POLICY_REVOKED')
    this.policy = next
  }

  #policyUnder(snapshot: CompiledSnapshot): ConnectionPolicy {
    return snapshot.connection(this.#enforcer.endsOf(this.#steered, this.#accepted))
  }

  #judge(request: HttpRequest): Verdict {
    const { policy } = this
    if (policy.kind === 'http') return policy.judge(request)
    return policy.kind === 'kafka' ? policy.unparseable : policy.verdict
  }

  /** Asks the policy in force. */
  #kafkaJudge(): KafkaJudge {
    return {
      judge: (request, access) => {
        const { policy } = this
        if (policy.kind === 'kafka') return policy.judge.judge(request, access)
        return policy.kind === 'http' ? policy.unparseable : policy.verdict
      },
      restrictsResources: (request) => {
        const { policy } = this
        if (policy.kind === 'kafka') return policy.judge.restrictsResources(request)
        return policy.kind === 'http' ? !policy.unparseable.allowed : !policy.verdict.allowed
      },
    }
  }

  /** What would have ended a judged connection ended nothing here. */
  #observed<Exchange extends Pick<HttpExchange, 'error' | 'verdict'>>(
    exchange: Exchange,
    unanswered: Partial<Exchange>,
  ): Exchange {
    if (exchange.error === '' || isEndedByPeer(exchange.error)) return exchange
    const { policy } = this
    const verdict = 'unparseable' in policy ? policy.unparseable : policy.verdict
    return { ...exchange, ...unanswered, error: '', verdict }
  }

  #onExchange(exchange: HttpExchange): void {
    this.#enforcer.count(exchange)
    this.#openLog().record(exchange, this.#revision)
  }

  #onKafkaExchange(exchange: KafkaExchange): void {
    this.#enforcer.count(exchange)
    this.#openLog().recordKafka(exchange, this.#revision)
  }

  #openLog(): ConnectionLog {
    this.#log ??= this.#enforcer.logConnection(this.#steered, this.#accepted)
    return this.#log
  }
}
