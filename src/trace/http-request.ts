// One HTTP request through the parser and the judge of the proxy, on bytes as a client would send them.
import type { TraceHttp__Output } from '../gen/weir/v1/TraceHttp.ts'
import { ENCODED_SLASH } from '../lib/encoded-slash.ts'
import { WeirError } from '../lib/errors.ts'
import type { HttpJudge, HttpRequest } from '../l7rules/http1/request.ts'
import { Http1Session } from '../l7rules/http1/session.ts'
import { ORIGINAL } from '../l7rules/parser.ts'
import type { Verdict } from '../l7rules/verdict.ts'

export interface JudgedRequest {
  /** undefined = no rule was asked: the bytes are no request that could be judged. */
  readonly verdict: Verdict | undefined
  /** Status of the proxy's own answer; 0 = none. */
  readonly status: number
  /** Code of docs/errors.md; '' = well formed. */
  readonly error: string
}

/**
 * @param watch sees the request as rules do, after it was judged. Only valid during the call.
 * @throws WeirError CONFIG_INVALID for values that would end the line that they stand in.
 */
export function sendRequest(
  http: TraceHttp__Output,
  defaultHost: string,
  judge: HttpJudge,
  watch: (request: HttpRequest) => void,
): JudgedRequest {
  let verdict: Verdict | undefined
  let error = ''
  let answer = Buffer.alloc(0)
  const session = new Http1Session({
    judge: (request) => {
      verdict = judge(request)
      watch(request)
      return verdict
    },
    onExchange: (exchange) => void (error = exchange.error),
    steps: {
      pass: () => {},
      drop: () => {},
      inject: (_direction, data) => void (answer = Buffer.concat([answer, data])),
      finish: () => {},
      error: (code) => void (error = code),
    },
    deniedBody: new Uint8Array(),
    encodedSlash: ENCODED_SLASH.find((mode) => mode === http.encodedSlash) ?? 'keep',
  })
  const head = requestHead(http, defaultHost)
  session.receive(ORIGINAL, head, 0, head.length, 0)
  const [, status = '0'] = /^HTTP\/1\.1 (\d{3})/.exec(answer.toString('latin1')) ?? []
  return { verdict, status: Number(status), error }
}

function requestHead({ method, path, host, headers }: TraceHttp__Output, defaultHost: string): Buffer {
  const named = host === '' ? defaultHost : host
  const lines = [`${method} ${path} HTTP/1.1`, `Host: ${named}`, ...headers]
  for (const line of lines) {
    if (!/[\r\n]/.test(line)) continue
    throw new WeirError('CONFIG_INVALID', `${JSON.stringify(line)} holds an end of line`, {
      mend: 'give each header by itself',
    })
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1')
}
