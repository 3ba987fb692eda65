// What a judge sees of one HTTP request, whatever the version on the wire.
import type { Verdict } from '../verdict.ts'

/** Valid only during the call that hands it over: the parser reuses it. */
export interface HttpRequest {
  readonly method: string
  /** Request target as received. */
  readonly target: string
  /** Origin-form path and query that rules match. */
  readonly path: string
  /** Host as received (Host field or authority of an absolute-form target), '' when HTTP/1.0 has none. */
  readonly host: string
  /** All values of a field, in order, without surrounding white space. `name` in lower case. */
  header(name: string): readonly string[]
}

export type HttpJudge = (request: HttpRequest) => Verdict

/** One finished exchange. Reused by the parser: copy what must outlive the call. */
export interface HttpExchange {
  readonly method: string
  readonly path: string
  readonly host: string
  /** `HTTP/2`, `HTTP/1.1`, `HTTP/1.0`. */
  readonly protocol: string
  /** Final status that downstream got; 0 when the connection ended before one. */
  readonly status: number
  readonly verdict: Verdict
  /** '' or the parser's error code that ended the connection. */
  readonly error: string
  readonly requestBytes: number
  readonly responseBytes: number
  readonly startedMs: number
  readonly endedMs: number
  /** When the final answer began; 0 = it never did. */
  readonly respondedMs?: number
  /** Of gRPC calls: what `grpc-status` says, -1 as long as nothing says it. */
  readonly grpcStatus?: number | undefined
}
