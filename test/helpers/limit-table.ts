// Every bound that a user may meet, with the value that the code has: docs/limits.md is made of it.
// A new one: export it from a file below, add it here, run `npm run docs`.
import * as http1 from '../../src/l7rules/http1/limits.ts'
import * as http2 from '../../src/l7rules/http2/limits.ts'
import * as match from '../../src/l7rules/match/limits.ts'
import * as kafka from '../../src/l7rules/kafka/limits.ts'
import * as shared from '../../src/lib/limits.ts'
import * as accessLog from '../../src/proxy/access-log-limits.ts'
import { MAX_READ_BYTES } from '../../src/proxy/io/limits.ts'
import { RELAY_LIMITS } from '../../src/proxy/relay-limits.ts'

/** Name in the code -> what happens there. */
type Meanings = Readonly<Record<string, string>>

interface LimitTable {
  readonly heading: string
  readonly introduction: string
  /** In src/. */
  readonly file: string
  readonly values: Readonly<Record<string, unknown>>
  readonly meanings: Meanings
}

export const LIMIT_TABLES: readonly LimitTable[] = [
  {
    heading: 'HTTP/1.x messages',
    introduction: 'Beyond one of these a request is answered with the status, and the connection ends.',
    file: 'l7rules/http1/limits.ts',
    values: http1,
    meanings: {
      MAX_METHOD_BYTES: 'Method. 501 `HTTP_METHOD_TOO_LONG`',
      MAX_REQUEST_LINE_BYTES: 'Request line with its line end. 414 `HTTP_REQUEST_LINE_TOO_LONG`',
      MAX_HEAD_BYTES: 'Head: start line, fields, empty line. 431 `HTTP_HEAD_TOO_LARGE`; of a response 502',
      MAX_FIELDS: 'Fields of a head. 431 `HTTP_TOO_MANY_FIELDS`; of a response 502',
      HEAD_TIMEOUT_MS:
        'From the first byte of a request head to its last. 408 `HTTP_HEAD_TIMEOUT`. The server has seen nothing of it and cannot have a deadline of its own',
      MAX_CONTENT_LENGTH_DIGITS: 'Digits of Content-Length. 400 `HTTP_BAD_CONTENT_LENGTH`; of a response 502',
      MAX_CHUNK_SIZE_DIGITS: 'Hexadecimal digits of a chunk size. 400 `HTTP_BAD_CHUNK_SIZE`',
      MAX_CHUNK_EXTENSION_BYTES: 'Extensions of a chunk. 400 `HTTP_CHUNK_EXTENSION_TOO_LONG`',
      MAX_TRAILER_BYTES: 'Trailers of a message. 431 `HTTP_TRAILERS_TOO_LARGE`',
      MAX_OUTSTANDING:
        'Requests of a connection whose answers are due. Further ones are not read until the server has answered; no error',
      MAX_REMEMBERED_HEAD_BYTES: 'Longer heads are parsed anew each time; no error',
    },
  },
  {
    heading: 'HTTP/2 connections',
    introduction:
      'Beyond one of these the connection ends with GOAWAY, unless another answer is named. How often something may happen stands in [http.md](http.md).',
    file: 'l7rules/http2/limits.ts',
    values: http2,
    meanings: {
      MAX_BLOCK_BYTES: 'Header block: HEADERS and its CONTINUATION frames. `HTTP2_BLOCK_TOO_LARGE`',
      MAX_CONTINUATIONS: 'CONTINUATION frames of a block. `HTTP2_TOO_MANY_CONTINUATIONS`',
      MAX_HEADER_LIST_BYTES: 'Header block, unpacked, and 32 bytes for each field. 431 `HTTP_HEAD_TOO_LARGE`',
      MAX_AUTHORITY_BYTES: '`:authority` or Host. 400 `HTTP_BAD_HOST`',
      MAX_GRPC_MESSAGE_BYTES: 'Text of a denial in `grpc-message`. The rest is left out; no error',
      MAX_TABLE_BYTES:
        'SETTINGS_HEADER_TABLE_SIZE of both sides. A larger one is lowered on its way; no error',
      HEADERS_TIMEOUT_MS: 'From the first byte of a header block to its last. `HTTP2_BLOCK_TIMEOUT`',
      MAX_STREAMS: 'Open streams. A further one gets REFUSED_STREAM, `HTTP2_TOO_MANY_STREAMS`',
      MAX_SETTINGS: 'Entries of a SETTINGS frame. `HTTP2_SETTINGS_FLOOD`',
      MAX_UNACKNOWLEDGED: 'SETTINGS that the other side has not acknowledged. `HTTP2_SETTINGS_FLOOD`',
      MAX_QUEUED_BYTES:
        "Answers that wait for the end of one of the server's DATA frames. Nothing more is read until then; no error",
      MAX_WINDOW_DEBT_BYTES:
        "Bodies of denials that the client's connection window has not got back yet. Further ones are left out; no error",
      MAX_REMEMBERED_BLOCK_BYTES: 'Longer blocks are decoded anew each time; no error',
      MAX_REMEMBERED_BLOCKS: 'Blocks that are remembered; others take their place; no error',
      MAX_SHARED_BLOCKS: 'The same for blocks that need no table, by all connections together; no error',
    },
  },
  {
    heading: 'Regular expressions of policies',
    introduction:
      'Beyond one of these a policy is refused with the expression and the place, unless it says otherwise.',
    file: 'l7rules/match/limits.ts',
    values: match,
    meanings: {
      MAX_PATTERN_NODES: 'Automaton nodes of one expression',
      MAX_NFA_NODES:
        'Automaton nodes of expressions that are matched together; further ones get another automaton; no error',
      MAX_REPEAT: 'Count of a repeat, and product of nested ones',
      MAX_NESTING: 'Levels of nesting',
      MAX_DFA_STATES: 'States that are kept; others take their place; no error',
    },
  },
  {
    heading: 'Kafka connections',
    introduction: 'Beyond one of these the connection ends in its turn, unless another outcome is named.',
    file: 'l7rules/kafka/limits.ts',
    values: kafka,
    meanings: {
      MAX_REQUEST_BYTES: 'Request. `KAFKA_REQUEST_TOO_LARGE`',
      MAX_HELD_BYTES:
        'Request that is held until all that it touches is known. A Produce goes on while its topics are allowed; others: `KAFKA_HELD_TOO_LARGE`',
      MAX_ELEMENTS: 'Topics, partitions and groups that a request names. `KAFKA_TOO_MANY_ELEMENTS`',
      MAX_NAME_BYTES: 'Client id, topic, group, transactional id. `KAFKA_NAME_TOO_LONG`',
      MAX_OUTSTANDING:
        'Requests of a connection whose answers are due. Further ones are not read until the broker has answered; no error',
      MAX_QUEUED_ANSWER_BYTES:
        "Denials that wait for the broker's earlier answers. Further requests are not read until then; no error",
      MAX_FILTERED_BYTES:
        'What is left of an answer from which denied names were taken out. `KAFKA_RESPONSE_TOO_LARGE`',
      JUDGE_TIMEOUT_MS:
        'From the first byte of a request until all that it touches is known. `KAFKA_REQUEST_TIMEOUT`',
      MAX_TOPIC_IDS: 'Topic ids of a cluster whose names a worker knows. The oldest is forgotten; no error',
      MAX_SASL_TOKENS:
        'Tokens after SaslHandshake v0, for mechanisms that set no number. What follows is read as a request',
    },
  },
  {
    heading: 'Connections',
    introduction: `There is no deadline for a silent connection, for a slow body or for a slow answer: the server is connected to as soon as the client is, so its own deadlines hold, and both legs have TCP keep-alive. A receiver that does not take its bytes stops the reading of their sender: of each direction, at most one read of ${MAX_READ_BYTES / 1024} KiB waits.`,
    file: 'proxy/relay-limits.ts',
    values: { ...RELAY_LIMITS },
    meanings: {
      connectMs: 'To connect to the server. RST to the client, `CONNECT_TIMEOUT`',
      drainMs: 'For the client to take an answer that ends the connection, and to close. Then it is closed',
      drainMaxBytes: 'Read from the client and dropped meanwhile. Then it is closed',
      hangupMs: 'One side broke while bytes of it wait for the other: time to take them. Then RST',
      halfClosedIdleMs: 'One side has closed and no byte moves. RST to both, `HALF_CLOSED_IDLE`',
      maxRetainedBytes: 'Bytes of a direction that a parser may hold back. `RETAINED_TOO_LARGE`',
      maxUnreadAnswerBytes:
        'Answers of Weir that the client has not taken. Its requests are not read until it does; no error',
    },
  },
  {
    heading: 'Access log',
    introduction: 'Records that are lost are counted under `ACCESS_LOG_LOST` in `weir status`.',
    file: 'proxy/access-log-limits.ts',
    values: accessLog,
    meanings: {
      FLUSH_BYTES: 'Records are written out when so much has gathered',
      FLUSH_MS: 'or so much time has passed since the first of them',
      MAX_QUEUED_BYTES: 'May wait for a slow disk or reader. Further records are lost',
      CLOSE_TIMEOUT_MS: 'For what waits to be written when a worker stops',
    },
  },
  {
    heading: 'An instance',
    introduction: 'Of one agent with its workers.',
    file: 'lib/limits.ts',
    values: shared,
    meanings: {
      MAX_WORKERS: 'Workers of a node',
      FLOW_RING_RECORDS: 'Records that `weir observe` can look back at',
      MAX_SOCKET_PATH_BYTES: 'Path of the socket in the state directory',
      MIN_POLICY_MAP_ENTRIES: 'Least value of `--policy-map-entries`',
      MAX_POLICY_MAP_ENTRIES: 'Greatest value of it',
    },
  },
]

/** docs/limits.md as it should be. */
export function limitsPage(): string {
  const sections = LIMIT_TABLES.map(({ heading, introduction, file, values, meanings }) => {
    const rows = Object.entries(meanings).map(([name, meaning]) => [
      amount(name, values[name]),
      meaning,
      `\`${name}\``,
    ])
    return `## ${heading}\n\n${introduction}\n\n${table(['limit', 'of what, and what happens beyond', `in \`src/${file}\``], rows)}\n`
  })
  return (
    '# Limits and timeouts\n\nWritten by `npm run docs` from the values in the code; a test compares both. ' +
    `None of them is a setting unless it says so.\n\n${sections.join('\n')}`
  )
}

/** By the unit that the name ends with. */
function amount(name: string, value: unknown): string {
  if (typeof value !== 'number') throw new Error(`${name} is not a number`)
  if (/(_MS|Ms)$/.test(name)) return value % 1000 === 0 ? `${value / 1000} s` : `${value} ms`
  if (!/(_BYTES|Bytes)$/.test(name)) return String(value)
  if (value % (1024 * 1024) === 0) return `${value / 1024 / 1024} MiB`
  return value % 1024 === 0 ? `${value / 1024} KiB` : `${value} bytes`
}

/** As prettier writes it. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i]!)).join(' | ')} |`
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join(
    '\n',
  )
}
