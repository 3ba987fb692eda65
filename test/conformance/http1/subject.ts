// An HTTP/1.x session under test, with the policy that all tests here share: paths that begin with /deny are
// denied.
import { type EncodedSlash } from '../../../src/lib/encoded-slash.ts'
import { Http1Session } from '../../../src/l7rules/http1/session.ts'
import { type HttpExchange, type HttpJudge, type HttpRequest } from '../../../src/l7rules/http1/request.ts'
import { type Verdict } from '../../../src/l7rules/verdict.ts'
import { MemoryConnection, type Subject, type SubjectFactory } from '../parser-laws.ts'

export const ALLOWED: Verdict = { allowed: true, rule: 'r', reason: 'RULE_MATCHED', direction: 'ingress' }
export const DENIED: Verdict = { allowed: false, rule: '', reason: 'NO_RULE_MATCHED', direction: 'ingress' }

export const DENIED_BODY = Buffer.from('no\n')
export const DENIAL = 'HTTP/1.1 403 Forbidden\r\ncontent-type: text/plain\r\ncontent-length: 3\r\n\r\nno\n'
export const CLOSING_DENIAL = DENIAL.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')
export const HEAD_DENIAL = DENIAL.slice(0, -DENIED_BODY.length)

/** More than a head or a trailer section is never retained. */
export const MAX_RETAINED_BYTES = 64 * 1024

/** By host where there is no path: CONNECT. */
export const denyByPath: HttpJudge = ({ path, host }) =>
  path.startsWith('/deny') || (path === '' && host.startsWith('deny')) ? DENIED : ALLOWED

export interface Http1Subject extends Subject {
  readonly observed: HttpExchange[]
}

export function http1(
  judge: HttpJudge = denyByPath,
  encodedSlash: EncodedSlash = 'keep',
): SubjectFactory<Http1Subject> {
  return (steps) => {
    const observed: HttpExchange[] = []
    const parser = new Http1Session({
      judge,
      onExchange: (exchange) => observed.push({ ...exchange }),
      steps,
      deniedBody: DENIED_BODY,
      encodedSlash,
    })
    return { parser, observed }
  }
}

/** What the judge was shown, copied. */
export type SeenRequest = Pick<HttpRequest, 'method' | 'target' | 'path' | 'host'>

/** A judge that notes what it saw, and allows everything but CONNECT to hosts that begin with deny. */
export function watching(seen: SeenRequest[]): SubjectFactory {
  return http1(({ method, target, path, host }) => {
    seen.push({ method, target, path, host })
    return method === 'CONNECT' && host.startsWith('deny') ? DENIED : ALLOWED
  })
}

export function connect(judge?: HttpJudge, encodedSlash?: EncodedSlash): MemoryConnection<Http1Subject> {
  return new MemoryConnection(http1(judge, encodedSlash), MAX_RETAINED_BYTES)
}
