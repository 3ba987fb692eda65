// An HTTP/2 session under test, with the policy that all tests here share: paths that begin with /deny are denied.
import { type HttpExchange, type HttpJudge } from '../../../src/l7rules/http1/request.ts'
import { Http2Session } from '../../../src/l7rules/http2/session.ts'
import { DENIED_BODY, denyByPath } from '../http1/subject.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { MemoryConnection, type Subject, type SubjectFactory } from '../parser-laws.ts'
import { CLIENT_PREFACE, SERVER_PREFACE, SETTINGS_ACK } from './wire.ts'

/** More than a header block with its frame headers and padding is never retained. */
export const MAX_RETAINED_BYTES = 64 * 1024 + 34 * 9 + 1024

export interface Http2Subject extends Subject {
  readonly observed: HttpExchange[]
  readonly parser: Http2Session
}

export function http2(judge: HttpJudge = denyByPath): SubjectFactory<Http2Subject> {
  return (steps) => {
    const observed: HttpExchange[] = []
    const parser = new Http2Session({
      judge,
      onExchange: (exchange) => observed.push({ ...exchange }),
      steps,
      deniedBody: DENIED_BODY,
    })
    return { parser, observed }
  }
}

/** Both prefaces exchanged and acknowledged; `forget` tells where their output ends. */
export class Http2Connection {
  readonly memory: MemoryConnection<Http2Subject>
  private readonly skipped: [number, number] = [0, 0]

  constructor(judge?: HttpJudge, prefaces: readonly [Buffer, Buffer] = [CLIENT_PREFACE, SERVER_PREFACE]) {
    this.memory = new MemoryConnection(http2(judge), MAX_RETAINED_BYTES)
    this.client(prefaces[0])
    this.server(Buffer.concat([prefaces[1], SETTINGS_ACK]))
    this.client(SETTINGS_ACK)
    this.toServer()
    this.toClient()
  }

  client(...frames: readonly Uint8Array[]): void {
    this.memory.send(ORIGINAL, Buffer.concat(frames))
  }

  server(...frames: readonly Uint8Array[]): void {
    this.memory.send(REPLY, Buffer.concat(frames))
  }

  /** What came since the last call. */
  toServer(): Buffer {
    return this.take(ORIGINAL)
  }

  toClient(): Buffer {
    return this.take(REPLY)
  }

  get error(): string {
    return this.memory.errorCode
  }

  get records(): readonly HttpExchange[] {
    return this.memory.subject.observed
  }

  get streamCount(): number {
    return this.memory.subject.parser.streamCount
  }

  private take(direction: typeof ORIGINAL | typeof REPLY): Buffer {
    const all = this.memory.output(direction)
    const fresh = all.subarray(this.skipped[direction])
    this.skipped[direction] = all.length
    return fresh
  }
}
