// The policies of all local endpoints, compiled: who may do what on a connection, for both its ends.
// Immutable to its users; replaced as a whole by the next revision.
import type { EndpointId, Identity, Revision } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'
import type { Direction, PolicySnapshot, PortPolicy } from '../policy/network-policy.ts'
import { DirectionPolicy, type Side } from './direction-policy.ts'
import type { HttpJudge } from './http1/request.ts'
import { RequestJudge } from './http-judge.ts'
import { AccessJudge } from './kafka-judge.ts'
import type { KafkaJudgement } from './kafka-side.ts'
import type { KafkaJudge } from './kafka/request.ts'
import { joinSides } from './moded-side.ts'
import { NOTHING } from './request-view.ts'
import type { HttpJudgement, RequestJudgement } from './side.ts'
import { makeVerdict, type Verdict } from './verdict.ts'

/** What the datapath knows of a connection. */
export interface ConnectionEnds {
  /** Local endpoint that opened the connection; 0 when the source is not local. */
  readonly egressEndpoint: EndpointId | 0
  /** Local endpoint that it goes to; 0 when the destination is not local. */
  readonly ingressEndpoint: EndpointId | 0
  readonly sourceIdentity: Identity
  readonly destinationIdentity: Identity
  readonly destinationPort: number
  /** Listener that the connection came to, for rules that are for one only; absent = one without a number. */
  readonly proxyId?: number
}

export type ConnectionPolicy =
  /** No end restricts the connection at L7. */
  | { readonly kind: 'allow'; readonly verdict: Verdict }
  | { readonly kind: 'deny'; readonly verdict: Verdict }
  /** Each request is judged. The judge belongs to this snapshot: ask the next snapshot for the next one. */
  | {
      readonly kind: 'http'
      readonly judge: HttpJudge
      /**
       * Nothing enforced restricts the connection at L7: it is judged for the sake of records, and bytes that
       * are no HTTP have to pass.
       */
      readonly isAdvisory: boolean
      /** For bytes that no rule can judge. */
      readonly unparseable: Verdict
    }
  /** As `http`. */
  | {
      readonly kind: 'kafka'
      readonly judge: KafkaJudge
      readonly isAdvisory: boolean
      readonly unparseable: Verdict
    }

export interface CompiledSnapshot {
  readonly revision: Revision
  /** Cheap after the first call for equal ends. Never throws; an endpoint that the snapshot does not hold is denied. */
  connection(ends: ConnectionEnds): ConnectionPolicy
}

/**
 * Check and compile a snapshot. Work is proportional to what differs from `previous`: equal policies are
 * taken over, and matchers are made when the first connection needs them.
 * @throws WeirError REGEX_INVALID or POLICY_INVALID; the caller keeps the snapshot that it has.
 */
export function compileSnapshot(snapshot: PolicySnapshot, previous?: CompiledSnapshot): CompiledSnapshot {
  return new PolicyIndex(snapshot, previous instanceof PolicyIndex ? previous : undefined)
}

interface EndpointPolicy {
  readonly ingress: DirectionPolicy
  readonly egress: DirectionPolicy
}

/** Pairs of sides kept; they follow from what connects to what, so strangers influence them. */
const MAX_CONNECTION_POLICIES = 16_384

const UNKNOWN_VERDICTS: Readonly<Record<Direction, Verdict>> = {
  ingress: makeVerdict(false, '', 'ENDPOINT_UNKNOWN', 'ingress'),
  egress: makeVerdict(false, '', 'ENDPOINT_UNKNOWN', 'egress'),
}
const UNKNOWN: Readonly<Record<Direction, Side>> = {
  ingress: { serial: 0, judgement: { kind: 'fixed', verdict: UNKNOWN_VERDICTS.ingress } },
  egress: { serial: 0, judgement: { kind: 'fixed', verdict: UNKNOWN_VERDICTS.egress } },
}

class PolicyIndex implements CompiledSnapshot {
  readonly revision: Revision
  readonly #endpoints = new Map<number, EndpointPolicy>()
  /** By content: endpoints with equal rules share one, also across snapshots. */
  readonly #directions = new Map<string, DirectionPolicy>()
  /** By the serials of both sides: connections under the same rules share one. */
  readonly #connections = new Map<string, ConnectionPolicy>()

  constructor(snapshot: PolicySnapshot, previous: PolicyIndex | undefined) {
    this.revision = snapshot.revision
    for (const { endpointId, ingress, egress } of snapshot.policies) {
      if (this.#endpoints.has(endpointId)) {
        throw new WeirError(
          'POLICY_INVALID',
          `snapshot ${snapshot.revision}: two policies for endpoint ${endpointId}`,
        )
      }
      this.#endpoints.set(endpointId, {
        ingress: this.#direction('ingress', ingress, previous),
        egress: this.#direction('egress', egress, previous),
      })
    }
  }

  connection(ends: ConnectionEnds): ConnectionPolicy {
    const egress = this.#side('egress', ends.egressEndpoint, ends, ends.destinationIdentity)
    const ingress = this.#side('ingress', ends.ingressEndpoint, ends, ends.sourceIdentity)
    const key = `${egress?.serial ?? -1}|${ingress?.serial ?? -1}`
    const known = this.#connections.get(key)
    if (known !== undefined) return known
    const policy = combine(egress, ingress)
    if (this.#connections.size >= MAX_CONNECTION_POLICIES) this.#connections.clear()
    this.#connections.set(key, policy)
    return policy
  }

  /** undefined: no local endpoint on that side, which therefore has no say. */
  #side(direction: Direction, endpoint: number, ends: ConnectionEnds, peer: number): Side | undefined {
    if (endpoint === 0) return undefined
    const policy = this.#endpoints.get(endpoint)?.[direction]
    return policy?.side(ends.destinationPort, peer, ends.proxyId ?? 0) ?? UNKNOWN[direction]
  }

  #direction(
    direction: Direction,
    ports: readonly PortPolicy[],
    previous: PolicyIndex | undefined,
  ): DirectionPolicy {
    const key = `${direction} ${JSON.stringify(ports)}`
    const policy =
      this.#directions.get(key) ??
      (previous === undefined ? undefined : previous.#directions.get(key)) ??
      new DirectionPolicy(direction, ports)
    this.#directions.set(key, policy)
    return policy
  }
}

/** The egress side comes first, as on the way; an allow is named after the last side that has a say. */
function combine(egress: Side | undefined, ingress: Side | undefined): ConnectionPolicy {
  const judgements = [egress, ingress].flatMap((side) => (side === undefined ? [] : [side.judgement]))
  const judging = judgements.filter((judgement) => judgement.kind !== 'fixed')
  const kind = (judging.find(({ isAdvisory }) => !isAdvisory) ?? judging[0])?.kind
  // A connection without any endpoint of ours was never ours to steer: something is wrong, so closed.
  let verdict = UNKNOWN_VERDICTS.ingress
  const http: HttpJudgement[] = []
  const kafka: KafkaJudgement[] = []
  for (const judgement of judgements) {
    if (judgement.kind === 'http' && kind === 'http') http.push(judgement)
    else if (judgement.kind === 'kafka' && kind === 'kafka') kafka.push(judgement)
    else {
      verdict = judgement.kind === 'fixed' ? judgement.verdict : ofOtherProtocol(judgement)
      if (!verdict.allowed) return Object.freeze({ kind: 'deny', verdict })
      if (hasMessage(verdict) && kind === 'kafka') kafka.push(unconditional('kafka', verdict))
      else if (hasMessage(verdict)) http.push({ ...unconditional('http', verdict), view: NOTHING })
    }
  }
  if (http[0] !== undefined) {
    const { judge } = new RequestJudge(http[0], http[1])
    return Object.freeze({ kind: 'http', judge, ...joined(http[0], http[1]) })
  }
  if (kafka[0] !== undefined) {
    const judge = new AccessJudge(kafka[0], kafka[1])
    return Object.freeze({ kind: 'kafka', judge, ...joined(kafka[0], kafka[1]) })
  }
  return Object.freeze({ kind: verdict.allowed ? 'allow' : 'deny', verdict })
}

function joined(
  first: RequestJudgement,
  second: RequestJudgement | undefined,
): { isAdvisory: boolean; unparseable: Verdict } {
  if (second === undefined) return { isAdvisory: first.isAdvisory, unparseable: first.unparseable }
  return {
    isAdvisory: first.isAdvisory && second.isAdvisory,
    unparseable: joinSides(first.unparseable, second.unparseable),
  }
}

/** No request is one of its protocol. */
function ofOtherProtocol({ unparseable }: RequestJudgement): Verdict {
  return unparseable.allowed ? unparseable : Object.freeze({ ...unparseable, reason: 'PROTOCOL_CONFLICT' })
}

/** Whether records have to tell what other modes would do to the connection. */
function hasMessage({ audit, shadow }: Verdict): boolean {
  return audit !== undefined || shadow !== undefined
}

function unconditional<Kind extends RequestJudgement['kind']>(
  kind: Kind,
  verdict: Verdict,
): { kind: Kind; isAdvisory: true; unparseable: Verdict; judge: () => Verdict } {
  return { kind, isAdvisory: true, unparseable: verdict, judge: () => verdict }
}
