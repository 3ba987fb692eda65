// One table of responses to one request: bytes -> what becomes of them.
import { type HttpCode } from '../../../src/l7rules/http1/codes.ts'

export interface ResponseCase {
  readonly name: string
  /** Default: GET. */
  readonly method?: string
  /** Latin-1. */
  readonly bytes: string
  /**
   * `complete`: passed, and the next request may be answered; `open`: passed, and ends with the connection;
   * else the code that ends the connection.
   */
  readonly result: 'complete' | 'open' | HttpCode
  /** Whether the client gets a 502; else what was passed before the offence. Only with a code. */
  readonly isAnswered?: boolean
}

const complete = (name: string, bytes: string, method?: string): ResponseCase => ({
  name,
  bytes,
  result: 'complete',
  ...(method === undefined ? {} : { method }),
})
const open = (name: string, bytes: string): ResponseCase => ({ name, bytes, result: 'open' })
const refused = (name: string, bytes: string, result: HttpCode, isAnswered = true): ResponseCase => ({
  name,
  bytes,
  result,
  isAnswered,
})
const ok = (fields: string, body = ''): string => `HTTP/1.1 200 OK\r\n${fields}\r\n${body}`
const chunked = (body: string): string => ok('Transfer-Encoding: chunked\r\n', body)

export const RESPONSES: readonly ResponseCase[] = [
  complete('Content-Length', ok('Content-Length: 2\r\n', 'ab')),
  complete('empty body', ok('Content-Length: 0\r\n')),
  complete('chunked', chunked('1\r\na\r\n0\r\n\r\n')),
  complete('chunked with trailers', chunked('0\r\nX: y\r\n\r\n')),
  complete('no reason', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'),
  complete('no space before no reason', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n'),
  complete('high bytes in reason', 'HTTP/1.1 200 \xe4\r\nContent-Length: 0\r\n\r\n'),
  complete('HTTP/1.0 with length', 'HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na'),
  complete('204', 'HTTP/1.1 204 No Content\r\n\r\n'),
  complete('204 with zero length', 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n'),
  complete(
    '304 with the length of the body that it does not have',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  ),
  complete('answer to HEAD', ok('Content-Length: 5\r\n'), 'HEAD'),
  complete('chunked answer to HEAD', ok('Transfer-Encoding: chunked\r\n'), 'HEAD'),
  complete('answer to HEAD without framing', ok(''), 'HEAD'),
  complete('interim first', `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ok('Content-Length: 0\r\n')}`),
  complete('several interims', `${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(3)}${ok('Content-Length: 0\r\n')}`),
  complete('status above 599', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n'),
  open('no framing', ok('', 'abc')),
  open('HTTP/1.0 without length', 'HTTP/1.0 200 OK\r\n\r\nabc'),

  refused('another protocol', '220 mail.example ESMTP\r\n', 'HTTP_BAD_RESPONSE'),
  refused('a short line of another protocol', '+OK', 'HTTP_BAD_RESPONSE'),
  refused('version 2.0', 'HTTP/2.0 200 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('version 1.2', 'HTTP/1.2 200 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('status of two digits', 'HTTP/1.1 20 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('status below 100', 'HTTP/1.1 099 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('two spaces', 'HTTP/1.1  200 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('LF ends the line', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n', 'HTTP_RESPONSE_BARE_LF'),
  refused('CR in the line', 'HTTP/1.1 200 O\rK\r\n\r\n', 'HTTP_RESPONSE_BARE_CR'),
  refused('control byte in the reason', 'HTTP/1.1 200 \0\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('no space behind the status', 'HTTP/1.1 200X\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('lower case version', 'http/1.1 200 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('empty line before it', '\r\nHTTP/1.1 200 OK\r\n\r\n', 'HTTP_BAD_RESPONSE'),
  refused('endless reason', `HTTP/1.1 200 ${'a'.repeat(70_000)}`, 'HTTP_RESPONSE_HEAD_TOO_LARGE'),
  refused(
    'reason up to the bound',
    `HTTP/1.1 200 ${'a'.repeat(65_536 - 14)}\r`,
    'HTTP_RESPONSE_HEAD_TOO_LARGE',
  ),
  refused('endless head', ok(`X: ${'a'.repeat(70_000)}`), 'HTTP_RESPONSE_HEAD_TOO_LARGE'),
  refused('129 fields', ok('a: b\r\n'.repeat(129)), 'HTTP_RESPONSE_TOO_MANY_FIELDS'),
  refused('line folding', ok('X: a\r\n b\r\nContent-Length: 0\r\n'), 'HTTP_RESPONSE_OBS_FOLD'),
  refused('space before the colon', ok('Content-Length : 0\r\n'), 'HTTP_RESPONSE_SPACE_BEFORE_COLON'),
  refused('LF ends a field', ok('X: a\nContent-Length: 0\r\n'), 'HTTP_RESPONSE_BARE_LF'),
  refused('CR within a field', ok('X: a\rContent-Length: 0\r\n'), 'HTTP_RESPONSE_BARE_CR'),
  refused('no colon', ok('X\r\n'), 'HTTP_RESPONSE_BAD_FIELD_NAME'),
  refused('NUL in a value', ok('X: a\0\r\n'), 'HTTP_RESPONSE_BAD_FIELD_VALUE'),
  refused('Host twice', ok('Host: a\r\nHost: a\r\n'), 'HTTP_RESPONSE_REPEATED_HOST'),
  refused(
    'Content-Length as an option',
    ok('Connection: content-length\r\n'),
    'HTTP_RESPONSE_BAD_CONNECTION_OPTION',
  ),
  refused(
    'two lengths',
    ok('Content-Length: 1\r\nContent-Length: 1\r\n', 'a'),
    'HTTP_RESPONSE_REPEATED_CONTENT_LENGTH',
  ),
  refused('bad length', ok('Content-Length: 1, 1\r\n', 'a'), 'HTTP_RESPONSE_BAD_CONTENT_LENGTH'),
  refused('underscore', ok('Content_Length: 1\r\n', 'a'), 'HTTP_RESPONSE_AMBIGUOUS_FIELD_NAME'),
  refused(
    'length and coding',
    ok('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
    'HTTP_RESPONSE_CONTENT_LENGTH_WITH_TRANSFER_ENCODING',
  ),
  {
    ...refused(
      'length and coding of an answer to HEAD',
      ok('Content-Length: 1\r\nTransfer-Encoding: chunked\r\n'),
      'HTTP_RESPONSE_CONTENT_LENGTH_WITH_TRANSFER_ENCODING',
    ),
    method: 'HEAD',
  },
  refused(
    'unknown coding',
    ok('Transfer-Encoding: gzip, chunked\r\n'),
    'HTTP_RESPONSE_UNSUPPORTED_TRANSFER_ENCODING',
  ),
  refused(
    'coding twice',
    ok('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
    'HTTP_RESPONSE_UNSUPPORTED_TRANSFER_ENCODING',
  ),
  refused(
    'coding in HTTP/1.0',
    'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP_RESPONSE_TRANSFER_ENCODING_IN_1_0',
  ),
  refused(
    '204 with a length',
    'HTTP/1.1 204 No Content\r\nContent-Length: 1\r\n\r\na',
    'HTTP_RESPONSE_UNDUE_BODY',
  ),
  refused(
    '204 with a coding',
    'HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP_RESPONSE_UNDUE_BODY',
  ),
  refused(
    'interim with a length',
    'HTTP/1.1 100 Continue\r\nContent-Length: 1\r\n\r\n',
    'HTTP_RESPONSE_UNDUE_BODY',
  ),
  refused('101 that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\n\r\n', 'HTTP_UNEXPECTED_UPGRADE'),

  refused('bad chunk size', chunked('x\r\n'), 'HTTP_RESPONSE_BAD_CHUNK_SIZE', false),
  refused('space behind a chunk size', chunked('1 \r\na\r\n'), 'HTTP_RESPONSE_BAD_CHUNK_SIZE', false),
  refused('chunk size of 9 digits', chunked('000000001\r\na\r\n'), 'HTTP_RESPONSE_BAD_CHUNK_SIZE', false),
  refused('bad chunk end', chunked('1\r\nab\r\n'), 'HTTP_RESPONSE_BAD_CHUNK_END', false),
  refused('LF ends a chunk size', chunked('1\na\r\n'), 'HTTP_RESPONSE_BARE_LF', false),
  refused('bad extension', chunked('1; a\r\na\r\n'), 'HTTP_RESPONSE_BAD_CHUNK_EXTENSION', false),
  refused(
    'long extension',
    chunked(`1;${'a'.repeat(256)}\r\na\r\n`),
    'HTTP_RESPONSE_CHUNK_EXTENSION_TOO_LONG',
    false,
  ),
  refused(
    'forbidden trailer',
    chunked('0\r\nContent-Length: 1\r\n\r\n'),
    'HTTP_RESPONSE_FORBIDDEN_TRAILER',
    false,
  ),
  refused(
    'trailers over 8 KiB',
    chunked(`0\r\nX: ${'y'.repeat(8 * 1024)}\r\n\r\n`),
    'HTTP_RESPONSE_TRAILERS_TOO_LARGE',
    false,
  ),
]
