// Random pipelines of allowed and denied requests with all kinds of bodies, replies interleaved, any split on
// both sides: the server gets exactly the allowed requests, the client every answer in order.
import fc from 'fast-check'
import t from 'tap'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'
import { connect, DENIAL, HEAD_DENIAL } from '../../../conformance/http1/subject.ts'

interface Exchange {
  readonly isDenied: boolean
  readonly isHead: boolean
  readonly request: string
  /** Offset in `request` behind its head. */
  readonly headLength: number
  /** '' for a denied one. */
  readonly response: string
}

const body = fc.string({
  minLength: 1,
  maxLength: 30,
  unit: fc.constantFrom('x', '\r', '\n', '0', ':', '\0'),
})

/** A message body and the field that frames it; `none` when there is none. */
const framedBody = fc.oneof(
  fc.constant({ field: '', bytes: '' }),
  body.map((bytes) => ({ field: `Content-Length: ${bytes.length}\r\n`, bytes })),
  fc.array(body, { maxLength: 3 }).map((chunks) => ({
    field: 'Transfer-Encoding: chunked\r\n',
    bytes: `${chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`,
  })),
)

const exchange: fc.Arbitrary<Exchange> = fc
  .record({
    isDenied: fc.boolean(),
    isHead: fc.boolean(),
    // Repeated heads take another way through the parser.
    path: fc.constantFrom('', 'a', 'b?c'),
    requestBody: framedBody,
    responseBody: framedBody,
    interims: fc.nat({ max: 2 }),
  })
  .map(({ isDenied, isHead, path, requestBody, responseBody, interims }) => {
    const head =
      `${isHead ? 'HEAD' : 'POST'} ${isDenied ? '/deny' : '/ok'}${path} HTTP/1.1\r\nHost: a\r\n` +
      `${requestBody.field}\r\n`
    const hasFraming = responseBody.field !== '' || isHead
    const final =
      `HTTP/1.1 ${hasFraming ? '200 OK' : '204 No Content'}\r\n${responseBody.field}\r\n` +
      (isHead ? '' : responseBody.bytes)
    return {
      isDenied,
      isHead,
      request: head + requestBody.bytes,
      headLength: head.length,
      response: isDenied ? '' : 'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(interims) + final,
    }
  })

function expectedAnswer({ isDenied, isHead, response }: Exchange): string {
  if (!isDenied) return response
  return isHead ? HEAD_DENIAL : DENIAL
}

/** Bytes of the server that it may have sent once it has got `received` bytes of the allowed requests. */
function answerable(allowed: readonly Exchange[], received: number, mayAnswerEarly: boolean): string {
  let answers = ''
  let offset = 0
  for (const { request, headLength, response } of allowed) {
    if (received < offset + (mayAnswerEarly ? headLength : request.length)) break
    answers += response
    offset += request.length
  }
  return answers
}

t.test('pipelines', async (t) => {
  fc.assert(
    fc.property(
      fc.array(exchange, { minLength: 1, maxLength: 90 }),
      fc.array(fc.record({ isClient: fc.boolean(), length: fc.integer({ min: 1, max: 400 }) }), {
        maxLength: 60,
      }),
      fc.boolean(),
      (exchanges, turns, mayAnswerEarly) => {
        const connection = connect()
        const requests = exchanges.map(({ request }) => request).join('')
        const allowed = exchanges.filter(({ isDenied }) => !isDenied)
        let sent = 0
        let answered = 0
        const client = (length: number): void => {
          connection.send(ORIGINAL, requests.slice(sent, sent + length))
          sent = Math.min(sent + length, requests.length)
        }
        const server = (length: number): number => {
          const answers = answerable(allowed, connection.output(ORIGINAL).length, mayAnswerEarly)
          const bytes = answers.slice(answered, answered + length)
          connection.send(REPLY, bytes)
          answered += bytes.length
          return bytes.length
        }
        for (const { isClient, length } of turns) {
          if (isClient) client(length)
          else server(length)
        }
        client(requests.length)
        while (server(1_000) > 0) continue

        t.equal(connection.errorCode, '')
        t.equal(
          connection.output(ORIGINAL).toString('latin1'),
          allowed.map(({ request }) => request).join(''),
        )
        t.equal(connection.output(REPLY).toString('latin1'), exchanges.map(expectedAnswer).join(''))
        t.equal(connection.retained(ORIGINAL), 0)
        t.strictSame(
          connection.subject.observed.map((record) => [
            record.status === 403,
            record.requestBytes,
            record.error,
          ]),
          exchanges.map(({ isDenied, request }) => [isDenied, request.length, '']),
        )
      },
    ),
    { numRuns: 400 },
  )
})
