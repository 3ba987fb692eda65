// What a client or a server may not do, and what it may, with the outcome. One table; see http2.test.ts.
import { type Http2Code } from '../../../src/l7rules/http2/codes.ts'
import { type HttpCode } from '../../../src/l7rules/http1/codes.ts'
import {
  ACK,
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  GOAWAY,
  HAS_PRIORITY,
  HEADERS,
  PADDED,
  PING,
  PREFACE,
  PRIORITY,
  PUSH_PROMISE,
  RST_STREAM,
  SETTINGS,
  WINDOW_UPDATE,
} from '../../../src/l7rules/http2/frames.ts'
import {
  block,
  CLIENT_PREFACE,
  data,
  type Fields,
  frame,
  get,
  goaway,
  headers,
  ping,
  post,
  requestFields,
  respond,
  rst,
  SERVER_PREFACE,
  settings,
  SETTINGS_ACK,
  u32Bytes,
  windowUpdate,
} from './wire.ts'

export type Outcome =
  | { readonly kind: 'passes' }
  /** GOAWAY to the client, upstream aborted. */
  | { readonly kind: 'connection'; readonly code: Http2Code }
  /** RST_STREAM to the client, and to the server if it knows the stream. */
  | { readonly kind: 'stream'; readonly code: Http2Code | HttpCode }
  /** A response of ours. */
  | { readonly kind: 'status'; readonly code: HttpCode }

export interface Case {
  readonly name: string
  /** Behind the prefaces. */
  readonly client: readonly Buffer[]
  /** Comes after the client's frames. */
  readonly server?: readonly Buffer[]
  /** Of the last frame of `server`, or else of `client`. */
  readonly outcome: Outcome
  /** Instead of the usual ones. */
  readonly prefaces?: readonly [Buffer, Buffer]
  /** Frames in the client's direction that go no further though all is well. */
  readonly dropped?: readonly Buffer[]
}

const PASSES: Outcome = { kind: 'passes' }
const connection = (code: Http2Code): Outcome => ({ kind: 'connection', code })
const stream = (code: Http2Code | HttpCode): Outcome => ({ kind: 'stream', code })
const status = (code: HttpCode): Outcome => ({ kind: 'status', code })

const requestOf = (fields: Fields, flags = END_STREAM): Buffer => headers(1, block(fields), flags)
/** The usual request with other pseudo-header fields; undefined leaves one out. */
const pseudo = (changes: Readonly<Record<string, string | undefined>>): Fields => {
  const fields: Readonly<Record<string, string | undefined>> = {
    ':method': 'GET',
    ':scheme': 'http',
    ':authority': 'a.example',
    ':path': '/',
    ...changes,
  }
  return Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, value] as const],
  )
}
const plain = block(requestFields('/'))
const padded = (payload: Buffer, padding: number): Buffer =>
  Buffer.concat([Buffer.from([padding]), payload, Buffer.alloc(padding)])
const many = (count: number, one: Buffer): Buffer[] => new Array<Buffer>(count).fill(one)

const PREFACES: readonly Case[] = [
  {
    name: 'SETTINGS of the client without ENABLE_PUSH',
    client: [],
    prefaces: [Buffer.concat([PREFACE, settings()]), SERVER_PREFACE],
    outcome: PASSES,
  },
  {
    name: 'another frame before SETTINGS of the client',
    client: [],
    prefaces: [Buffer.concat([PREFACE, ping()]), SERVER_PREFACE],
    outcome: connection('HTTP2_BAD_PREFACE'),
  },
  {
    name: 'an acknowledgement before SETTINGS of the client',
    client: [],
    prefaces: [Buffer.concat([PREFACE, SETTINGS_ACK]), SERVER_PREFACE],
    outcome: connection('HTTP2_BAD_PREFACE'),
  },
  {
    name: 'no preface',
    client: [],
    prefaces: [Buffer.concat([Buffer.alloc(24), settings()]), SERVER_PREFACE],
    outcome: connection('HTTP2_BAD_PREFACE'),
  },
  {
    name: 'a server of HTTP/1.1',
    client: [],
    prefaces: [CLIENT_PREFACE, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    outcome: connection('HTTP2_BAD_PREFACE'),
  },
]

const FRAMES: readonly Case[] = [
  { name: 'GET', client: [get(1, '/')], outcome: PASSES },
  { name: 'DATA on stream 0', client: [data(0, 'x')], outcome: connection('HTTP2_BAD_STREAM_ID') },
  { name: 'HEADERS on stream 0', client: [headers(0, plain)], outcome: connection('HTTP2_BAD_STREAM_ID') },
  { name: 'RST_STREAM on stream 0', client: [rst(0)], outcome: connection('HTTP2_BAD_STREAM_ID') },
  {
    name: 'PRIORITY on stream 0',
    client: [frame(PRIORITY, 0, 0, Buffer.alloc(5))],
    outcome: connection('HTTP2_BAD_STREAM_ID'),
  },
  {
    name: 'SETTINGS on a stream',
    client: [frame(SETTINGS, 0, 1)],
    outcome: connection('HTTP2_BAD_STREAM_ID'),
  },
  {
    name: 'PING on a stream',
    client: [frame(PING, 0, 1, Buffer.alloc(8))],
    outcome: connection('HTTP2_BAD_STREAM_ID'),
  },
  {
    name: 'GOAWAY on a stream',
    client: [frame(GOAWAY, 0, 1, Buffer.alloc(8))],
    outcome: connection('HTTP2_BAD_STREAM_ID'),
  },
  { name: 'an even stream', client: [headers(2, plain)], outcome: connection('HTTP2_BAD_STREAM_ID') },
  {
    name: 'the reserved bit of a stream identifier',
    client: [
      Buffer.concat([get(1, '/').subarray(0, 5), Buffer.from([0x80, 0, 0, 1]), get(1, '/').subarray(9)]),
    ],
    outcome: PASSES,
  },
  {
    name: 'a frame of 16,384 bytes',
    client: [post(1, '/'), data(1, Buffer.alloc(16_384))],
    outcome: PASSES,
  },
  {
    name: 'a frame of 16,385 bytes',
    client: [post(1, '/'), data(1, Buffer.alloc(16_385))],
    outcome: connection('HTTP2_FRAME_TOO_LARGE'),
  },
  {
    name: 'a frame of 16,385 bytes that the server allows',
    client: [post(1, '/'), data(1, Buffer.alloc(16_385))],
    prefaces: [CLIENT_PREFACE, settings([5, 16_385])],
    outcome: PASSES,
  },
  {
    name: 'PING of 7 bytes',
    client: [frame(PING, 0, 0, Buffer.alloc(7))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'RST_STREAM of 3 bytes',
    client: [get(1, '/'), frame(RST_STREAM, 0, 1, Buffer.alloc(3))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'WINDOW_UPDATE of 5 bytes',
    client: [frame(WINDOW_UPDATE, 0, 0, Buffer.alloc(5))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'PRIORITY of 4 bytes',
    client: [frame(PRIORITY, 0, 1, Buffer.alloc(4))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'GOAWAY of 7 bytes',
    client: [frame(GOAWAY, 0, 0, Buffer.alloc(7))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'SETTINGS of 5 bytes',
    client: [frame(SETTINGS, 0, 0, Buffer.alloc(5))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'an acknowledgement with settings',
    client: [frame(SETTINGS, ACK, 0, Buffer.alloc(6))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'PUSH_PROMISE of the client',
    client: [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.alloc(4))],
    outcome: connection('HTTP2_PUSH'),
  },
  {
    name: 'PUSH_PROMISE of the server',
    client: [get(1, '/')],
    server: [frame(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([u32Bytes(2), plain]))],
    outcome: connection('HTTP2_PUSH'),
  },
  { name: 'PING', client: [ping()], outcome: PASSES },
  { name: 'GOAWAY with debug data', client: [goaway(0, 0, 'bye')], outcome: PASSES },
  {
    name: 'GOAWAY of the server',
    client: [get(1, '/')],
    server: [goaway(1, 0), respond(1)],
    outcome: PASSES,
  },
  {
    name: 'a frame of an unknown type',
    client: [frame(0xfe, 0xff, 5, Buffer.from('whatever')), get(1, '/')],
    dropped: [frame(0xfe, 0xff, 5, Buffer.from('whatever'))],
    outcome: PASSES,
  },
  {
    name: 'PRIORITY on idle streams',
    client: [frame(PRIORITY, 0, 7, Buffer.from([0, 0, 0, 3, 9])), get(1, '/')],
    dropped: [frame(PRIORITY, 0, 7, Buffer.from([0, 0, 0, 3, 9]))],
    outcome: PASSES,
  },
]

const SETTINGS_CASES: readonly Case[] = [
  { name: 'an unknown setting', client: [settings([0xfefe, 1])], outcome: PASSES },
  { name: 'ENABLE_PUSH = 2', client: [settings([2, 2])], outcome: connection('HTTP2_BAD_SETTING') },
  {
    name: 'ENABLE_PUSH = 1 of a server',
    client: [],
    server: [settings([2, 1])],
    outcome: connection('HTTP2_BAD_SETTING'),
  },
  {
    name: 'MAX_FRAME_SIZE = 16,383',
    client: [settings([5, 16_383])],
    outcome: connection('HTTP2_BAD_SETTING'),
  },
  {
    name: 'MAX_FRAME_SIZE = 2^24',
    client: [settings([5, 2 ** 24])],
    outcome: connection('HTTP2_BAD_SETTING'),
  },
  {
    name: 'INITIAL_WINDOW_SIZE = 2^31',
    client: [settings([4, 2 ** 31])],
    outcome: connection('HTTP2_BAD_INITIAL_WINDOW'),
  },
  {
    name: 'ENABLE_CONNECT_PROTOCOL = 2',
    client: [],
    server: [settings([8, 2])],
    outcome: connection('HTTP2_BAD_SETTING'),
  },
  {
    name: 'ENABLE_CONNECT_PROTOCOL taken back',
    client: [],
    server: [settings([8, 1]), settings([8, 0])],
    outcome: connection('HTTP2_BAD_SETTING'),
  },
  {
    name: 'an acknowledgement of nothing',
    client: [SETTINGS_ACK],
    outcome: connection('HTTP2_UNEXPECTED_ACK'),
  },
  {
    name: '65 settings in a frame',
    client: [settings(...new Array<[number, number]>(65).fill([3, 1]))],
    outcome: connection('HTTP2_SETTINGS_FLOOD'),
  },
  {
    name: '33 SETTINGS without acknowledgement',
    client: many(33, settings([3, 1])),
    outcome: connection('HTTP2_SETTINGS_FLOOD'),
  },
]

const BLOCKS: readonly Case[] = [
  {
    name: 'a header block in three frames, one of them empty',
    client: [
      frame(HEADERS, END_STREAM, 1, plain.subarray(0, 3)),
      frame(CONTINUATION, 0, 1),
      frame(CONTINUATION, END_HEADERS, 1, plain.subarray(3)),
    ],
    outcome: PASSES,
  },
  {
    name: 'a header block padded and with priority',
    client: [
      frame(
        HEADERS,
        END_STREAM | END_HEADERS | PADDED | HAS_PRIORITY,
        1,
        padded(Buffer.concat([Buffer.from([0, 0, 0, 0, 16]), plain]), 20),
      ),
    ],
    outcome: PASSES,
  },
  {
    name: 'padding longer than HEADERS',
    client: [frame(HEADERS, END_STREAM | END_HEADERS | PADDED, 1, Buffer.from([9, 0x82]))],
    outcome: connection('HTTP2_BAD_PADDING'),
  },
  {
    name: 'padding that takes the place of the priority',
    client: [frame(HEADERS, END_HEADERS | PADDED | HAS_PRIORITY, 1, Buffer.from([3, 0, 0, 0, 0, 0]))],
    outcome: connection('HTTP2_BAD_PADDING'),
  },
  {
    name: 'HEADERS too short for padding',
    client: [frame(HEADERS, END_HEADERS | PADDED, 1)],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'HEADERS too short for priority',
    client: [frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, Buffer.alloc(4))],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'HEADERS that depend on themselves',
    client: [
      frame(
        HEADERS,
        END_STREAM | END_HEADERS | HAS_PRIORITY,
        1,
        Buffer.concat([Buffer.from([0x80, 0, 0, 1, 16]), plain]),
      ),
    ],
    outcome: stream('HTTP2_SELF_DEPENDENCY'),
  },
  {
    name: 'CONTINUATION without HEADERS',
    client: [frame(CONTINUATION, END_HEADERS, 1)],
    outcome: connection('HTTP2_UNEXPECTED_CONTINUATION'),
  },
  {
    name: 'CONTINUATION after the end of the block',
    client: [get(1, '/'), frame(CONTINUATION, END_HEADERS, 1)],
    outcome: connection('HTTP2_UNEXPECTED_CONTINUATION'),
  },
  {
    name: 'CONTINUATION of another stream',
    client: [frame(HEADERS, 0, 1, plain), frame(CONTINUATION, END_HEADERS, 3)],
    outcome: connection('HTTP2_EXPECTED_CONTINUATION'),
  },
  {
    name: 'PING within a header block',
    client: [frame(HEADERS, 0, 1, plain), ping()],
    outcome: connection('HTTP2_EXPECTED_CONTINUATION'),
  },
  {
    name: '32 CONTINUATION frames',
    client: [
      frame(HEADERS, END_STREAM, 1, plain),
      ...many(31, frame(CONTINUATION, 0, 1)),
      frame(CONTINUATION, END_HEADERS, 1),
    ],
    outcome: PASSES,
  },
  {
    name: '33 CONTINUATION frames',
    client: [frame(HEADERS, 0, 1, plain), ...many(33, frame(CONTINUATION, 0, 1))],
    outcome: connection('HTTP2_TOO_MANY_CONTINUATIONS'),
  },
  {
    name: 'a header block of more than 64 KiB',
    client: [
      frame(HEADERS, 0, 1, Buffer.alloc(16_384)),
      ...many(4, frame(CONTINUATION, 0, 1, Buffer.alloc(16_384))),
    ],
    outcome: connection('HTTP2_BLOCK_TOO_LARGE'),
  },
  {
    name: 'a header block that is no HPACK',
    client: [headers(1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff]))],
    outcome: connection('HTTP2_BAD_BLOCK'),
  },
  {
    name: 'a header block that the server has not made whole',
    client: [get(1, '/')],
    server: [headers(1, Buffer.from([0x80]))],
    outcome: connection('HTTP2_BAD_BLOCK'),
  },
  {
    name: 'more than 128 fields',
    client: [get(1, '/', new Array<[string, string]>(129).fill(['x', 'y']))],
    outcome: status('HTTP_HEAD_TOO_LARGE'),
  },
  {
    name: '128 fields',
    client: [get(1, '/', new Array<[string, string]>(128).fill(['x', 'y']))],
    outcome: PASSES,
  },
]

const REQUESTS: readonly Case[] = [
  ...[':method', ':scheme', ':path'].flatMap((name): Case[] => [
    {
      name: `no ${name}`,
      client: [requestOf(pseudo({ [name]: undefined }))],
      outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
    },
    {
      name: `two ${name}`,
      client: [requestOf([...pseudo({}), [name, pseudo({}).find((pair) => pair[0] === name)![1]]])],
      outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
    },
  ]),
  {
    name: 'two :authority',
    client: [requestOf([...pseudo({}), [':authority', 'a.example']])],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: 'an empty :path',
    client: [requestOf(pseudo({ ':path': '' }))],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: 'a pseudo-header field behind another field',
    client: [requestOf([['x', 'y'], ...pseudo({})])],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: 'an unknown pseudo-header field',
    client: [requestOf([...pseudo({}), [':other', 'x']])],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: ':status in a request',
    client: [requestOf([...pseudo({}), [':status', '200']])],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: 'a strange scheme',
    client: [requestOf(pseudo({ ':scheme': 'ftp' }))],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  { name: 'scheme https', client: [requestOf(pseudo({ ':scheme': 'https' }))], outcome: PASSES },
  {
    name: 'an upper-case name',
    client: [get(1, '/', [['X-A', 'y']])],
    outcome: stream('HTTP2_BAD_FIELD_NAME'),
  },
  {
    name: 'a name with a space',
    client: [get(1, '/', [['x a', 'y']])],
    outcome: stream('HTTP2_BAD_FIELD_NAME'),
  },
  { name: 'an empty name', client: [get(1, '/', [['', 'y']])], outcome: stream('HTTP2_BAD_FIELD_NAME') },
  {
    name: 'a value with a line break',
    client: [get(1, '/', [['x', 'a\r\nb: c']])],
    outcome: stream('HTTP2_BAD_FIELD_VALUE'),
  },
  {
    name: 'a value with NUL',
    client: [get(1, '/', [['x', '\0']])],
    outcome: stream('HTTP2_BAD_FIELD_VALUE'),
  },
  {
    name: 'a value with a space in front',
    client: [get(1, '/', [['x', ' y']])],
    outcome: stream('HTTP2_BAD_FIELD_VALUE'),
  },
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map((name): Case => ({
    name,
    client: [get(1, '/', [[name, 'close']])],
    outcome: stream('HTTP2_CONNECTION_FIELD'),
  })),
  { name: 'TE: trailers', client: [get(1, '/', [['te', 'trailers']])], outcome: PASSES },
  { name: 'TE: gzip', client: [get(1, '/', [['te', 'gzip']])], outcome: stream('HTTP2_CONNECTION_FIELD') },
  { name: 'Host as :authority', client: [get(1, '/', [['host', 'A.example']])], outcome: PASSES },
  {
    name: 'Host alone',
    client: [requestOf([...pseudo({ ':authority': undefined }), ['host', 'a']])],
    outcome: PASSES,
  },
  { name: 'another Host', client: [get(1, '/', [['host', 'b']])], outcome: status('HTTP_HOST_MISMATCH') },
  {
    name: 'two Hosts',
    client: [
      get(1, '/', [
        ['host', 'a.example'],
        ['host', 'a.example'],
      ]),
    ],
    outcome: status('HTTP_REPEATED_HOST'),
  },
  {
    name: 'no host',
    client: [requestOf(pseudo({ ':authority': undefined }))],
    outcome: status('HTTP_MISSING_HOST'),
  },
  {
    name: 'user information',
    client: [requestOf(pseudo({ ':authority': 'u@a' }))],
    outcome: status('HTTP_BAD_HOST'),
  },
  {
    name: 'a path that is none',
    client: [requestOf(pseudo({ ':path': 'x' }))],
    outcome: status('HTTP_BAD_TARGET'),
  },
  {
    name: 'a path with a space',
    client: [requestOf(pseudo({ ':path': '/a b' }))],
    outcome: status('HTTP_BAD_TARGET'),
  },
  {
    name: 'a path with a fragment',
    client: [requestOf(pseudo({ ':path': '/a#b' }))],
    outcome: status('HTTP_BAD_TARGET'),
  },
  {
    name: 'a path above the root',
    client: [requestOf(pseudo({ ':path': '/../x' }))],
    outcome: status('HTTP_PATH_ABOVE_ROOT'),
  },
  {
    name: '"*" without OPTIONS',
    client: [requestOf(pseudo({ ':path': '*' }))],
    outcome: status('HTTP_ASTERISK_WITHOUT_OPTIONS'),
  },
  { name: 'OPTIONS *', client: [requestOf(pseudo({ ':path': '*', ':method': 'OPTIONS' }))], outcome: PASSES },
  {
    name: 'a method with a space',
    client: [requestOf(pseudo({ ':method': 'GE T' }))],
    outcome: status('HTTP_BAD_METHOD'),
  },
  {
    name: 'a method of 33 bytes',
    client: [requestOf(pseudo({ ':method': 'M'.repeat(33) }))],
    outcome: status('HTTP_METHOD_TOO_LONG'),
  },
  {
    name: 'content_length',
    client: [get(1, '/', [['content_length', '0']])],
    outcome: status('HTTP_AMBIGUOUS_FIELD_NAME'),
  },
  {
    name: 'CONNECT',
    client: [
      requestOf(
        [
          [':method', 'CONNECT'],
          [':authority', 'a:80'],
        ],
        0,
      ),
    ],
    outcome: PASSES,
  },
  {
    name: 'CONNECT with :path',
    client: [requestOf(pseudo({ ':method': 'CONNECT' }))],
    outcome: stream('HTTP2_BAD_PSEUDO_HEADER'),
  },
  {
    name: 'CONNECT without port',
    client: [
      requestOf([
        [':method', 'CONNECT'],
        [':authority', 'a'],
      ]),
    ],
    outcome: status('HTTP_BAD_CONNECT_TARGET'),
  },
  {
    name: 'an extended CONNECT that the server allows',
    client: [requestOf(pseudo({ ':method': 'CONNECT', ':protocol': 'websocket' }), 0)],
    prefaces: [CLIENT_PREFACE, settings([8, 1])],
    outcome: PASSES,
  },
  {
    name: 'an extended CONNECT that the server does not allow',
    client: [requestOf(pseudo({ ':method': 'CONNECT', ':protocol': 'websocket' }), 0)],
    outcome: stream('HTTP2_BAD_EXTENDED_CONNECT'),
  },
  {
    name: ':protocol without CONNECT',
    client: [requestOf(pseudo({ ':protocol': 'websocket' }), 0)],
    prefaces: [CLIENT_PREFACE, settings([8, 1])],
    outcome: stream('HTTP2_BAD_EXTENDED_CONNECT'),
  },
]

const length = (value: string): Fields => [['content-length', value]]
const BODIES: readonly Case[] = [
  {
    name: 'as long as said',
    client: [post(1, '/', length('3')), data(1, 'abc', END_STREAM)],
    outcome: PASSES,
  },
  {
    name: 'padding is not content',
    client: [post(1, '/', length('3')), frame(DATA, PADDED | END_STREAM, 1, padded(Buffer.from('abc'), 50))],
    outcome: PASSES,
  },
  {
    name: 'padding longer than DATA',
    client: [post(1, '/'), frame(DATA, PADDED, 1, Buffer.from([3, 0, 0]))],
    outcome: connection('HTTP2_BAD_PADDING'),
  },
  {
    name: 'DATA too short for padding',
    client: [post(1, '/'), frame(DATA, PADDED, 1)],
    outcome: connection('HTTP2_BAD_FRAME_SIZE'),
  },
  {
    name: 'longer than said',
    client: [post(1, '/', length('3')), data(1, 'ab'), data(1, 'cd')],
    outcome: stream('HTTP2_LENGTH_MISMATCH'),
  },
  {
    name: 'shorter than said',
    client: [post(1, '/', length('3')), data(1, 'ab', END_STREAM)],
    outcome: stream('HTTP2_LENGTH_MISMATCH'),
  },
  {
    name: 'shorter than said, with trailers',
    client: [post(1, '/', length('3')), data(1, 'ab'), headers(1, block([['x', 'y']]))],
    outcome: stream('HTTP2_LENGTH_MISMATCH'),
  },
  {
    name: 'a length without body',
    client: [get(1, '/', length('3'))],
    outcome: stream('HTTP2_LENGTH_MISMATCH'),
  },
  { name: 'a length of 0', client: [get(1, '/', length('0'))], outcome: PASSES },
  {
    name: 'a length that is none',
    client: [post(1, '/', length('+3'))],
    outcome: status('HTTP_BAD_CONTENT_LENGTH'),
  },
  {
    name: 'two lengths',
    client: [post(1, '/', [...length('3'), ...length('3')])],
    outcome: status('HTTP_REPEATED_CONTENT_LENGTH'),
  },
  {
    name: 'trailers',
    client: [post(1, '/'), data(1, 'ab'), headers(1, block([['x', 'y']]))],
    outcome: PASSES,
  },
  {
    name: 'trailers that do not end the stream',
    client: [post(1, '/'), headers(1, block([['x', 'y']]), 0)],
    outcome: stream('HTTP2_BAD_TRAILERS'),
  },
  {
    name: 'trailers with :path',
    client: [post(1, '/'), headers(1, block([[':path', '/x']]))],
    outcome: stream('HTTP2_BAD_TRAILERS'),
  },
  {
    name: 'trailers with Authorization',
    client: [post(1, '/'), headers(1, block([['authorization', 'x']]))],
    outcome: stream('HTTP_FORBIDDEN_TRAILER'),
  },
  {
    name: 'trailers in upper case',
    client: [post(1, '/'), headers(1, block([['X', 'y']]))],
    outcome: stream('HTTP2_BAD_FIELD_NAME'),
  },
]

const STATES: readonly Case[] = [
  { name: 'DATA on an idle stream', client: [data(1, 'x')], outcome: connection('HTTP2_IDLE_STREAM') },
  { name: 'RST_STREAM on an idle stream', client: [rst(1)], outcome: connection('HTTP2_IDLE_STREAM') },
  {
    name: 'WINDOW_UPDATE on an idle stream',
    client: [windowUpdate(1, 1)],
    outcome: connection('HTTP2_IDLE_STREAM'),
  },
  {
    name: 'DATA after END_STREAM',
    client: [get(1, '/'), data(1, 'x')],
    outcome: connection('HTTP2_STREAM_CLOSED'),
  },
  {
    name: 'HEADERS after END_STREAM',
    client: [get(1, '/'), get(1, '/')],
    outcome: connection('HTTP2_STREAM_CLOSED'),
  },
  {
    name: 'WINDOW_UPDATE and RST_STREAM after END_STREAM',
    client: [get(1, '/'), windowUpdate(1, 1), rst(1)],
    outcome: PASSES,
  },
  {
    name: 'a response to no request',
    client: [],
    server: [respond(1)],
    outcome: connection('HTTP2_IDLE_STREAM'),
  },
  {
    name: 'a stream of the server',
    client: [get(1, '/')],
    server: [respond(2)],
    outcome: connection('HTTP2_IDLE_STREAM'),
  },
  {
    name: 'DATA before a response',
    client: [get(1, '/')],
    server: [data(1, 'x')],
    outcome: connection('HTTP2_BAD_RESPONSE'),
  },
  {
    name: 'interim responses',
    client: [get(1, '/')],
    server: [respond(1, 100, [], 0), respond(1, 103, [['link', 'x']], 0), respond(1)],
    outcome: PASSES,
  },
  {
    name: 'an interim response that ends the stream',
    client: [get(1, '/')],
    server: [respond(1, 100)],
    outcome: connection('HTTP2_BAD_RESPONSE'),
  },
  {
    name: '101',
    client: [get(1, '/')],
    server: [respond(1, 101, [], 0)],
    outcome: connection('HTTP2_BAD_RESPONSE'),
  },
  {
    name: 'a response without :status',
    client: [get(1, '/')],
    server: [headers(1, block([['x', 'y']]))],
    outcome: connection('HTTP2_BAD_RESPONSE'),
  },
  {
    name: 'a response with trailers',
    client: [get(1, '/')],
    server: [respond(1, 200, [], 0), data(1, 'x'), headers(1, block([['x', 'y']]))],
    outcome: PASSES,
  },
  {
    name: 'two final responses',
    client: [get(1, '/')],
    server: [respond(1, 200, [], 0), respond(1, 200)],
    outcome: connection('HTTP2_BAD_RESPONSE'),
  },
  {
    name: 'DATA of the server after END_STREAM',
    client: [post(1, '/')],
    server: [respond(1), data(1, 'x')],
    outcome: connection('HTTP2_STREAM_CLOSED'),
  },
]

const FLOW: readonly Case[] = [
  { name: 'WINDOW_UPDATE of 0', client: [windowUpdate(0, 0)], outcome: connection('HTTP2_ZERO_INCREMENT') },
  {
    name: 'WINDOW_UPDATE of 0 on a stream',
    client: [post(1, '/'), windowUpdate(1, 0)],
    outcome: stream('HTTP2_ZERO_INCREMENT'),
  },
  {
    name: 'a window above 2^31-1',
    client: [windowUpdate(0, 0x7fffffff)],
    outcome: connection('HTTP2_WINDOW_OVERFLOW'),
  },
  {
    name: 'a window of a stream above 2^31-1',
    client: [post(1, '/'), windowUpdate(1, 0x7fffffff)],
    outcome: stream('HTTP2_WINDOW_OVERFLOW'),
  },
  {
    name: 'a window full',
    client: [post(1, '/'), ...many(3, data(1, Buffer.alloc(16_384))), data(1, Buffer.alloc(16_383))],
    outcome: PASSES,
  },
  {
    name: 'one byte more',
    client: [post(1, '/'), ...many(4, data(1, Buffer.alloc(16_384)))],
    outcome: connection('HTTP2_WINDOW_EXCEEDED'),
  },
  {
    name: 'more than the window of a stream',
    client: [post(1, '/'), data(1, Buffer.alloc(101))],
    prefaces: [CLIENT_PREFACE, settings([4, 100])],
    outcome: connection('HTTP2_WINDOW_EXCEEDED'),
  },
  {
    name: 'more than the window of the client',
    client: [get(1, '/')],
    server: [respond(1, 200, [], 0), ...many(4, data(1, Buffer.alloc(16_384)))],
    outcome: connection('HTTP2_WINDOW_EXCEEDED'),
  },
]

const FLOODS: readonly Case[] = [
  { name: 'PING', client: many(1001, ping()), outcome: connection('HTTP2_PING_FLOOD') },
  {
    name: 'DATA without data',
    client: [post(1, '/'), ...many(1001, data(1, ''))],
    outcome: connection('HTTP2_EMPTY_FLOOD'),
  },
  {
    name: 'DATA that is all padding',
    client: [post(1, '/'), ...many(1001, frame(DATA, PADDED, 1, Buffer.from([0])))],
    outcome: connection('HTTP2_EMPTY_FLOOD'),
  },
  {
    name: 'rapid reset',
    client: Array.from({ length: 1001 }, (_, i) => [get(2 * i + 1, '/'), rst(2 * i + 1)]).flat(),
    outcome: connection('HTTP2_RESET_FLOOD'),
  },
  {
    name: 'malformed requests',
    client: Array.from({ length: 1001 }, (_, i) => get(2 * i + 1, '/', [['X', 'y']])),
    outcome: connection('HTTP2_RESET_FLOOD'),
  },
  {
    name: 'PRIORITY',
    client: many(1001, frame(PRIORITY, 0, 1, Buffer.alloc(5))),
    outcome: connection('HTTP2_IGNORED_FLOOD'),
  },
  {
    name: 'unknown frames',
    client: many(1001, frame(0xfe, 0, 0)),
    outcome: connection('HTTP2_IGNORED_FLOOD'),
  },
]

export const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  prefaces: PREFACES,
  frames: FRAMES,
  settings: SETTINGS_CASES,
  'header blocks': BLOCKS,
  requests: REQUESTS,
  bodies: BODIES,
  states: STATES,
  'flow control': FLOW,
  floods: FLOODS,
}
