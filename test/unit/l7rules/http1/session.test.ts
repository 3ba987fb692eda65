// What a session does over several messages: order of answers, denials, tunnels, ends.
import t from 'tap'
import { refusal } from '../../../../src/l7rules/http1/deny.ts'
import { HEAD_TIMEOUT_MS, MAX_OUTSTANDING } from '../../../../src/l7rules/http1/limits.ts'
import { type Http1Session } from '../../../../src/l7rules/http1/session.ts'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'
import {
  ALLOWED,
  CLOSING_DENIAL,
  connect,
  DENIAL,
  DENIED,
  HEAD_DENIAL,
} from '../../../conformance/http1/subject.ts'

type Connection = ReturnType<typeof connect>

const request = (path: string, fields = '', body = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n${body}`
const response = (body: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const upstream = (connection: Connection): string => connection.output(ORIGINAL).toString('latin1')
const downstream = (connection: Connection): string => connection.output(REPLY).toString('latin1')
const refused = (code: Parameters<typeof refusal>[0]): string => refusal(code, false).toString('latin1')
const statuses = (connection: Connection): number[] => connection.subject.observed.map(({ status }) => status)
const errors = (connection: Connection): string[] => connection.subject.observed.map(({ error }) => error)
const wants = (connection: Connection): boolean => connection.subject.parser.wants(ORIGINAL)

t.test('an allowed exchange', async (t) => {
  const connection = connect()
  connection.send(ORIGINAL, 'POST /a?b HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc')
  t.strictSame(connection.subject.observed, [], 'not over before its response')
  connection.send(REPLY, response('xy'))
  t.strictSame(connection.subject.observed, [
    {
      method: 'POST',
      path: '/a?b',
      host: 'h:1',
      protocol: 'HTTP/1.1',
      status: 200,
      verdict: ALLOWED,
      error: '',
      requestBytes: 55,
      responseBytes: 40,
      startedMs: 1000,
      endedMs: 1000,
      respondedMs: 1000,
    },
  ])
})

t.test('durations: to the final response, and to the end of both messages', async (t) => {
  const connection = connect()
  const at = (nowMs: number, direction: typeof ORIGINAL | typeof REPLY, text: string): void => {
    connection.nowMs = nowMs
    connection.send(direction, text)
  }
  at(10, ORIGINAL, request('/1', 'Content-Length: 2\r\n', 'a'))
  at(20, REPLY, 'HTTP/1.1 103 Early Hints\r\n\r\n')
  at(30, REPLY, 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx')
  at(40, REPLY, 'y')
  at(50, ORIGINAL, `b${request('/deny')}`)
  t.match(connection.subject.observed, [
    { startedMs: 10, respondedMs: 30, endedMs: 50 },
    { startedMs: 50, respondedMs: 50, endedMs: 50 },
  ])
})

t.test('passes what arrives together in one step', async (t) => {
  const passes: number[] = []
  const connection = connect()
  const pass = connection.pass.bind(connection)
  connection.pass = (direction, bytes) => {
    passes.push(bytes)
    pass(direction, bytes)
  }
  connection.send(ORIGINAL, request('/1').repeat(5))
  connection.send(REPLY, response('a').repeat(5))
  t.strictSame(passes, [request('/1').length * 5, response('a').length * 5])
})

t.test('denial', async (t) => {
  t.test('is answered at once when its turn has come', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/deny'))
    t.equal(downstream(connection), DENIAL)
    t.equal(upstream(connection), '')
    t.match(connection.subject.observed, [
      { status: 403, verdict: DENIED, error: '', responseBytes: DENIAL.length },
    ])
  })

  t.test('waits for earlier answers, and later requests do not wait for it', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1') + request('/deny') + request('/2'))
    t.equal(upstream(connection), request('/1') + request('/2'))
    t.equal(downstream(connection), '')
    connection.send(REPLY, response('one') + response('two'))
    t.equal(downstream(connection), response('one') + DENIAL + response('two'))
    t.strictSame(statuses(connection), [200, 403, 200])
  })

  t.test('swallows the body and leaves the connection alone', async (t) => {
    for (const [fields, body] of [
      ['Content-Length: 5\r\n', 'abcde'],
      ['Transfer-Encoding: chunked\r\n', '2\r\nab\r\n0\r\nX: y\r\n\r\n'],
    ] as const) {
      const connection = connect()
      connection.send(ORIGINAL, request('/deny', fields, body.slice(0, 3)))
      t.equal(downstream(connection), DENIAL, 'does not wait for the body')
      t.strictSame(statuses(connection), [], 'is over when the body is')
      connection.send(ORIGINAL, body.slice(3) + request('/1'))
      t.equal(upstream(connection), request('/1'))
      t.equal(connection.subject.observed[0]?.requestBytes, request('/deny', fields, body).length)
    }
  })

  t.test('of HEAD has no body', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/deny').replace('GET', 'HEAD'))
    t.equal(downstream(connection), HEAD_DENIAL)
  })

  t.test('closes when the client asked for it', async (t) => {
    for (const bytes of [
      request('/deny', 'Connection: close\r\n'),
      'GET /deny HTTP/1.0\r\n\r\n',
      'GET /deny HTTP/1.0\r\nConnection: x\r\n\r\n',
    ]) {
      const connection = connect()
      connection.send(ORIGINAL, request('/1') + bytes + request('/2'))
      connection.send(ORIGINAL, request('/3'))
      t.equal(upstream(connection), request('/1'), 'what follows is dropped')
      t.notOk(connection.isFinished(REPLY), 'not before its turn')
      connection.send(REPLY, response('one'))
      t.equal(downstream(connection), response('one') + CLOSING_DENIAL)
      t.ok(connection.isFinished(REPLY))
      t.ok(connection.isFinished(ORIGINAL))
      t.equal(connection.errorCode, '')
      t.strictSame(statuses(connection), [200, 403])
      t.strictSame(errors(connection), ['', ''])
      connection.send(ORIGINAL, request('/4'))
      connection.send(REPLY, 'anything')
      t.equal(upstream(connection), request('/1'), 'still dropped')
      connection.end(ORIGINAL)
      connection.end(REPLY)
    }
  })

  t.test('keeps an HTTP/1.0 connection that is to be kept', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, 'GET /deny HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n')
    t.equal(downstream(connection), DENIAL.replace('\r\n\r\n', '\r\nconnection: keep-alive\r\n\r\n'))
    connection.send(ORIGINAL, request('/1'))
    t.equal(upstream(connection), request('/1'))
  })

  t.test('follows a judge that changes its mind, also for equal bytes', async (t) => {
    let verdict = ALLOWED
    const connection = connect(() => verdict)
    for (let i = 0; i < 3; i++) {
      connection.send(ORIGINAL, request('/x'))
      connection.send(REPLY, response(''))
    }
    verdict = DENIED
    connection.send(ORIGINAL, request('/x').repeat(2))
    t.strictSame(statuses(connection), [200, 200, 200, 403, 403])
    t.equal(upstream(connection), request('/x').repeat(3))
  })
})

t.test('a request after which the connection closes', async (t) => {
  const last = request('/1', 'Connection: close\r\n', '')
  for (const bytes of [
    last,
    'GET /1 HTTP/1.0\r\n\r\n',
    request('/1', 'Connection: close\r\nContent-Length: 2\r\n', 'ab'),
    request('/1', 'Connection: close\r\nTransfer-Encoding: chunked\r\n', '1\r\na\r\n0\r\n\r\n'),
  ]) {
    t.test(`is the last that is looked at: ${JSON.stringify(bytes)}`, async (t) => {
      const connection = connect()
      connection.send(ORIGINAL, request('/0') + bytes + request('/2') + request('/deny'))
      connection.send(ORIGINAL, 'no HTTP at all')
      t.equal(upstream(connection), request('/0') + bytes)
      t.notOk(connection.isFinished(ORIGINAL), 'closing is left to both ends')
      connection.send(REPLY, response('zero') + response('one'))
      t.equal(downstream(connection), response('zero') + response('one'), 'and nothing of ours')
      connection.end(ORIGINAL)
      t.ok(connection.isFinished(ORIGINAL))
      connection.end(REPLY)
      t.strictSame(statuses(connection), [200, 200])
      t.strictSame(errors(connection), ['', ''])
      t.equal(connection.errorCode, '')
    })
  }

  t.test('or asks for a tunnel: that decides', async (t) => {
    const upgrade = request('/ws', 'Connection: close, Upgrade\r\nUpgrade: websocket\r\n')
    const switched = connect()
    switched.send(ORIGINAL, `${upgrade}raw`)
    switched.send(REPLY, 'HTTP/1.1 101 Switching Protocols\r\n\r\n')
    t.equal(upstream(switched), `${upgrade}raw`)
    const ignored = connect()
    ignored.send(ORIGINAL, upgrade + request('/2'))
    ignored.send(REPLY, response('no'))
    t.equal(upstream(ignored), upgrade)
    t.equal(ignored.retained(ORIGINAL), 0, 'dropped')
  })
})

t.test('%2F in a path is what the setting says, for the judge and on the wire', async (t) => {
  for (const [encodedSlash, judged, forwarded] of [
    ['keep', '/a%2Fb', request('/a%2fb')],
    ['decode', '/a/b', request('/a/b')],
  ] as const) {
    const connection = connect(undefined, encodedSlash)
    connection.send(ORIGINAL, request('/a%2fb'))
    t.equal(upstream(connection), forwarded.replace('%2f', '%2F'))
    connection.send(REPLY, response(''))
    t.equal(connection.subject.observed[0]?.path, judged)
  }
  const decoding = connect(undefined, 'decode')
  decoding.send(ORIGINAL, request('/%2fdeny'))
  t.equal(downstream(decoding), DENIAL)
  const rejecting = connect(undefined, 'reject')
  rejecting.send(ORIGINAL, request('/a%2fb'))
  t.equal(downstream(rejecting), refused('HTTP_PATH_ENCODED_SLASH'))
})

t.test('the judge', async (t) => {
  t.test('sees fields, and each request once', async (t) => {
    const seen: unknown[] = []
    const connection = connect((head) => {
      const { method, target, path, host } = head
      seen.push({ method, target, path, host, x: head.header('x-y'), none: head.header('none') })
      return ALLOWED
    })
    const bytes = 'PUT /a/./b?c HTTP/1.1\r\nX-Y: \t1 \r\nhOst: h\r\nx-y:\r\nX-Yz: 3\r\nx-Y: 2\r\n\r\n'
    const expected = {
      method: 'PUT',
      target: '/a/./b?c',
      path: '/a/b?c',
      host: 'h',
      x: ['1', '', '2'],
      none: [],
    }
    for (const byte of bytes) connection.send(ORIGINAL, byte)
    connection.send(ORIGINAL, bytes.repeat(3))
    t.strictSame(seen, [expected, expected, expected, expected])
    t.equal(
      upstream(connection),
      bytes.replace('/a/./b', '/a/b').repeat(4),
      'judged and forwarded are the same',
    )
  })

  t.test('gets no fields of a request that it keeps', async (t) => {
    let kept: { header(name: string): readonly string[] } | undefined
    const connection = connect((head) => {
      kept = head
      return ALLOWED
    })
    connection.send(ORIGINAL, request('/'))
    t.strictSame(kept?.header('host'), [])
  })
})

t.test('bound of outstanding requests', async (t) => {
  const connection = connect()
  const many = MAX_OUTSTANDING + 3
  connection.send(ORIGINAL, request('/1').repeat(MAX_OUTSTANDING - 1))
  t.ok(wants(connection))
  connection.send(ORIGINAL, request('/1').repeat(4))
  t.notOk(wants(connection))
  t.equal(upstream(connection), request('/1').repeat(MAX_OUTSTANDING))
  connection.send(REPLY, response('a'))
  t.equal(upstream(connection), request('/1').repeat(MAX_OUTSTANDING + 1), 'one went, one came')
  connection.send(REPLY, response('a').repeat(2))
  t.ok(connection.retained(ORIGINAL) === 0)
  connection.send(REPLY, response('a').repeat(many - 3))
  t.ok(wants(connection))
  t.equal(connection.subject.observed.length, many)
})

t.test('the bound counts denials and the body of the last request still flows', async (t) => {
  const connection = connect()
  connection.send(ORIGINAL, request('/1') + request('/deny').repeat(MAX_OUTSTANDING - 2))
  connection.send(ORIGINAL, request('/2', 'Content-Length: 4\r\n', 'ab'))
  t.ok(wants(connection), 'in the middle of a body')
  connection.send(ORIGINAL, 'cd')
  t.notOk(wants(connection))
  connection.send(REPLY, response('1') + response('2'))
  t.equal(downstream(connection), response('1') + DENIAL.repeat(MAX_OUTSTANDING - 2) + response('2'))
})

t.test('a request that cannot be parsed', async (t) => {
  t.test('is answered in its turn and ends the connection', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `${request('/1')}${request('/deny')}GET /\r\n\r\n${request('/2')}`)
    t.notOk(wants(connection))
    t.equal(connection.errorCode, '')
    connection.send(REPLY, response('one'))
    t.equal(downstream(connection), response('one') + DENIAL + refused('HTTP_BAD_REQUEST_LINE'))
    t.equal(connection.errorCode, 'HTTP_BAD_REQUEST_LINE')
    t.equal(upstream(connection), request('/1'))
    t.match(connection.subject.observed[2], {
      method: 'GET',
      path: '/',
      status: 400,
      error: 'HTTP_BAD_REQUEST_LINE',
      verdict: { allowed: false, reason: 'UNPARSEABLE' },
    })
  })

  t.test('gets no answer that would be taken for one of the server', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `${request('/1')}?`)
    connection.send(ORIGINAL, '\n')
    connection.end(REPLY)
    t.equal(downstream(connection), '')
    t.equal(connection.errorCode, 'HTTP_BAD_METHOD')
    t.strictSame(errors(connection), ['HTTP_UPSTREAM_CLOSED', 'HTTP_BAD_METHOD'])
  })

  t.test('in its body, after the head was forwarded', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1') + request('/2', 'Transfer-Encoding: chunked\r\n', '1\r\nab'))
    t.equal(upstream(connection), request('/1') + request('/2', 'Transfer-Encoding: chunked\r\n', '1\r\na'))
    connection.send(REPLY, response('one'))
    t.equal(downstream(connection), response('one') + refused('HTTP_BAD_CHUNK_END'))
    t.strictSame(statuses(connection), [200, 400])
  })

  t.test('in its body, while it is being answered', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1', 'Transfer-Encoding: chunked\r\n', '1\r\n'))
    connection.send(REPLY, response('early').slice(0, -1))
    connection.send(ORIGINAL, 'ab')
    t.equal(downstream(connection), response('early').slice(0, -1))
    t.equal(connection.errorCode, 'HTTP_BAD_CHUNK_END')
    t.strictSame(statuses(connection), [200])
  })

  t.test('in the body of a denied request', async (t) => {
    const bad = request('/deny', 'Transfer-Encoding: chunked\r\n', 'x')
    const answered = connect()
    answered.send(ORIGINAL, bad)
    t.equal(downstream(answered), DENIAL)
    t.equal(answered.errorCode, 'HTTP_BAD_CHUNK_SIZE')
    const waiting = connect()
    waiting.send(ORIGINAL, request('/1') + bad)
    t.equal(waiting.errorCode, '')
    waiting.send(REPLY, response('one'))
    t.equal(downstream(waiting), response('one') + CLOSING_DENIAL)
    t.equal(waiting.errorCode, 'HTTP_BAD_CHUNK_SIZE')
  })

  t.test('because the client ended the connection', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `${request('/1')}GET /2 HTTP/1.1\r\nHo`)
    connection.end(ORIGINAL)
    connection.send(REPLY, response('one'))
    t.equal(upstream(connection), request('/1'))
    t.equal(downstream(connection), response('one') + refused('HTTP_HEAD_TRUNCATED'))
  })
})

t.test('responses', async (t) => {
  t.test('that answer no request', async (t) => {
    const first = connect()
    first.send(REPLY, response('x'))
    t.equal(first.errorCode, 'HTTP_UNSOLICITED_RESPONSE')
    t.equal(downstream(first), '')
    const second = connect()
    second.send(ORIGINAL, request('/1'))
    second.send(REPLY, response('one') + response('two'))
    t.equal(downstream(second), response('one'))
    t.equal(second.errorCode, 'HTTP_UNSOLICITED_RESPONSE')
    const denied = connect()
    denied.send(ORIGINAL, request('/deny', 'Content-Length: 1\r\n'))
    denied.send(REPLY, response('x'))
    t.equal(denied.errorCode, 'HTTP_UNSOLICITED_RESPONSE')
  })

  t.test('are framed by the method of their request', async (t) => {
    const connection = connect()
    const head = request('/1').replace('GET', 'HEAD')
    connection.send(ORIGINAL, head + request('/2') + head + request('/deny'))
    const bodyless = 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'
    connection.send(REPLY, bodyless + response('two') + bodyless)
    t.equal(downstream(connection), bodyless + response('two') + bodyless + DENIAL)
  })

  t.test('that come before the request is complete', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1', 'Content-Length: 4\r\n', 'ab'))
    connection.send(REPLY, response('early'))
    t.strictSame(statuses(connection), [])
    connection.send(ORIGINAL, `cd${request('/2')}`)
    t.strictSame(statuses(connection), [200])
    connection.send(REPLY, response('two'))
    t.equal(downstream(connection), response('early') + response('two'))
  })

  t.test('up to the end of the connection', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1') + request('/deny'))
    connection.send(REPLY, 'HTTP/1.0 200 OK\r\n\r\nabc')
    connection.send(REPLY, 'def')
    connection.end(REPLY)
    t.equal(downstream(connection), 'HTTP/1.0 200 OK\r\n\r\nabcdef', 'a denial would become part of the body')
    t.ok(connection.isFinished(REPLY))
    t.strictSame(statuses(connection), [200, 0])
    t.strictSame(errors(connection), ['', 'HTTP_UPSTREAM_CLOSED'])
  })

  t.test('that are cut short', async (t) => {
    for (const bytes of ['', 'HTTP/1.1 200', response('abc').slice(0, -1)]) {
      const connection = connect()
      connection.send(ORIGINAL, request('/1') + request('/deny'))
      connection.send(REPLY, bytes)
      connection.end(REPLY)
      t.ok(connection.isFinished(REPLY))
      t.equal(downstream(connection), bytes.includes('OK') ? bytes : '')
      t.strictSame(errors(connection), ['HTTP_UPSTREAM_CLOSED', 'HTTP_UPSTREAM_CLOSED'])
    }
  })

  t.test('none: the server closes between requests', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1'))
    connection.send(REPLY, response('one'))
    connection.end(REPLY)
    t.ok(connection.isFinished(REPLY))
    connection.send(ORIGINAL, request('/2') + request('/deny'))
    t.equal(upstream(connection), request('/1'), 'nobody would answer')
    t.strictSame(statuses(connection), [200])
  })
})

t.test('the server closes while a head arrives: nothing can answer it', async (t) => {
  for (const next of ['end', 'expire', 'more'] as const) {
    const connection = connect()
    connection.send(ORIGINAL, 'GET / HT')
    connection.end(REPLY)
    const session = connection.subject.parser as Http1Session
    t.equal(session.deadlineMs, Infinity)
    if (next === 'end') connection.end(ORIGINAL)
    else if (next === 'expire') session.expire(1e9)
    else connection.send(ORIGINAL, 'TP/1.1\r\n\r\n')
    t.ok(connection.isFinished(REPLY))
    t.equal(downstream(connection) + upstream(connection) + connection.errorCode, '')
    t.strictSame(connection.subject.observed, [])
  }
})

t.test('Expect: 100-continue', async (t) => {
  const expecting = request('/1', 'Expect: 100-Continue\r\nContent-Length: 4\r\n')
  const proceed = 'HTTP/1.1 100 Continue\r\n\r\n'

  t.test('goes through', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, expecting)
    t.equal(upstream(connection), expecting)
    connection.send(REPLY, proceed)
    t.equal(downstream(connection), proceed)
    connection.send(ORIGINAL, 'abcd')
    connection.send(REPLY, response('one'))
    t.match(connection.subject.observed, [
      { status: 200, responseBytes: proceed.length + response('one').length },
    ])
    t.notOk(connection.isFinished(REPLY))
  })

  t.test('denied: the answer is final and closes, for the body may or may not follow', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, expecting.replace('/1', '/deny'))
    t.equal(downstream(connection), CLOSING_DENIAL)
    t.ok(connection.isFinished(REPLY))
    connection.send(ORIGINAL, request('/2'))
    t.equal(upstream(connection), '')
  })

  t.test('denied without body: nothing can follow but the next request', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/deny', 'Expect: 100-continue\r\n'))
    t.equal(downstream(connection), DENIAL)
  })

  t.test('answered finally without 100: the next byte has two meanings', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, expecting)
    connection.send(REPLY, response('no'))
    t.equal(downstream(connection), response('no'))
    t.ok(connection.isFinished(REPLY))
    connection.send(ORIGINAL, request('/deny'))
    t.equal(upstream(connection), expecting, 'not taken for the body')
    t.strictSame(statuses(connection), [200])
    t.strictSame(errors(connection), [''])
  })

  t.test('answered finally after 100 or after the body: the connection goes on', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `${expecting}abcd`)
    connection.send(REPLY, response('yes'))
    t.notOk(connection.isFinished(REPLY))
    connection.send(ORIGINAL, expecting)
    connection.send(REPLY, proceed + response('early'))
    t.notOk(connection.isFinished(REPLY))
    connection.send(ORIGINAL, 'abcd')
    t.strictSame(statuses(connection), [200, 200])
  })
})

t.test('tunnels', async (t) => {
  const upgrade = request('/ws', 'Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n')
  const switching = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'

  t.test('after an Upgrade that the server accepts', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `${request('/1')}${upgrade}\x81\x00`)
    t.equal(upstream(connection), request('/1') + upgrade, 'nothing more before the server decided')
    t.notOk(wants(connection))
    connection.send(REPLY, response('one'))
    t.notOk(wants(connection))
    connection.send(REPLY, `${switching}\x82\x00`)
    t.equal(downstream(connection), `${response('one')}${switching}\x82\x00`)
    connection.send(ORIGINAL, request('/deny'))
    t.equal(upstream(connection), `${request('/1')}${upgrade}\x81\x00${request('/deny')}`)
    connection.end(ORIGINAL)
    t.ok(connection.isFinished(ORIGINAL))
    connection.send(REPLY, 'more')
    t.strictSame(statuses(connection), [200])
    connection.end(REPLY)
    t.match(connection.subject.observed[1], {
      status: 101,
      error: '',
      requestBytes: upgrade.length + 2 + request('/deny').length,
      responseBytes: switching.length + 2 + 4,
    })
  })

  t.test('not after an Upgrade that the server ignores', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, upgrade + request('/deny') + request('/2'))
    connection.send(REPLY, response('no'))
    t.equal(downstream(connection), response('no') + DENIAL)
    t.equal(upstream(connection), upgrade + request('/2'))
  })

  t.test('not after an Upgrade that was denied', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, upgrade.replace('/ws', '/deny') + request('/2'))
    t.equal(downstream(connection), DENIAL)
    t.equal(upstream(connection), request('/2'))
    connection.send(REPLY, switching)
    t.equal(connection.errorCode, 'HTTP_UNEXPECTED_UPGRADE')
  })

  t.test('not in HTTP/1.0, without the option, or before the body is complete', async (t) => {
    for (const bytes of [
      upgrade.replace('HTTP/1.1', 'HTTP/1.0'),
      upgrade.replace(', Upgrade', ''),
      upgrade.replace('\r\n\r\n', '\r\nContent-Length: 2\r\n\r\na'),
    ]) {
      const connection = connect()
      connection.send(ORIGINAL, bytes)
      connection.send(REPLY, switching)
      t.equal(connection.errorCode, 'HTTP_UNEXPECTED_UPGRADE')
      t.equal(downstream(connection), refused('HTTP_UNEXPECTED_UPGRADE'))
    }
  })

  t.test('after CONNECT', async (t) => {
    const head = 'CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n'
    const connection = connect()
    connection.send(ORIGINAL, `${head}raw`)
    t.equal(upstream(connection), head)
    connection.send(REPLY, 'HTTP/1.1 200 OK\r\n\r\nanswer')
    t.equal(upstream(connection), `${head}raw`)
    t.equal(downstream(connection), 'HTTP/1.1 200 OK\r\n\r\nanswer')
    connection.close()
    t.match(connection.subject.observed, [
      { method: 'CONNECT', host: 'h:1', path: '', status: 200, error: '' },
    ])
  })

  t.test('not after CONNECT that is denied, and nothing else follows', async (t) => {
    const connection = connect()
    connection.send(
      ORIGINAL,
      `${request('/1')}CONNECT deny:1 HTTP/1.1\r\nHost: deny:1\r\n\r\n${request('/2')}`,
    )
    t.equal(upstream(connection), request('/1'))
    t.equal(connection.errorCode, '', 'in its turn')
    connection.send(REPLY, response('1'))
    t.equal(downstream(connection), response('1') + refused('HTTP_CONNECT_NOT_ALLOWED'))
    t.match(downstream(connection), /HTTP\/1.1 405 Method Not Allowed\r\n[^]*\r\nallow: \r\n/)
    t.equal(connection.errorCode, 'HTTP_CONNECT_NOT_ALLOWED')
    t.equal(upstream(connection), request('/1'))
    t.match(connection.subject.observed, [
      { path: '/1', status: 200, error: '' },
      {
        method: 'CONNECT',
        host: 'deny:1',
        status: 405,
        error: 'HTTP_CONNECT_NOT_ALLOWED',
        verdict: { allowed: false },
      },
    ])
  })

  t.test('not after CONNECT that the server refuses', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, `CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n${request('/deny')}`)
    connection.send(REPLY, response('no').replace('200 OK', '407 No'))
    t.equal(downstream(connection), response('no').replace('200 OK', '407 No') + DENIAL)
  })
})

t.test('a head that takes too long', async (t) => {
  const steps = connect()
  const session = steps.subject.parser as Http1Session
  const bytes = Buffer.from(request('/1') + request('/2'))
  let from = 0
  steps.pass = (_direction, count) => (from += count)
  const receive = (end: number, nowMs: number) => session.receive(ORIGINAL, bytes, from, end, nowMs)
  const length = request('/1').length
  t.equal(session.deadlineMs, Infinity)
  receive(1, 5)
  t.equal(session.deadlineMs, 5 + HEAD_TIMEOUT_MS)
  receive(length - 1, 50)
  t.equal(session.deadlineMs, 5 + HEAD_TIMEOUT_MS, 'counts from its first byte')
  receive(length, 60)
  t.equal(session.deadlineMs, Infinity)
  receive(length + 2, 70)
  session.expire(69 + HEAD_TIMEOUT_MS)
  t.ok(session.wants(ORIGINAL), 'too early')
  session.expire(70 + HEAD_TIMEOUT_MS)
  t.notOk(session.wants(ORIGINAL))
  t.equal(downstream(steps), '', 'not before its turn')
  const answer = Buffer.from(response('one'))
  session.receive(REPLY, answer, 0, answer.length, 80 + HEAD_TIMEOUT_MS)
  t.equal(steps.errorCode, 'HTTP_HEAD_TIMEOUT')
  t.equal(downstream(steps), refused('HTTP_HEAD_TIMEOUT'))
  t.strictSame(statuses(steps), [200, 408])
  t.equal(session.deadlineMs, Infinity)
})

t.test('the client ends', async (t) => {
  t.test('between requests', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1') + request('/deny'))
    connection.end(ORIGINAL)
    t.ok(connection.isFinished(ORIGINAL))
    connection.send(REPLY, response('one'))
    t.equal(downstream(connection), response('one') + DENIAL, 'answers still come')
    connection.end(REPLY)
    t.ok(connection.isFinished(REPLY))
  })

  t.test('within a body', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1', 'Content-Length: 4\r\n', 'ab'))
    connection.end(ORIGINAL)
    t.ok(connection.isFinished(ORIGINAL), 'upstream can tell that the body is not complete')
    connection.send(REPLY, response('bad').replace('200', '400'))
    t.match(connection.subject.observed, [{ status: 400, error: 'HTTP_BODY_TRUNCATED' }])
  })

  t.test('within a swallowed body', async (t) => {
    const connection = connect()
    connection.send(ORIGINAL, request('/1') + request('/deny', 'Content-Length: 4\r\n', 'ab'))
    connection.end(ORIGINAL)
    connection.send(REPLY, response('one'))
    t.equal(downstream(connection), response('one') + DENIAL)
    t.strictSame(statuses(connection), [200, 403])
  })
})

t.test('close records what was under way, once', async (t) => {
  const connection = connect()
  connection.send(ORIGINAL, request('/1') + request('/2') + request('/deny'))
  connection.send(REPLY, response('one') + response('two').slice(0, -1))
  connection.close()
  connection.close()
  t.strictSame(statuses(connection), [200, 200, 0])
  t.strictSame(errors(connection), ['', 'HTTP_CONNECTION_LOST', 'HTTP_CONNECTION_LOST'])
  t.notOk(wants(connection))
})
