// Byte streams that servers and proxies have read differently, and what must become of each. The policy:
// /public/... and /upper for anybody, /hosted for the host web.example; everything else, /secret first, is denied.
import { type HttpCode } from '../../src/l7rules/http1/codes.ts'

export interface SmugglingCase {
  readonly name: string
  /** Latin-1, sent at once on a connection of its own. */
  readonly bytes: string
  /** Statuses that the client gets, in order; each is one record. */
  readonly answers: readonly number[]
  /** Why the last answer is a refusal, after which the connection ends. */
  readonly code?: HttpCode
  /** What the server sees, `METHOD target`, with the body behind a third space if there is one. */
  readonly reaches: readonly string[]
  /** The last one of these is broken off in its body by RST, before which the server need not look at it. */
  readonly isBrokenOff?: boolean
}

const HOST = 'Host: web.example\r\n'
const SMUGGLED = `GET /secret HTTP/1.1\r\n${HOST}\r\n`
const get = (target: string, fields = ''): string => `GET ${target} HTTP/1.1\r\n${HOST}${fields}\r\n`
const post = (fields: string, body: string): string =>
  `POST /public/a HTTP/1.1\r\n${HOST}${fields}\r\n${body}`

/** Nothing of it reaches the server. */
const refused = (name: string, bytes: string, code: HttpCode, status = 400): SmugglingCase => ({
  name,
  bytes,
  answers: [status],
  code,
  reaches: [],
})
/** The head was judged and forwarded before the body turned out to be broken. */
const brokenOff = (name: string, body: string, code: HttpCode, seen = ''): SmugglingCase => ({
  name,
  bytes: post('Transfer-Encoding: chunked\r\n', body),
  answers: [400],
  code,
  reaches: [`POST /public/a${seen === '' ? '' : ` ${seen}`}`],
  isBrokenOff: true,
})
const denied = (name: string, bytes: string): SmugglingCase => ({ name, bytes, answers: [403], reaches: [] })
const reaching = (name: string, bytes: string, ...reaches: string[]): SmugglingCase => ({
  name,
  bytes,
  answers: reaches.map(() => 200),
  reaches,
})
/** In a path: seen as `seen`, or refused. */
const path = (target: string, seen: string): SmugglingCase =>
  reaching(`path ${target}`, get(target), `GET ${seen}`)
const badPath = (target: string, code: HttpCode): SmugglingCase =>
  refused(`path ${target}`, get(target), code)
const deniedPath = (target: string): SmugglingCase => denied(`path ${target}`, get(target))

const CHUNKED = 'Transfer-Encoding: chunked\r\n'
const BOTH = 'HTTP_CONTENT_LENGTH_WITH_TRANSFER_ENCODING'
const CODING = 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'
const LENGTH = 'HTTP_BAD_CONTENT_LENGTH'

const TWO_FRAMINGS: readonly SmugglingCase[] = [
  refused(
    'CL.TE',
    post(`Content-Length: ${SMUGGLED.length + 5}\r\n${CHUNKED}`, `0\r\n\r\n${SMUGGLED}`),
    BOTH,
  ),
  refused('TE.CL', post(`${CHUNKED}Content-Length: 4\r\n`, `5c\r\n${SMUGGLED}0\r\n\r\n`), BOTH),
  refused(
    'CL.0',
    post(`Content-Length: ${SMUGGLED.length}\r\nContent-Length: 0\r\n`, SMUGGLED),
    'HTTP_REPEATED_CONTENT_LENGTH',
  ),
  refused(
    'TE in HTTP/1.0',
    `POST /public/a HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`,
    'HTTP_TRANSFER_ENCODING_IN_1_0',
  ),
  ...[
    'Transfer-Encoding: xchunked\r\n',
    'Transfer-Encoding: chunked, identity\r\n',
    'Transfer-Encoding: identity, chunked\r\n',
    'Transfer-Encoding: chunked, chunked\r\n',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n',
    'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n',
    'Transfer-Encoding: "chunked"\r\n',
    'Transfer-Encoding: chunked;q=1\r\n',
    'Transfer-Encoding: ,chunked\r\n',
    'Transfer-Encoding:\tchunked\r\n',
    'Transfer-Encoding: chunked\t\r\n',
    'Transfer-Encoding:\r\n',
  ].map((field) =>
    refused(`TE.TE ${JSON.stringify(field)}`, post(field, `0\r\n\r\n${SMUGGLED}`), CODING, 501),
  ),
  refused(
    'TE.TE space before the colon',
    post('Transfer-Encoding : chunked\r\n', `0\r\n\r\n${SMUGGLED}`),
    'HTTP_SPACE_BEFORE_COLON',
  ),
  refused(
    'TE.TE colon on the next line',
    post('Transfer-Encoding\r\n : chunked\r\n', SMUGGLED),
    'HTTP_BAD_FIELD_NAME',
  ),
  refused('TE.TE leading space', post(` ${CHUNKED}`, `0\r\n\r\n${SMUGGLED}`), 'HTTP_OBS_FOLD'),
  refused('TE.TE folded', post('Transfer-Encoding:\r\n chunked\r\n', SMUGGLED), CODING, 501),
  refused('TE.TE vertical tab', post('Transfer-Encoding: \x0bchunked\r\n', SMUGGLED), 'HTTP_BAD_FIELD_VALUE'),
  refused('TE.TE NUL', post('Transfer-Encoding: chunked\0\r\n', SMUGGLED), 'HTTP_BAD_FIELD_VALUE'),
  refused('TE.TE behind a bare LF', post('X: x\nTransfer-Encoding: chunked\r\n', SMUGGLED), 'HTTP_BARE_LF'),
  refused('TE.TE behind a bare CR', post('X: x\rTransfer-Encoding: chunked\r\n', SMUGGLED), 'HTTP_BARE_CR'),
  refused(
    'TE with underscore',
    post(`Transfer_Encoding: chunked\r\nContent-Length: 5\r\n`, '0\r\n\r\n'),
    'HTTP_AMBIGUOUS_FIELD_NAME',
  ),
  refused(
    'CL with underscore',
    post(`Content_Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    'HTTP_AMBIGUOUS_FIELD_NAME',
  ),
  refused(
    'CL twice, equal',
    post('Content-Length: 3\r\nContent-Length: 3\r\n', 'abc'),
    'HTTP_REPEATED_CONTENT_LENGTH',
  ),
  ...['3, 3', '+3', '-3', '0x3', '3 3', '3.0', '3e0', "3'", '', '9999999999999999999'].map((value) =>
    refused(`CL ${value}`, post(`Content-Length: ${value}\r\n`, 'abc'), LENGTH),
  ),
  refused(
    'CL hidden by Connection',
    post('Connection: Content-Length\r\nContent-Length: 3\r\n', 'abc'),
    'HTTP_BAD_CONNECTION_OPTION',
  ),
  reaching('CL with leading zeros', post('Content-Length: 003\r\n', 'abc'), 'POST /public/a abc'),
  reaching(
    'a request as a body',
    post(`Content-Length: ${SMUGGLED.length}\r\n`, SMUGGLED),
    `POST /public/a ${SMUGGLED}`,
  ),
  reaching(
    'a request as the body of GET',
    get('/public/a', `Content-Length: ${SMUGGLED.length}\r\n`) + SMUGGLED,
    `GET /public/a ${SMUGGLED}`,
  ),
  reaching(
    'a request as a chunk',
    post(CHUNKED, `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`),
    `POST /public/a ${SMUGGLED}`,
  ),
]

const CHUNKS: readonly SmugglingCase[] = [
  reaching('chunk extension', post(CHUNKED, '3;a="b;\\"c"\r\nabc\r\n0;d\r\n\r\n'), 'POST /public/a abc'),
  brokenOff('chunk extension ends with LF', `2;\nxx\r\n4c\r\n0\r\n\r\n${SMUGGLED}`, 'HTTP_BARE_LF'),
  brokenOff('chunk extension with CR', `2;x\rx\r\n`, 'HTTP_BARE_CR'),
  brokenOff('chunk size ends with LF', `3\nabc\r\n0\r\n\r\n`, 'HTTP_BARE_LF'),
  brokenOff('chunk size ends with CR', `3\rabc\r\n0\r\n\r\n`, 'HTTP_BARE_CR'),
  ...['0x3', '+3', '-3', ' 3', '3 ', '3\t', '000000003', 'ffffffffffffffff3', '3_', '\x003'].map((size) =>
    brokenOff(
      `chunk size ${JSON.stringify(size)}`,
      `${size}\r\nabc\r\n0\r\n\r\n${SMUGGLED}`,
      'HTTP_BAD_CHUNK_SIZE',
    ),
  ),
  brokenOff('no chunk size', `\r\nabc\r\n0\r\n\r\n`, 'HTTP_BAD_CHUNK_SIZE'),
  brokenOff('chunk longer than its size', `3\r\nabcX\r\n0\r\n\r\n`, 'HTTP_BAD_CHUNK_END', 'abc'),
  brokenOff('chunk ends with LF', `3\r\nabc\n0\r\n\r\n`, 'HTTP_BAD_CHUNK_END', 'abc'),
  brokenOff('trailer Content-Length', `0\r\nContent-Length: 5\r\n\r\n`, 'HTTP_FORBIDDEN_TRAILER'),
  brokenOff('trailer Transfer_Encoding', `0\r\nTransfer_Encoding: chunked\r\n\r\n`, 'HTTP_FORBIDDEN_TRAILER'),
  brokenOff('trailer Host', `0\r\nHost: other\r\n\r\n`, 'HTTP_FORBIDDEN_TRAILER'),
  brokenOff('trailers end with LF', `0\r\nX: y\n\r\n`, 'HTTP_BARE_LF'),
  brokenOff('last chunk, LF only', `0\r\n\n${SMUGGLED}`, 'HTTP_BARE_LF'),
]

const LINES: readonly SmugglingCase[] = [
  refused('LF only', `GET /public/a HTTP/1.1\nHost: web.example\n\n`, 'HTTP_BARE_LF'),
  refused('LF ends the head', `GET /public/a HTTP/1.1\r\n${HOST}\n${SMUGGLED}`, 'HTTP_BARE_LF'),
  refused('CR CR LF', `GET /public/a HTTP/1.1\r\n${HOST}\r\r\n`, 'HTTP_BARE_CR'),
  refused('folding', get('/public/a', 'X: a\r\n b\r\n'), 'HTTP_OBS_FOLD'),
  refused('folding of the first line', `GET /public/a HTTP/1.1\r\n X: a\r\n${HOST}\r\n`, 'HTTP_OBS_FOLD'),
  refused('space before the colon', get('/public/a', 'X : a\r\n'), 'HTTP_SPACE_BEFORE_COLON'),
  refused('no colon', get('/public/a', 'X\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('NUL in a value', get('/public/a', 'X: a\0b\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused('NUL in a name', get('/public/a', 'X\0: a\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('NUL in the target', get('/public/a\0'), 'HTTP_BAD_TARGET'),
  refused('CRLF first', `\r\n${get('/public/a')}`, 'HTTP_LEADING_EMPTY_LINE'),
  refused('TAB behind the method', `GET\t/public/a HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('TAB before the version', `GET /public/a\tHTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_TARGET'),
  refused('two spaces', `GET  /public/a HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_TARGET'),
  refused('space in the target', get('/public/a HTTP/1.1 /secret'), 'HTTP_BAD_REQUEST_LINE'),
  refused('HTTP/0.9', 'GET /public/a\r\n', 'HTTP_BAD_REQUEST_LINE'),
  refused('HTTP/0.9 by name', `GET /public/a HTTP/0.9\r\n\r\n`, 'HTTP_UNSUPPORTED_VERSION', 505),
  refused('HTTP/1.2', `GET /public/a HTTP/1.2\r\n${HOST}\r\n`, 'HTTP_UNSUPPORTED_VERSION', 505),
  refused('no HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 'HTTP_H2_PREFACE', 505),
  refused(
    'h2c',
    get(
      '/public/a',
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
    ),
    'HTTP_H2C_UPGRADE',
    501,
  ),
  refused(
    'h2c without settings',
    get('/public/a', 'Connection: Upgrade\r\nUpgrade: h2c\r\n'),
    'HTTP_H2C_UPGRADE',
    501,
  ),
  refused('long target', get(`/public/${'a'.repeat(40_000)}`), 'HTTP_REQUEST_LINE_TOO_LONG', 414),
  refused('long field', get('/public/a', `X: ${'a'.repeat(70_000)}\r\n`), 'HTTP_HEAD_TOO_LARGE', 431),
  refused('CRLF in the target', get('/public/a?\r\nX: y'), 'HTTP_BAD_REQUEST_LINE'),
  reaching('percent CRLF in the path', get('/public/a%0d%0aX:%20y'), 'GET /public/a%0D%0AX:%20y'),
  reaching('percent CRLF in the query', get('/public/a?%0d%0aX:%20y'), 'GET /public/a?%0d%0aX:%20y'),
  reaching('percent CRLF in a value', get('/public/a', 'X: a%0d%0aY: b\r\n'), 'GET /public/a'),
  reaching('underscores in a name', get('/public/a', 'X_Y: a\r\nX-Y: b\r\n'), 'GET /public/a'),
]

const PIPELINES: readonly SmugglingCase[] = [
  {
    name: 'allowed, denied, allowed',
    bytes: get('/public/1') + SMUGGLED + get('/public/2'),
    answers: [200, 403, 200],
    reaches: ['GET /public/1', 'GET /public/2'],
  },
  {
    name: 'a denied body that looks like a request',
    bytes: `POST /secret HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}${get('/public/2')}`,
    answers: [403, 200],
    reaches: ['GET /public/2'],
  },
  {
    name: 'allowed, then broken',
    bytes: `${get('/public/1')}GET /public/2 HTTP/1.1\n\n${SMUGGLED}`,
    answers: [200, 400],
    code: 'HTTP_BARE_LF',
    reaches: ['GET /public/1'],
  },
  {
    name: 'HTTP/2 preface behind a request',
    bytes: `${get('/public/1')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
    answers: [200, 505],
    code: 'HTTP_H2_PREFACE',
    reaches: ['GET /public/1'],
  },
  {
    name: 'behind Connection: close',
    bytes: get('/public/1', 'Connection: close\r\n') + get('/public/2') + SMUGGLED,
    answers: [200],
    reaches: ['GET /public/1'],
  },
  {
    name: 'behind HTTP/1.0',
    bytes: `GET /public/1 HTTP/1.0\r\n${HOST}\r\n${get('/public/2')}`,
    answers: [200],
    reaches: ['GET /public/1'],
  },
  {
    name: 'behind an Upgrade that the server ignores',
    bytes: get('/public/1', 'Connection: Upgrade\r\nUpgrade: websocket\r\n') + SMUGGLED + get('/public/2'),
    answers: [200, 403, 200],
    reaches: ['GET /public/1', 'GET /public/2'],
  },
  {
    name: 'behind CONNECT',
    bytes: `CONNECT web.example:80 HTTP/1.1\r\nHost: web.example:80\r\n\r\n${SMUGGLED}`,
    answers: [405],
    reaches: [],
  },
  {
    name: 'without waiting for 100 Continue',
    bytes: post('Expect: 100-continue\r\nContent-Length: 3\r\n', 'abc') + SMUGGLED,
    answers: [100, 200, 403],
    reaches: ['POST /public/a abc'],
  },
]

const HOSTS: readonly SmugglingCase[] = [
  reaching('host', get('/hosted'), 'GET /hosted'),
  reaching('host in upper case', 'GET /hosted HTTP/1.1\r\nHost: WEB.Example\r\n\r\n', 'GET /hosted'),
  reaching('host with port', 'GET /hosted HTTP/1.1\r\nHost: web.example:80\r\n\r\n', 'GET /hosted'),
  denied('host with a trailing dot', 'GET /hosted HTTP/1.1\r\nHost: web.example.\r\n\r\n'),
  denied('another host', 'GET /hosted HTTP/1.1\r\nHost: other.example\r\n\r\n'),
  reaching('absolute-form', get('http://web.example/hosted'), 'GET http://web.example/hosted'),
  denied('absolute-form, denied', get('http://web.example/secret')),
  reaching('absolute-form with dots', get('http://web.example/x/../hosted'), 'GET http://web.example/hosted'),
  refused('absolute-form of another host', get('http://other.example/public/a'), 'HTTP_HOST_MISMATCH'),
  refused('absolute-form with another port', get('http://web.example:81/public/a'), 'HTTP_HOST_MISMATCH'),
  refused('absolute-form with a user', get('http://web.example@other.example/public/a'), 'HTTP_BAD_HOST'),
  refused('absolute-form of https', get('https://web.example/public/a'), 'HTTP_BAD_TARGET'),
  refused('two hosts', `GET /hosted HTTP/1.1\r\n${HOST}Host: other.example\r\n\r\n`, 'HTTP_REPEATED_HOST'),
  refused('no host', 'GET /public/a HTTP/1.1\r\n\r\n', 'HTTP_MISSING_HOST'),
  refused('host with a path', 'GET /public/a HTTP/1.1\r\nHost: web.example/secret\r\n\r\n', 'HTTP_BAD_HOST'),
  refused('host with a user', 'GET /public/a HTTP/1.1\r\nHost: a@web.example\r\n\r\n', 'HTTP_BAD_HOST'),
  refused('host list', 'GET /public/a HTTP/1.1\r\nHost: web.example, other\r\n\r\n', 'HTTP_BAD_HOST'),
  refused(
    'host with a space before the colon',
    'GET /public/a HTTP/1.1\r\nHost : web.example\r\n\r\n',
    'HTTP_SPACE_BEFORE_COLON',
  ),
]

const PATHS: readonly SmugglingCase[] = [
  deniedPath('/public/../secret'),
  deniedPath('/public/%2e%2e/secret'),
  deniedPath('/public/.%2E/secret'),
  deniedPath('/public/./../secret'),
  deniedPath('/public/a;/../../secret'),
  badPath('/public/..;/secret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public/..;a=b/secret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public/..%3b/secret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public/..%2fsecret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public%2f..%2fsecret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public/%2e%2e%2fsecret', 'HTTP_PATH_HIDDEN_DOTS'),
  badPath('/public\\..\\secret', 'HTTP_PATH_BACKSLASH'),
  badPath('/public/..%5csecret', 'HTTP_PATH_BACKSLASH'),
  badPath('/public/a%00.html', 'HTTP_PATH_NUL'),
  badPath('/public/a%', 'HTTP_BAD_PERCENT_ENCODING'),
  badPath('/public/%u002e', 'HTTP_BAD_PERCENT_ENCODING'),
  badPath('/../public/a', 'HTTP_PATH_ABOVE_ROOT'),
  badPath('/public/a#/../../secret', 'HTTP_BAD_TARGET'),
  badPath('public/a', 'HTTP_BAD_TARGET'),
  badPath('/public/\xe4', 'HTTP_BAD_TARGET'),
  deniedPath('/PUBLIC/a'),
  deniedPath('/%50UBLIC/a'),
  deniedPath('/public%2Fa'),
  path('/%70ublic/%61', '/public/a'),
  path('//public///a', '/public/a'),
  path('/public//../secret', '/public/secret'),
  path('/x/../public/a', '/public/a'),
  path('/./public/./a/.', '/public/a/'),
  path('/public/a%2fb', '/public/a%2Fb'),
  path('/public/a.', '/public/a.'),
  path('/public/...', '/public/...'),
  path('/public/%252e%252e/secret', '/public/%252e%252e/secret'),
  path('/public/a?../../secret', '/public/a?../../secret'),
  path('/public/<a>', '/public/%3Ca%3E'),
]

export const SMUGGLING_CASES: readonly SmugglingCase[] = [
  ...TWO_FRAMINGS,
  ...CHUNKS,
  ...LINES,
  ...PIPELINES,
  ...HOSTS,
  ...PATHS,
]
