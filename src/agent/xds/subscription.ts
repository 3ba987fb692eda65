// What one client gets of one resource type on one stream, and what it made of it. At most one response is
// unanswered; the newest revision waits behind it. No gRPC here.
import type { XdsMode } from '../../lib/rpc/discovery.ts'
import type { ResourceSet } from './resource-set.ts'

/** Errors that end a stream, in the words of Cilium's agent. */
export const STREAM_ERRORS = {
  version: 'invalid version info',
  nonce: 'invalid response nonce info',
  node: 'invalid node format',
  noType: 'type URL is required for ADS',
  otherType: 'mismatching type URL',
  unknownType: 'unknown type URL',
} as const

export interface SubscriptionRequest {
  readonly versionInfo: string
  readonly responseNonce: string
  /** Empty = all. */
  readonly resourceNames: readonly string[]
  /** Why the response was refused; undefined when the request gives no reason. */
  readonly errorDetail: string | undefined
}

export interface SubscriptionOptions {
  readonly typeUrl: string
  /** split: versions are numbers that only grow. ads: they mean nothing but themselves. */
  readonly mode: XdsMode
  /** `version` is the nonce as well. */
  readonly send: (resources: ResourceSet, names: ReadonlySet<string> | undefined, version: string) => void
  readonly onRefused: (revision: number, error: string) => void
}

interface Sent {
  readonly revision: number
  readonly version: string
}

interface Waiter {
  readonly revision: number
  readonly settle: () => void
}

const MAX_U64 = 0xffff_ffff_ffff_ffffn
/** Room for all revisions that may follow, which are safe integers. */
const MAX_CLAIMED_VERSION = MAX_U64 - BigInt(Number.MAX_SAFE_INTEGER)

export class Subscription {
  readonly typeUrl: string
  /** Last accepted revision; 0 = none on this stream. */
  realised = 0
  /** Why the last response was refused; '' when it was not. */
  error = ''
  /** Did not answer in time, and has not since: nobody should wait for it again. */
  isSilent = false

  readonly #options: SubscriptionOptions
  #latest: ResourceSet | undefined
  #names: ReadonlySet<string> | undefined
  #isSubscribed = false
  #sent: Sent | undefined
  #isUnanswered = false
  /** The names of the last request differ from those that the last response was for. */
  #hasOtherNames = false
  #hasQuotedNonce = false
  /** What a version is more than its revision: it must exceed all that the client has ever named or seen. */
  #offset = 0n
  #waiters: Waiter[] = []

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.typeUrl = options.typeUrl
  }

  /** Revision that the client should have; 0 = none yet. */
  get wanted(): number {
    return this.#latest?.revision ?? 0
  }

  covers(name: string): boolean {
    return this.#isSubscribed && (this.#names?.has(name) ?? true)
  }

  /** Revisions must grow. `settle` is called once: the client answered this revision or a later one, or went. */
  offer(resources: ResourceSet, settle?: () => void): void {
    this.#latest = resources
    this.#sendNext()
    if (settle === undefined) return
    // The revision was answered already, or nobody has asked yet.
    if (!this.#isUnanswered) settle()
    else this.#waiters.push({ revision: resources.revision, settle })
  }

  /** @returns why the stream has to end; undefined = go on */
  onRequest(request: SubscriptionRequest): string | undefined {
    const problem = this.#options.mode === 'ads' ? this.#readOpaque(request) : this.#readNumbers(request)
    if (problem !== undefined) return problem
    this.#subscribe(request.resourceNames)
    this.#sendNext()
    return undefined
  }

  /** Nobody will answer any more. */
  close(): void {
    this.#settleUpTo(Infinity)
  }

  #readNumbers(request: SubscriptionRequest): string | undefined {
    const version = parseU64(request.versionInfo)
    if (version === undefined) return STREAM_ERRORS.version
    const nonce = parseU64(request.responseNonce)
    if (nonce === undefined) return STREAM_ERRORS.nonce
    if (this.#sent === undefined) return this.#exceed(version)
    if (nonce > 0n) this.#hasQuotedNonce = true
    const isFromTheFuture = nonce > BigInt(this.#sent.version)
    if (isFromTheFuture || (version > nonce && this.#hasQuotedNonce)) return STREAM_ERRORS.nonce
    if (nonce === BigInt(this.#sent.version)) this.#onAnswer(version === nonce, request.errorDetail)
    return undefined
  }

  /**
   * A new stream may name the version that the client still has, of this agent or of an earlier one whose numbers
   * went further. It is sent the state anyway, as a version above: equal numbers prove nothing across restarts.
   */
  #exceed(version: bigint): string | undefined {
    if (version > MAX_CLAIMED_VERSION) return STREAM_ERRORS.version
    if (version > this.#offset) this.#offset = version
    return undefined
  }

  #readOpaque({ versionInfo, responseNonce, errorDetail }: SubscriptionRequest): undefined {
    // Another nonce belongs to an earlier response, or to an earlier stream: only its names count.
    if (this.#sent === undefined || responseNonce !== this.#sent.version) return
    this.#onAnswer(versionInfo === this.#sent.version && errorDetail === undefined, errorDetail)
  }

  #onAnswer(isAccepted: boolean, errorDetail: string | undefined): void {
    // Once answered, the same nonce comes again with other names.
    if (!this.#isUnanswered || this.#sent === undefined) return
    this.#isUnanswered = false
    this.isSilent = false
    const { revision } = this.#sent
    if (isAccepted) {
      this.realised = revision
      this.error = ''
      this.#settleUpTo(revision)
    } else {
      this.error = errorDetail === undefined || errorDetail === '' ? 'no reason given' : errorDetail
      this.#options.onRefused(revision, this.error)
      this.#settleUpTo(revision)
    }
  }

  #subscribe(resourceNames: readonly string[]): void {
    const names =
      resourceNames.length === 0 || resourceNames.includes('*') ? undefined : new Set(resourceNames)
    if (this.#isSubscribed && !isSameSet(names, this.#names)) this.#hasOtherNames = true
    this.#isSubscribed = true
    this.#names = names
  }

  #sendNext(): void {
    const latest = this.#latest
    if (!this.#isSubscribed || this.#isUnanswered || latest === undefined) return
    if (latest.revision === this.#sent?.revision) {
      // What was refused is not sent again; other names are another response, and need a version of their own.
      if (!this.#hasOtherNames) return
      this.#offset++
    }
    const version = String(BigInt(latest.revision) + this.#offset)
    this.#sent = { revision: latest.revision, version }
    this.#isUnanswered = true
    this.#hasOtherNames = false
    this.#options.send(latest, this.#names, version)
  }

  #settleUpTo(revision: number): void {
    const settled = this.#waiters.filter((waiter) => waiter.revision <= revision)
    this.#waiters = this.#waiters.filter((waiter) => waiter.revision > revision)
    for (const waiter of settled) waiter.settle()
  }
}

/** '' = 0; undefined when it is no u64 in decimal. */
function parseU64(text: string): bigint | undefined {
  if (text === '') return 0n
  if (!/^\d{1,20}$/.test(text)) return undefined
  const value = BigInt(text)
  return value > MAX_U64 ? undefined : value
}

function isSameSet(a: ReadonlySet<string> | undefined, b: ReadonlySet<string> | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.size === b.size && [...a].every((name) => b.has(name))
}
