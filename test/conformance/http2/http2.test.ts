// The table of cases.ts through a session, each in one piece, byte by byte and in random pieces.
import t, { type Test } from 'tap'
import { HTTP_CODES } from '../../../src/l7rules/http1/codes.ts'
import { HTTP2_CODES, INTERNAL_ERROR } from '../../../src/l7rules/http2/codes.ts'
import { errorOf } from '../../../src/l7rules/http2/connection.ts'
import { GOAWAY, HEADERS, RST_STREAM } from '../../../src/l7rules/http2/frames.ts'
import { HpackDecoder } from '../../../src/l7rules/http2/hpack/decoder.ts'
import { type HttpExchange } from '../../../src/l7rules/http1/request.ts'
import { ORIGINAL, REPLY } from '../../../src/l7rules/parser.ts'
import { seededRandom } from '../http1/random.ts'
import { atRandom, byteByByte, checkLaws, type MemoryConnection, type Script } from '../parser-laws.ts'
import { type Case, GROUPS } from './cases.ts'
import { http2, MAX_RETAINED_BYTES } from './subject.ts'
import { CLIENT_PREFACE, framesOf, SERVER_PREFACE, SETTINGS_ACK } from './wire.ts'

const random = seededRandom(20_260_301)

function play(one: Case): MemoryConnection {
  const [clientPreface, serverPreface] = one.prefaces ?? [CLIENT_PREFACE, SERVER_PREFACE]
  const clientBytes = Buffer.concat([SETTINGS_ACK, ...one.client])
  const script: Script = [
    { direction: ORIGINAL, bytes: clientPreface },
    { direction: REPLY, bytes: Buffer.concat([serverPreface, SETTINGS_ACK]) },
    { direction: ORIGINAL, bytes: clientBytes },
    { direction: REPLY, bytes: Buffer.concat(one.server ?? []) },
  ]
  const splits =
    clientBytes.length > 4_000 ? [atRandom(random)] : [byteByByte, atRandom(random), atRandom(random)]
  return checkLaws(http2(), script, splits, MAX_RETAINED_BYTES)
}

function statusOf(block: Buffer): string | undefined {
  const decoder = new HpackDecoder({ maxListBytes: 65_536, maxFields: 128 })
  decoder.decode(block, 0, block.length)
  return decoder.fields.find(({ name }) => name === ':status')?.value
}

function check(t: Test, one: Case): void {
  const connection = play(one)
  const records = connection.subject.observed as HttpExchange[]
  const last = framesOf(connection.output(REPLY)).at(-1)
  const toServer = connection.output(ORIGINAL)
  const { outcome } = one
  if (outcome.kind === 'connection') {
    t.equal(connection.errorCode, outcome.code)
    const error = one.server === undefined && one.prefaces?.[1].toString()[0] !== 'H'
    t.match(last, { type: GOAWAY, id: 0 })
    const isClients = error || one.client.length > 0
    const expected = isClients && one.server === undefined ? HTTP2_CODES[outcome.code].error : INTERNAL_ERROR
    t.equal(last?.payload.readUInt32BE(4), expected, 'error of GOAWAY')
    t.equal(last?.payload.toString('latin1', 8), outcome.code, 'debug data of GOAWAY')
    t.ok(records.some(({ error: code }) => code === outcome.code))
    return
  }
  t.equal(connection.errorCode, '')
  const sent = [CLIENT_PREFACE, SETTINGS_ACK, ...one.client]
  if (outcome.kind === 'passes') {
    const passed = sent.filter((bytes) => !one.dropped?.some((dropped) => dropped.equals(bytes)))
    if (one.prefaces === undefined) t.ok(toServer.equals(Buffer.concat(passed)), 'passes as it came')
    const [, serverPreface] = one.prefaces ?? [CLIENT_PREFACE, SERVER_PREFACE]
    const replies = Buffer.concat([serverPreface, SETTINGS_ACK, ...(one.server ?? [])])
    t.ok(connection.output(REPLY).equals(replies), 'replies pass as they came')
    t.notOk(records.some(({ verdict }) => !verdict.allowed))
    return
  }
  t.equal(records.at(-1)?.error, outcome.code)
  const isKnown = one.client.length > 1
  if (outcome.kind === 'status') {
    const { status } = HTTP_CODES[outcome.code]
    t.equal(records.at(-1)?.status, status)
    const answer = framesOf(connection.output(REPLY)).find(({ type }) => type === HEADERS)
    t.equal(answer && statusOf(answer.payload), String(status))
    t.notOk(framesOf(toServer).some(({ type }) => type === HEADERS))
    return
  }
  const reset = framesOf(connection.output(REPLY)).find(({ type }) => type === RST_STREAM)
  t.equal(reset?.id, 1)
  t.equal(reset?.payload.readUInt32BE(0), errorOf(outcome.code))
  if (isKnown) t.match(framesOf(toServer).at(-1), { type: RST_STREAM, id: 1 })
  else t.notOk(framesOf(toServer).some(({ type }) => type === HEADERS))
}

for (const [group, cases] of Object.entries(GROUPS)) {
  t.test(group, async (t) => {
    for (const one of cases) {
      const result = one.outcome.kind === 'passes' ? 'passes' : one.outcome.code
      t.test(`${one.name}: ${result}`, async (t) => check(t, one))
    }
  })
}

t.test('every code has its case, here or in another test', async (t) => {
  const elsewhere = [
    'HTTP2_BLOCK_TIMEOUT',
    'HTTP2_LATE_FLOOD',
    'HTTP2_TOO_MANY_STREAMS',
    'HTTP2_CLIENT_RESET',
    'HTTP2_SERVER_RESET',
  ]
  const cases = Object.values(GROUPS).flat()
  const tested = new Set<string>(cases.map(({ outcome }) => (outcome.kind === 'passes' ? '' : outcome.code)))
  for (const code of Object.keys(HTTP2_CODES)) t.ok(tested.has(code) || elsewhere.includes(code), code)
})
