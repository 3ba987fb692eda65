// The requests of a connection whose exchange is not over, in order: a ring that grows on demand.
import { type Verdict } from '../verdict.ts'
import { MAX_OUTSTANDING } from './limits.ts'
import { type HttpExchange } from './request.ts'

/** Forwarded: upstream answers. */
export const AWAITED = 0
/** To be answered with a denial in its turn. */
export const DENIED = 1
/** Could not be parsed: answered with a refusal in its turn, which ends the connection. */
export const BROKEN = 2

export const MALFORMED: Verdict = { allowed: false, rule: '', reason: 'UNPARSEABLE', direction: 'ingress' }

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

/** One exchange; reused. */
export class Slot {
  readonly record: Mutable<HttpExchange> = {
    method: '',
    path: '',
    host: '',
    protocol: 'HTTP/1.1',
    status: 0,
    verdict: MALFORMED,
    error: '',
    requestBytes: 0,
    responseBytes: 0,
    startedMs: 0,
    endedMs: 0,
    respondedMs: 0,
  }
  kind: typeof AWAITED | typeof DENIED | typeof BROKEN = AWAITED
  isHead = false
  isConnect = false
  asksUpgrade = false
  expectsContinue = false
  isVersion10 = false
  /** The answer, a denial, closes the connection. */
  closes = false
  /** All of the request was seen. */
  isRequestDone = false
  /** All of the final response was sent. */
  isResponseDone = false
}

export class Exchanges {
  count = 0
  private head = 0
  private slots: Slot[] = []

  get isFull(): boolean {
    return this.count === MAX_OUTSTANDING
  }

  /** The exchange whose answer is due. Only when `count` is not 0. */
  first(): Slot {
    return this.slots[this.head]!
  }

  /** The exchange of the latest request. Only when `count` is not 0. */
  last(): Slot {
    return this.slots[(this.head + this.count - 1) & (this.slots.length - 1)]!
  }

  /** Only when not full. */
  push(): Slot {
    if (this.count === this.slots.length) this.grow()
    this.count++
    return this.last()
  }

  /** Forget the first one; its strings too, which are as long as the peer liked. */
  shift(): void {
    const { record } = this.first()
    record.method = ''
    record.path = ''
    record.host = ''
    this.head = (this.head + 1) & (this.slots.length - 1)
    this.count--
  }

  private grow(): void {
    const inOrder = [...this.slots.slice(this.head), ...this.slots.slice(0, this.head)]
    const wanted = Math.max(1, this.slots.length * 2)
    while (inOrder.length < wanted) inOrder.push(new Slot())
    this.slots = inOrder
    this.head = 0
  }
}
