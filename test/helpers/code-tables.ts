// Every table of codes that Weir shows to people, with its place in docs/errors.md.
// A new table: export it from src/ as NAME_CODES or NAME_REASONS, add it here, run `npm run docs`.
import { HTTP_CODES } from '../../src/l7rules/http1/codes.ts'
import { HTTP2_CODES } from '../../src/l7rules/http2/codes.ts'
import { KAFKA_CODES } from '../../src/l7rules/kafka/codes.ts'
import { VERDICT_REASONS } from '../../src/l7rules/verdict.ts'
import { ERROR_CODES } from '../../src/lib/errors.ts'
import { REFUSAL_REASONS } from '../../src/proxy/connection.ts'
import { ENFORCER_REASONS } from '../../src/proxy/enforcer.ts'
import { RELAY_ERROR_CODES } from '../../src/proxy/relay-parser.ts'
import { CLOSE_REASONS } from '../../src/proxy/relay.ts'
import { WORKER_REASONS } from '../../src/proxy/worker.ts'
import { DROP_REASONS, GATE_REASONS } from '../../src/redirect/layouts.ts'

export interface CodeTable {
  /** Of the constant in src/. */
  readonly name: string
  readonly heading: string
  /** Where a user meets these codes. */
  readonly introduction: string
  readonly codes: readonly (readonly [code: string, meaning: string])[]
}

const entries = (table: Readonly<Record<string, string>>): [string, string][] => Object.entries(table)

export const CODE_TABLES: readonly CodeTable[] = [
  {
    name: 'ERROR_CODES',
    heading: 'Errors',
    introduction:
      'Printed by the command line as `error: CODE: message` and logged in the field `code`; what to do stands at the end of the message.',
    codes: entries(ERROR_CODES),
  },
  {
    name: 'DROP_REASONS',
    heading: 'Drops in the kernel',
    introduction:
      '`drop_reason_desc` of records with `"where": "kernel"`, and the drop counters of `weir status`. A dropped packet gets no answer.',
    codes: DROP_REASONS.filter(([name]) => name !== 'NONE'),
  },
  {
    name: 'GATE_REASONS',
    heading: 'Drops at ports of containers',
    introduction: 'Drop counters of `weir status` with `--docker`; there are no records of single packets.',
    codes: GATE_REASONS,
  },
  {
    name: 'VERDICT_REASONS',
    heading: 'Verdicts of the proxy',
    introduction: '`weir.reason` of records with `"where": "proxy"`: one for each request.',
    codes: entries(VERDICT_REASONS),
  },
  {
    name: 'HTTP_CODES',
    heading: 'HTTP that cannot be judged',
    introduction:
      'Bytes on a port with HTTP rules that are not strict HTTP/1.x. Nothing of such a message reaches the server; the client gets the status in parentheses, if any, and the connection ends.',
    codes: Object.entries(HTTP_CODES).map(([code, { status, text }]) => [
      status === 0 ? code : `${code} (${status})`,
      text,
    ]),
  },
  {
    name: 'HTTP2_CODES',
    heading: 'HTTP/2 that cannot be judged',
    introduction:
      'On a port with HTTP rules, beside the codes above, which HTTP/2 shares. In parentheses the error code that the client gets in RST_STREAM or GOAWAY; the latter carries the name of our code as debug data.',
    codes: Object.entries(HTTP2_CODES).map(([code, { error, text }]) => [`${code} (${error})`, text]),
  },
  {
    name: 'KAFKA_CODES',
    heading: 'Kafka that cannot be judged',
    introduction:
      'On a port with Kafka rules. Answers to earlier requests still reach the client, then the connection ends: the protocol has no error for what is no request.',
    codes: entries(KAFKA_CODES),
  },
  {
    name: 'REFUSAL_REASONS',
    heading: 'Connections that the proxy refuses',
    introduction: 'Counted per worker in `weir status`; the client gets RST.',
    codes: entries(REFUSAL_REASONS),
  },
  {
    name: 'ENFORCER_REASONS',
    heading: 'Connections that policy refuses',
    introduction: 'Counted per worker in `weir status`; the client gets RST.',
    codes: entries(ENFORCER_REASONS),
  },
  {
    name: 'WORKER_REASONS',
    heading: 'Losses of a worker',
    introduction: 'Counted per worker in `weir status`.',
    codes: entries(WORKER_REASONS),
  },
  {
    name: 'CLOSE_REASONS',
    heading: 'Ends of proxied connections',
    introduction: 'Counted per worker. All but the first tell of something that did not go to plan.',
    codes: entries(CLOSE_REASONS),
  },
  {
    name: 'RELAY_ERROR_CODES',
    heading: 'Faults of a protocol parser',
    introduction:
      'A defect in Weir or in a plug-in: please report it. The connection is closed, nothing passes unjudged.',
    codes: entries(RELAY_ERROR_CODES),
  },
]

/** docs/errors.md as it should be. */
export function errorsPage(): string {
  const sections = CODE_TABLES.map(({ heading, introduction, codes }) => {
    const lines = codes.map(([code, meaning]) => {
      const [name = '', ...status] = code.split(' ')
      return `- \`${name}\`${status.map((text) => ` ${text}`).join('')}: ${meaning}`
    })
    return `## ${heading}\n\n${introduction}\n\n${lines.join('\n')}\n`
  })
  return `# Codes and reasons\n\nWritten by \`npm run docs\` from the tables in the code; a test compares both.\n\n${sections.join('\n')}`
}
