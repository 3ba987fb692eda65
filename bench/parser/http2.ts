// Question: what does one HTTP/2 exchange cost, both ways, without sockets and without rules? Expected: less than
// HTTP/1.1 when blocks repeat, since a block is smaller than a head; some 1-2 us more with a path of its own each time.
// Prints one JSON line per case: nanoseconds per exchange, best and median of the rounds; and the bytes of heap that an
// idle connection (after some requests of a real size) and an open stream hold.
import v8 from 'node:v8'
import vm from 'node:vm'
import { END_STREAM } from '../../src/l7rules/http2/frames.ts'
import { Http2Session } from '../../src/l7rules/http2/session.ts'
import { ORIGINAL, REPLY, type Steps } from '../../src/l7rules/parser.ts'
import { type Verdict } from '../../src/l7rules/verdict.ts'
import {
  block,
  CLIENT_PREFACE,
  data,
  dynamic,
  headers,
  inserted,
  requestFields,
  SERVER_PREFACE,
  SETTINGS_ACK,
  windowUpdate,
} from '../../test/conformance/http2/wire.ts'

const ROUNDS = 15
const EXCHANGES_PER_ROUND = 50_000
const ALLOWED: Verdict = { allowed: true, rule: 'bench', reason: 'RULE_MATCHED', direction: 'ingress' }
const DENIED: Verdict = { allowed: false, rule: 'bench', reason: 'NO_RULE_MATCHED', direction: 'ingress' }

interface Case {
  readonly name: string
  /** Block of the i-th request. */
  readonly request: (i: number) => Buffer
  /** Streams whose frames arrive together. */
  readonly together: number
  readonly verdict?: Verdict
  /** The client has a body, as gRPC calls do. */
  readonly hasBody?: boolean
}

// As real encoders do it: what repeats is in the dynamic table.
const FIRST = Buffer.concat([
  block([
    [':method', 'GET'],
    [':scheme', 'http'],
  ]),
  inserted(':authority', 'items.example:8080'),
  inserted(':path', '/api/v1/items'),
  inserted('x-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0'),
])
const REPEATED = Buffer.concat([
  block([
    [':method', 'GET'],
    [':scheme', 'http'],
  ]),
  dynamic(2),
  dynamic(1),
  dynamic(0),
])
const withPath = (i: number): Buffer =>
  Buffer.concat([
    block([
      [':method', 'GET'],
      [':scheme', 'http'],
      [':path', `/api/v1/items/${i % 1000}`],
    ]),
    dynamic(2),
    dynamic(0),
  ])
const SMALL = block(requestFields('/api/v1/items'))

const CASES: readonly Case[] = [
  { name: 'equal blocks', request: () => REPEATED, together: 1 },
  { name: 'equal blocks, 16 together', request: () => REPEATED, together: 16 },
  { name: 'a path of its own each', request: withPath, together: 1 },
  { name: 'a path of its own each, 16 together', request: withPath, together: 16 },
  { name: 'literals only', request: () => SMALL, together: 1 },
  { name: 'unary gRPC', request: () => REPEATED, together: 1, hasBody: true },
  { name: 'denied', request: () => REPEATED, together: 1, verdict: DENIED },
]

let forwarded = 0
let recorded = 0
const steps: Steps = {
  pass: (_direction, bytes) => {
    forwarded += bytes
  },
  drop: () => undefined,
  inject: () => undefined,
  error: (code) => {
    throw new Error(code)
  },
  finish: () => undefined,
}

function nsPerExchange(
  { request, together, verdict = ALLOWED, hasBody = false }: Case,
  exchanges: number,
): number {
  const session = new Http2Session({
    judge: () => verdict,
    onExchange: () => recorded++,
    steps,
    deniedBody: Buffer.from('Access denied\r\n'),
  })
  const give = (direction: typeof ORIGINAL | typeof REPLY, bytes: Buffer, nowMs = 0): void =>
    session.receive(direction, bytes, 0, bytes.length, nowMs)
  give(ORIGINAL, CLIENT_PREFACE)
  give(REPLY, Buffer.concat([SERVER_PREFACE, SETTINGS_ACK, windowUpdate(0, 1 << 30)]))
  give(ORIGINAL, Buffer.concat([SETTINGS_ACK, windowUpdate(0, 1 << 30), headers(1, FIRST)]))
  const answerBlock = block([
    [':status', '200'],
    ['content-length', '2'],
  ])
  const turns: [Buffer, Buffer][] = []
  for (let i = 0; i < exchanges; i += together) {
    const ids = Array.from({ length: together }, (_, j) => 2 * (i + j) + 3)
    const client = ids.flatMap((id, j) => {
      const head = headers(id, request(i + j), hasBody ? 0 : END_STREAM)
      return hasBody ? [head, data(id, 'hello', END_STREAM)] : [head]
    })
    const server = ids.flatMap((id) => [headers(id, answerBlock, 0), data(id, 'ok', END_STREAM)])
    turns.push([Buffer.concat(client), Buffer.concat(server)])
  }
  const startedAt = process.hrtime.bigint()
  for (const [i, [client, server]] of turns.entries()) {
    give(ORIGINAL, client, i)
    if (verdict.allowed) give(REPLY, server, i)
    // Denials are given credit by the client, as all data is.
    else give(ORIGINAL, windowUpdate(0, 15), i)
  }
  return Number(process.hrtime.bigint() - startedAt) / exchanges
}

// Rounds in turn over the cases, so that a noisy moment hits all of them.
const results = new Map<string, number[]>(CASES.map(({ name }) => [name, []]))
for (let round = -3; round < ROUNDS; round++) {
  for (const one of CASES) {
    const ns = nsPerExchange(one, EXCHANGES_PER_ROUND)
    if (round >= 0) results.get(one.name)!.push(ns)
  }
}
for (const [name, ns] of results) {
  ns.sort((a, b) => a - b)
  console.log(
    JSON.stringify({ bench: name, bestNs: Math.round(ns[0]!), medianNs: Math.round(ns[ROUNDS >> 1]!) }),
  )
}
if (forwarded === 0 || recorded === 0) throw new Error('nothing was measured')

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

function heapBytes(): number {
  for (let i = 0; i < 4; i++) collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

function bytesPer(count: number, make: (i: number) => unknown): number {
  const before = heapBytes()
  const kept = Array.from({ length: count }, (_, i) => make(i))
  const bytes = (heapBytes() - before) / kept.length
  return Math.round(bytes)
}

function newSession(): Http2Session {
  return new Http2Session({
    judge: () => ALLOWED,
    onExchange: () => recorded++,
    steps,
    deniedBody: Buffer.from('Access denied\r\n'),
  })
}

function openConnection(): Http2Session {
  const session = newSession()
  const give = (direction: typeof ORIGINAL | typeof REPLY, bytes: Buffer): void =>
    session.receive(direction, bytes, 0, bytes.length, 0)
  give(ORIGINAL, CLIENT_PREFACE)
  give(REPLY, Buffer.concat([SERVER_PREFACE, SETTINGS_ACK]))
  give(ORIGINAL, Buffer.concat([SETTINGS_ACK, headers(1, FIRST), headers(3, REPEATED), headers(5, REPEATED)]))
  for (const id of [1, 3, 5]) give(REPLY, headers(id, block([[':status', '200']])))
  return session
}

const MANY = 10_000
console.log(JSON.stringify({ bench: 'an idle connection', bytes: bytesPer(MANY, openConnection) }))
const busy = openConnection()
// What the measurement before has left behind must be gone.
heapBytes()
const openStream = (i: number): unknown => {
  const bytes = headers(2 * i + 7, REPEATED, 0)
  busy.receive(ORIGINAL, bytes, 0, bytes.length, 0)
  return undefined
}
console.log(JSON.stringify({ bench: 'an open stream', bytes: bytesPer(MANY, openStream) }))
if (busy.streamCount !== MANY) throw new Error('streams are missing')
