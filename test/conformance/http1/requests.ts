// One table of requests: bytes -> what becomes of them. Grouped as RFC 9112 is.
import { type HttpCode } from '../../../src/l7rules/http1/codes.ts'

export interface RequestCase {
  readonly name: string
  /** Latin-1. */
  readonly bytes: string
  /** `accepted`: judged and forwarded; else the code of the refusal. */
  readonly result: 'accepted' | HttpCode
  /** What the judge sees, when it is not evident. */
  readonly path?: string
  readonly host?: string
  /** What upstream gets, when it is not `bytes`. */
  readonly forwarded?: string
}

const HOST = 'Host: a.example\r\n'
const get = (fields: string): string => `GET / HTTP/1.1\r\n${HOST}${fields}\r\n`
const post = (fields: string, body = ''): string => `POST / HTTP/1.1\r\n${HOST}${fields}\r\n${body}`
const target = (bytes: string): string => `GET ${bytes} HTTP/1.1\r\n${HOST}\r\n`
const hosted = (host: string): string => `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
const chunked = (body: string): string => post('Transfer-Encoding: chunked\r\n', body)

const accepted = (name: string, bytes: string, more: Partial<RequestCase> = {}): RequestCase => ({
  name,
  bytes,
  result: 'accepted',
  ...more,
})
const refused = (name: string, bytes: string, result: HttpCode): RequestCase => ({ name, bytes, result })

const METHODS: readonly RequestCase[] = [
  accepted('GET', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', { path: '/', host: 'a' }),
  accepted('every token byte', `a!#$%&'*+-.^_\`|~9Z / HTTP/1.1\r\n${HOST}\r\n`),
  accepted('32 bytes', `${'M'.repeat(32)} / HTTP/1.1\r\n${HOST}\r\n`),
  refused('33 bytes', `${'M'.repeat(33)} / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_METHOD_TOO_LONG'),
  refused('endless', 'M'.repeat(70_000), 'HTTP_METHOD_TOO_LONG'),
  refused('empty', ` / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('leading CRLF', `\r\nGET / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_LEADING_EMPTY_LINE'),
  refused('leading LF', `\nGET / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_LEADING_EMPTY_LINE'),
  refused('separator', `GE,T / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('NUL', `GE\0T / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('high byte', `G\xc9T / HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('TAB behind it', `GET\t/ HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_METHOD'),
  refused('TLS ClientHello', '\x16\x03\x01\x02\x00\x01\x00', 'HTTP_TLS_CLIENT_HELLO'),
  refused('HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP_H2_PREFACE'),
  refused('SSH', 'SSH-2.0-OpenSSH_9.6\r\n', 'HTTP_BAD_METHOD'),
]

const TARGETS: readonly RequestCase[] = [
  accepted('origin-form with query', target('/a/b?c=d&e'), { path: '/a/b?c=d&e' }),
  accepted('empty query', target('/?'), { path: '/?' }),
  accepted('query is left alone', target('/a?x=%2e%zz//../\\|'), { path: '/a?x=%2e%zz//../\\|' }),
  accepted('second question mark', target('/a??b?'), { path: '/a??b?' }),
  accepted('every path byte', target("/-._~!$&'()*+,;=:@"), { path: "/-._~!$&'()*+,;=:@" }),
  refused('empty', `GET  HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_TARGET'),
  refused('two spaces before it', target(' /'), 'HTTP_BAD_TARGET'),
  refused('two spaces behind it', target('/ '), 'HTTP_BAD_REQUEST_LINE'),
  refused('fragment', target('/a#b'), 'HTTP_BAD_TARGET'),
  refused('fragment in query', target('/a?#b'), 'HTTP_BAD_TARGET'),
  refused('high byte', target('/\xe4'), 'HTTP_BAD_TARGET'),
  refused('DEL', target('/\x7f'), 'HTTP_BAD_TARGET'),
  refused('NUL in query', target('/?\0'), 'HTTP_BAD_TARGET'),
  refused('TAB', target('/\t'), 'HTTP_BAD_TARGET'),
  refused('no slash', target('a/b'), 'HTTP_BAD_TARGET'),
  refused('query only', target('?a'), 'HTTP_BAD_TARGET'),
  refused('asterisk in GET', target('*'), 'HTTP_ASTERISK_WITHOUT_OPTIONS'),
  accepted('asterisk in OPTIONS', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, { path: '*' }),
  refused('asterisk and more', `OPTIONS *a HTTP/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_TARGET'),
  accepted('request line of 32 KiB', target(`/${'a'.repeat(32 * 1024 - 16)}`)),
  refused(
    'request line of 32 KiB + 1',
    target(`/${'a'.repeat(32 * 1024 - 15)}`),
    'HTTP_REQUEST_LINE_TOO_LONG',
  ),
  refused('endless target', `GET /${'a'.repeat(70_000)}`, 'HTTP_REQUEST_LINE_TOO_LONG'),
  refused('endless query', `GET /?${'a'.repeat(70_000)}`, 'HTTP_REQUEST_LINE_TOO_LONG'),
]

const ABSOLUTE_FORM: readonly RequestCase[] = [
  accepted('with path', target('http://a.example/b?c'), { path: '/b?c', host: 'a.example' }),
  accepted('any case', target('HTTP://A.Example/b'), { path: '/b', host: 'A.Example' }),
  accepted('without path', target('http://a.example'), {
    path: '/',
    forwarded: target('http://a.example/'),
  }),
  accepted('query without path', target('http://a.example?c'), {
    path: '/?c',
    forwarded: target('http://a.example/?c'),
  }),
  accepted('path not in normal form', target('http://a.example/b/../c'), {
    path: '/c',
    forwarded: target('http://a.example/c'),
  }),
  accepted('HTTP/1.0 without Host', 'GET http://b/ HTTP/1.0\r\n\r\n', { path: '/', host: 'b' }),
  refused('other host than Host', target('http://b.example/'), 'HTTP_HOST_MISMATCH'),
  refused('port that Host lacks', target('http://a.example:80/'), 'HTTP_HOST_MISMATCH'),
  refused('user information', target('http://u@a.example/'), 'HTTP_BAD_HOST'),
  refused('empty authority', target('http:///b'), 'HTTP_BAD_HOST'),
  refused('https', target('https://a.example/'), 'HTTP_BAD_TARGET'),
  refused('ftp', target('ftp://a.example/'), 'HTTP_BAD_TARGET'),
  refused('no scheme', target('http:/a.example/'), 'HTTP_BAD_TARGET'),
  refused('nothing behind the scheme', target('http://'), 'HTTP_BAD_TARGET'),
]

const CONNECT: readonly RequestCase[] = [
  accepted('authority-form', 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n', { path: '', host: 'a:443' }),
  accepted('IPv6', 'CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n', { path: '' }),
  accepted('Host without the port', 'CONNECT a:443 HTTP/1.1\r\nHost: A\r\n\r\n', { path: '', host: 'a:443' }),
  accepted('IPv6, Host without the port', 'CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]\r\n\r\n', { path: '' }),
  refused(
    'no rule allows it',
    'CONNECT deny:443 HTTP/1.1\r\nHost: deny:443\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'HTTP_CONNECT_NOT_ALLOWED',
  ),
  refused('other port in Host', 'CONNECT a:443 HTTP/1.1\r\nHost: a:80\r\n\r\n', 'HTTP_HOST_MISMATCH'),
  refused('origin-form', 'CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP_BAD_CONNECT_TARGET'),
  refused('without port', 'CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n', 'HTTP_BAD_CONNECT_TARGET'),
  refused('absolute-form', 'CONNECT http://a:1/ HTTP/1.1\r\nHost: a:1\r\n\r\n', 'HTTP_BAD_CONNECT_TARGET'),
  refused('other Host', 'CONNECT a:443 HTTP/1.1\r\nHost: b:443\r\n\r\n', 'HTTP_HOST_MISMATCH'),
  refused(
    'Content-Length',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\n',
    'HTTP_CONNECT_WITH_BODY',
  ),
  refused(
    'Transfer-Encoding',
    'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP_CONNECT_WITH_BODY',
  ),
  accepted('another method of seven letters', `CONSOLE / HTTP/1.1\r\n${HOST}\r\n`),
  refused('authority-form in GET', target('a:443'), 'HTTP_BAD_TARGET'),
]

const PATHS: readonly RequestCase[] = [
  accepted('dot segments', target('/a/./b/../c?d'), { path: '/a/c?d', forwarded: target('/a/c?d') }),
  accepted('encoded dot segments', target('/a/%2e%2E/b'), { path: '/b', forwarded: target('/b') }),
  accepted('double slashes', target('//a///b'), { path: '/a/b', forwarded: target('/a/b') }),
  accepted('unreserved escapes', target('/%61%7e'), { path: '/a~', forwarded: target('/a~') }),
  accepted('lower case escapes', target('/%c3%a4'), { path: '/%C3%A4', forwarded: target('/%C3%A4') }),
  accepted('encoded slash stays', target('/a%2Fb'), { path: '/a%2Fb' }),
  accepted('bytes that belong escaped', target('/a|b"{}'), {
    path: '/a%7Cb%22%7B%7D',
    forwarded: target('/a%7Cb%22%7B%7D'),
  }),
  accepted('dot file', target('/.well-known/x'), { path: '/.well-known/x' }),
  refused('malformed escape', target('/%4'), 'HTTP_BAD_PERCENT_ENCODING'),
  refused('escape without digits', target('/%zz'), 'HTTP_BAD_PERCENT_ENCODING'),
  refused('escaped NUL', target('/a%00b'), 'HTTP_PATH_NUL'),
  refused('backslash', target('/a\\b'), 'HTTP_PATH_BACKSLASH'),
  refused('escaped backslash', target('/a%5cb'), 'HTTP_PATH_BACKSLASH'),
  refused('above the root', target('/a/../../b'), 'HTTP_PATH_ABOVE_ROOT'),
  refused('above the root, encoded', target('/%2e%2e/b'), 'HTTP_PATH_ABOVE_ROOT'),
  refused('dots before an encoded slash', target('/a/..%2fb'), 'HTTP_PATH_HIDDEN_DOTS'),
  refused('dots between encoded slashes', target('/a%2F..%2Fb'), 'HTTP_PATH_HIDDEN_DOTS'),
  refused('dots with a parameter', target('/a/..;x/b'), 'HTTP_PATH_HIDDEN_DOTS'),
]

const VERSIONS: readonly RequestCase[] = [
  accepted('1.0 without Host', 'GET / HTTP/1.0\r\n\r\n', { host: '' }),
  accepted('1.0 with Host', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n', { host: 'a' }),
  refused('none (HTTP/0.9)', 'GET /\r\n\r\n', 'HTTP_BAD_REQUEST_LINE'),
  refused('1.2', `GET / HTTP/1.2\r\n${HOST}\r\n`, 'HTTP_UNSUPPORTED_VERSION'),
  refused('2.0', `GET / HTTP/2.0\r\n${HOST}\r\n`, 'HTTP_UNSUPPORTED_VERSION'),
  refused('0.9', `GET / HTTP/0.9\r\n${HOST}\r\n`, 'HTTP_UNSUPPORTED_VERSION'),
  refused('lower case', `GET / http/1.1\r\n${HOST}\r\n`, 'HTTP_BAD_REQUEST_LINE'),
  refused('two digits', `GET / HTTP/1.10\r\n${HOST}\r\n`, 'HTTP_BAD_REQUEST_LINE'),
  refused('space behind it', `GET / HTTP/1.1 \r\n${HOST}\r\n`, 'HTTP_BAD_REQUEST_LINE'),
  refused('LF only', `GET / HTTP/1.1\n${HOST}\r\n`, 'HTTP_BARE_LF'),
  refused('CR only', `GET / HTTP/1.1\r${HOST}\r\n`, 'HTTP_BARE_CR'),
  refused('CR CR LF', `GET / HTTP/1.1\r\r\n${HOST}\r\n`, 'HTTP_BARE_CR'),
]

const FIELDS: readonly RequestCase[] = [
  accepted('white space around values', get('X: \t a b \t\r\n')),
  accepted('empty value', get('X:\r\n')),
  accepted('high bytes in values', get('X: \xe4\xff\r\n')),
  accepted('colons in values', get('X: a:b:c\r\n')),
  accepted('128 fields', `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(127)}\r\n`),
  refused('129 fields', `GET / HTTP/1.1\r\n${HOST}${'a: b\r\n'.repeat(128)}\r\n`, 'HTTP_TOO_MANY_FIELDS'),
  refused('LF only', get('X: a\n'), 'HTTP_BARE_LF'),
  refused('LF ends a name', get('X\nY: a\r\n'), 'HTTP_BARE_LF'),
  refused('LF ends the head', `GET / HTTP/1.1\r\n${HOST}\n`, 'HTTP_BARE_LF'),
  refused('CR only', get('X: a\rY: b\r\n'), 'HTTP_BARE_CR'),
  refused('CR only ends the head', `GET / HTTP/1.1\r\n${HOST}\rX`, 'HTTP_BARE_CR'),
  refused('line folding', get('X: a\r\n b\r\n'), 'HTTP_OBS_FOLD'),
  refused('line folding by TAB', get('X: a\r\n\tb\r\n'), 'HTTP_OBS_FOLD'),
  refused('white space before the first field', `GET / HTTP/1.1\r\n ${HOST}\r\n`, 'HTTP_OBS_FOLD'),
  refused('space before the colon', get('X : a\r\n'), 'HTTP_SPACE_BEFORE_COLON'),
  refused('TAB before the colon', get('X\t: a\r\n'), 'HTTP_SPACE_BEFORE_COLON'),
  refused(
    'space before the colon of Content-Length',
    post('Content-Length : 5\r\n', 'abcde'),
    'HTTP_SPACE_BEFORE_COLON',
  ),
  refused('empty name', get(': a\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('no colon', get('X\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('separator in name', get('X(Y: a\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('high byte in name', get('X\xe4: a\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('NUL in name', get('X\0: a\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('NUL in value', get('X: a\0b\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused('control byte in value', get('X: a\x0bb\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused('DEL in value', get('X: a\x7fb\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused('head over 64 KiB', get(`X: ${'a'.repeat(65_536)}\r\n`), 'HTTP_HEAD_TOO_LARGE'),
  refused('endless name', get('X'.repeat(70_000)), 'HTTP_HEAD_TOO_LARGE'),
  refused('endless white space', get(`X:${' '.repeat(70_000)}`), 'HTTP_HEAD_TOO_LARGE'),
]

const HOSTS: readonly RequestCase[] = [
  accepted('name with port', hosted('a-b_c.example:8080'), { host: 'a-b_c.example:8080' }),
  accepted('IPv4', hosted('10.0.0.1:80')),
  accepted('IPv6', hosted('[2001:db8::1]')),
  accepted('IPv6 with port', hosted('[::ffff:10.0.0.1]:65535')),
  accepted('white space around it', hosted(' \ta \t'), { host: 'a' }),
  accepted('name in any case', 'GET / HTTP/1.1\r\nhOsT: a\r\n\r\n', { host: 'a' }),
  refused('missing', 'GET / HTTP/1.1\r\n\r\n', 'HTTP_MISSING_HOST'),
  refused('repeated', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 'HTTP_REPEATED_HOST'),
  refused('repeated in HTTP/1.0', `GET / HTTP/1.0\r\n${HOST}${HOST}\r\n`, 'HTTP_REPEATED_HOST'),
  refused('empty', hosted(''), 'HTTP_BAD_HOST'),
  refused('port only', hosted(':80'), 'HTTP_BAD_HOST'),
  refused('empty port', hosted('a:'), 'HTTP_BAD_HOST'),
  refused('port above 65535', hosted('a:65536'), 'HTTP_BAD_HOST'),
  refused('port of 6 digits', hosted('a:000080'), 'HTTP_BAD_HOST'),
  refused('port that is no number', hosted('a:b'), 'HTTP_BAD_HOST'),
  refused('list', hosted('a, b'), 'HTTP_BAD_HOST'),
  refused('space within', hosted('a b'), 'HTTP_BAD_HOST'),
  refused('slash', hosted('a/b'), 'HTTP_BAD_HOST'),
  refused('at sign', hosted('u@a'), 'HTTP_BAD_HOST'),
  refused('percent', hosted('%61'), 'HTTP_BAD_HOST'),
  refused('high byte', hosted('\xe4'), 'HTTP_BAD_HOST'),
  refused('URI', hosted('http://a'), 'HTTP_BAD_HOST'),
  refused('IPv6 without brackets', hosted('::1'), 'HTTP_BAD_HOST'),
  refused('open bracket', hosted('[::1'), 'HTTP_BAD_HOST'),
  refused('IPv6 of 9 groups', hosted('[1:2:3:4:5:6:7:8:9]'), 'HTTP_BAD_HOST'),
  refused('IPv6 with zone', hosted('[fe80::1%25eth0]'), 'HTTP_BAD_HOST'),
  refused('bytes behind the bracket', hosted('[::1]a'), 'HTTP_BAD_HOST'),
]

const LENGTHS: readonly RequestCase[] = [
  accepted('body', post('Content-Length: 5\r\n', 'abcde')),
  accepted('no body', post('Content-Length: 0\r\n')),
  accepted('leading zeros', post('Content-Length: 005\r\n', 'abcde')),
  accepted('body of GET', `GET / HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nab`),
  accepted('body that looks like a request', post('Content-Length: 18\r\n', 'GET / HTTP/1.1\r\n\r\n')),
  refused('empty', post('Content-Length:\r\n'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('sign', post('Content-Length: +5\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('negative', post('Content-Length: -5\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('list', post('Content-Length: 5, 5\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('hexadecimal', post('Content-Length: 0x5\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('fraction', post('Content-Length: 5.0\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('space within', post('Content-Length: 5 5\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('TAB behind it', post('Content-Length: 5\t\r\n', 'abcde'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused('16 digits', post('Content-Length: 1000000000000000\r\n'), 'HTTP_BAD_CONTENT_LENGTH'),
  refused(
    'repeated',
    post('Content-Length: 5\r\nContent-Length: 5\r\n', 'abcde'),
    'HTTP_REPEATED_CONTENT_LENGTH',
  ),
  refused('underscore', post('Content_Length: 5\r\n', 'abcde'), 'HTTP_AMBIGUOUS_FIELD_NAME'),
]

const TRANSFER_ENCODINGS: readonly RequestCase[] = [
  accepted('chunked', chunked('5\r\nabcde\r\n0\r\n\r\n')),
  accepted('any case', post('transfer-ENCODING:  Chunked \r\n', '0\r\n\r\n')),
  refused('TAB before it', post('Transfer-Encoding:\tchunked\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused('TAB behind it', post('Transfer-Encoding: chunked\t\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused(
    'behind Content-Length',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    'HTTP_CONTENT_LENGTH_WITH_TRANSFER_ENCODING',
  ),
  refused(
    'before Content-Length',
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    'HTTP_CONTENT_LENGTH_WITH_TRANSFER_ENCODING',
  ),
  refused('gzip', post('Transfer-Encoding: gzip\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused(
    'gzip, chunked',
    post('Transfer-Encoding: gzip, chunked\r\n'),
    'HTTP_UNSUPPORTED_TRANSFER_ENCODING',
  ),
  refused('identity', post('Transfer-Encoding: identity\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused('xchunked', post('Transfer-Encoding: xchunked\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused('quoted', post('Transfer-Encoding: "chunked"\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused('empty', post('Transfer-Encoding:\r\n'), 'HTTP_UNSUPPORTED_TRANSFER_ENCODING'),
  refused('vertical tab', post('Transfer-Encoding: \x0bchunked\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused(
    'repeated',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'),
    'HTTP_UNSUPPORTED_TRANSFER_ENCODING',
  ),
  refused(
    'HTTP/1.0',
    'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'HTTP_TRANSFER_ENCODING_IN_1_0',
  ),
  refused('underscore', post('Transfer_Encoding: chunked\r\n'), 'HTTP_AMBIGUOUS_FIELD_NAME'),
]

const CHUNKS: readonly RequestCase[] = [
  accepted('hexadecimal in any case', chunked(`aA\r\n${'x'.repeat(0xaa)}\r\n0\r\n\r\n`)),
  accepted('8 digits', chunked('00000001\r\nx\r\n00000000\r\n\r\n')),
  accepted('extensions', chunked('1;a=b;c="d;e"\r\nx\r\n0;f\r\n\r\n')),
  accepted('trailers', chunked('0\r\nX-Checksum: 1\r\nY:\r\n\r\n')),
  refused('no digits', chunked('\r\n\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('9 digits', chunked('000000001\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('0x', chunked('0x1\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('sign', chunked('+1\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('space before', chunked(' 1\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('space behind', chunked('1 \r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('space before an extension', chunked('1 ;a\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('no hexadecimal digit', chunked('1g\r\nx\r\n'), 'HTTP_BAD_CHUNK_SIZE'),
  refused('size ends with LF', chunked('1\nx\r\n'), 'HTTP_BARE_LF'),
  refused('size ends with CR', chunked('1\rx\r\n'), 'HTTP_BARE_CR'),
  refused('extension ends with LF', chunked('1;a\nx\r\n'), 'HTTP_BARE_LF'),
  refused('control byte in extension', chunked('1;a\0\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  accepted('escape in an extension', chunked('1;a="\\"\t ";b\r\nx\r\n0\r\n\r\n')),
  refused('empty extension', chunked('1;\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  refused('space in an extension', chunked('1; a\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  refused('extension without value', chunked('1;a=\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  refused('byte behind a quoted value', chunked('1;a="b"c\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  refused('line end in a quoted value', chunked('1;a="b\r\nx\r\n'), 'HTTP_BAD_CHUNK_EXTENSION'),
  accepted('extensions of 256 bytes', chunked(`1;${'a'.repeat(255)}\r\nx\r\n0\r\n\r\n`)),
  refused(
    'extensions of 257 bytes',
    chunked(`1;${'a'.repeat(256)}\r\nx\r\n`),
    'HTTP_CHUNK_EXTENSION_TOO_LONG',
  ),
  refused('data too long', chunked('1\r\nxy\r\n'), 'HTTP_BAD_CHUNK_END'),
  refused('data ends with LF', chunked('1\r\nx\n0\r\n\r\n'), 'HTTP_BAD_CHUNK_END'),
  refused('data ends with CR', chunked('1\r\nx\r0\r\n\r\n'), 'HTTP_BAD_CHUNK_END'),
  refused('body ends with LF', chunked('0\r\n\n'), 'HTTP_BARE_LF'),
  refused('body ends with CR', chunked('0\r\n\rX'), 'HTTP_BARE_CR'),
]

const TRAILERS: readonly RequestCase[] = [
  refused('Content-Length', chunked('0\r\nContent-Length: 5\r\n\r\n'), 'HTTP_FORBIDDEN_TRAILER'),
  refused('Transfer-Encoding', chunked('0\r\nTransfer-Encoding: chunked\r\n\r\n'), 'HTTP_FORBIDDEN_TRAILER'),
  refused('Host', chunked('0\r\nX: y\r\nhost: b\r\n\r\n'), 'HTTP_FORBIDDEN_TRAILER'),
  refused('underscore', chunked('0\r\nCONTENT_LENGTH: 5\r\n\r\n'), 'HTTP_FORBIDDEN_TRAILER'),
  refused('Authorization', chunked('0\r\nAuthorization: x\r\n\r\n'), 'HTTP_FORBIDDEN_TRAILER'),
  accepted('longer name that begins like one', chunked('0\r\nProxy-Authorization-Info: x\r\n\r\n')),
  refused('line folding', chunked('0\r\nX: y\r\n z\r\n\r\n'), 'HTTP_OBS_FOLD'),
  refused('space before the colon', chunked('0\r\nX : y\r\n\r\n'), 'HTTP_SPACE_BEFORE_COLON'),
  refused('name', chunked('0\r\nX(: y\r\n\r\n'), 'HTTP_BAD_FIELD_NAME'),
  refused('control byte', chunked('0\r\nX: \x01\r\n\r\n'), 'HTTP_BAD_FIELD_VALUE'),
  refused('LF only', chunked('0\r\nX: y\n\r\n'), 'HTTP_BARE_LF'),
  refused('CR only', chunked('0\r\nX: y\rz\r\n\r\n'), 'HTTP_BARE_CR'),
  refused('over 8 KiB', chunked(`0\r\nX: ${'y'.repeat(8 * 1024)}\r\n\r\n`), 'HTTP_TRAILERS_TOO_LARGE'),
]

const CONNECTION: readonly RequestCase[] = [
  accepted('options', get('Connection: close, , TE ,keep-alive\r\n')),
  accepted('Upgrade without its option', get('Upgrade: websocket\r\n')),
  refused(
    'Content-Length as an option',
    get('Connection: close, content-length\r\n'),
    'HTTP_BAD_CONNECTION_OPTION',
  ),
  refused('Host as an option', get('Connection: Host\r\n'), 'HTTP_BAD_CONNECTION_OPTION'),
  refused('h2c', get('Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n'), 'HTTP_H2C_UPGRADE'),
  refused('h2c in a list', get('Upgrade: websocket, H2C\r\n'), 'HTTP_H2C_UPGRADE'),
  refused('HTTP/2.0', get('Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n'), 'HTTP_H2C_UPGRADE'),
  refused('HTTP2-Settings', get('HTTP2-Settings: AAMAAABkAAQAAP__\r\n'), 'HTTP_H2C_UPGRADE'),
  accepted('unknown expectation', get('Expect: x\r\n')),
]

export const REQUEST_GROUPS: Readonly<Record<string, readonly RequestCase[]>> = {
  METHODS,
  TARGETS,
  ABSOLUTE_FORM,
  CONNECT,
  PATHS,
  VERSIONS,
  FIELDS,
  HOSTS,
  LENGTHS,
  TRANSFER_ENCODINGS,
  CHUNKS,
  TRAILERS,
  CONNECTION,
}
