// A parser that looks on changes nothing, whatever comes, and its records are those of the parser within.
import fc from 'fast-check'
import t from 'tap'
import type { HttpExchange } from '../../../src/l7rules/http1/request.ts'
import { Observer } from '../../../src/l7rules/observer.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { http1 } from '../../conformance/http1/subject.ts'
import { MemoryConnection, type Subject } from '../../conformance/parser-laws.ts'

interface Observed extends Subject {
  readonly observed: readonly HttpExchange[]
}

function observe(): MemoryConnection<Observed> {
  return new MemoryConnection((steps) => {
    let observed: HttpExchange[] = []
    const parser = new Observer(steps, (unheeded) => {
      const inner = http1()(unheeded)
      observed = inner.observed
      return inner.parser
    })
    return { parser, observed }
  }, 0)
}

const outputs = (connection: MemoryConnection): string[] =>
  [ORIGINAL, REPLY].map((direction) => connection.output(direction as 0 | 1).toString('latin1'))

t.test('requests are recorded and pass as they came', async (t) => {
  const connection = observe()
  const requests = 'GET /./a HTTP/1.1\r\nHost: h\r\n\r\nGET /deny HTTP/1.1\r\nHost: h\r\n\r\n'
  connection.send(ORIGINAL, requests)
  const responses = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab'.repeat(2)
  connection.send(REPLY, responses)
  connection.end(ORIGINAL)
  connection.end(REPLY)
  t.strictSame(outputs(connection), [requests, responses])
  t.ok(connection.isFinished(ORIGINAL) && connection.isFinished(REPLY))
  t.match(connection.subject.observed, [{ path: '/a', status: 200, error: '' }, { path: '/deny' }])
})

t.test('what is no HTTP passes, and is recorded once', async (t) => {
  const connection = observe()
  connection.send(REPLY, '220 hello\r\n')
  connection.send(ORIGINAL, 'EHLO\r\n')
  connection.send(ORIGINAL, 'QUIT\r\n')
  t.strictSame(outputs(connection), ['EHLO\r\nQUIT\r\n', '220 hello\r\n'])
  t.equal(connection.errorCode, '')
  const requests = observe()
  requests.send(ORIGINAL, 'EHLO\r\nQUIT\r\n')
  t.match(requests.subject.observed, [{ error: 'HTTP_BAD_METHOD' }])
})

t.test('one that waits for the other direction catches up, or is let go', async (t) => {
  const upgrade = 'GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n'
  const next = 'GET /next HTTP/1.1\r\nHost: h\r\n\r\n'
  const connection = observe()
  connection.send(ORIGINAL, upgrade + next)
  connection.end(ORIGINAL)
  connection.send(REPLY, 'HTTP/1.1 204 No\r\n\r\n')
  connection.send(REPLY, 'HTTP/1.1 204 No\r\n\r\n')
  t.match(connection.subject.observed, [{ path: '/' }, { path: '/next', error: '' }])
  const flooded = observe()
  flooded.send(ORIGINAL, upgrade + next)
  flooded.send(ORIGINAL, 'x'.repeat(300_000))
  t.equal(flooded.output(ORIGINAL).length, upgrade.length + next.length + 300_000)
  t.match(flooded.subject.observed, [{ path: '/', error: 'HTTP_CONNECTION_LOST' }])
  flooded.close()
})

t.test('random bytes in both directions all pass', async (t) => {
  const piece = fc.constantFrom(
    'GET / HTTP/1.1\r\n',
    'Host: h\r\n',
    '\r\n',
    'HTTP/1.1 200 OK\r\n',
    '5\r\n',
    '\0',
    'x',
  )
  const event = fc.tuple(
    fc.constantFrom<(0 | 1)[]>(ORIGINAL, REPLY),
    fc.array(piece, { minLength: 1, maxLength: 6 }),
  )
  fc.assert(
    fc.property(fc.array(event, { maxLength: 12 }), (events) => {
      const connection = observe()
      const sent: [string, string] = ['', '']
      for (const [direction, pieces] of events) {
        connection.send(direction, pieces.join(''))
        sent[direction] += pieces.join('')
      }
      t.strictSame(outputs(connection), sent)
      connection.close()
    }),
    { numRuns: 300 },
  )
})
