// Question: what does parsing, framing and queueing of one HTTP/1.1 exchange cost, both ways, without
// sockets and without rules? Expected: well below 1 us for a small GET, less when heads repeat.
// Prints one JSON line per case: nanoseconds per exchange, best and median of the rounds.
import { Http1Session } from '../../src/l7rules/http1/session.ts'
import { ORIGINAL, REPLY, type Steps } from '../../src/l7rules/parser.ts'
import { type Verdict } from '../../src/l7rules/verdict.ts'

const ROUNDS = 15
const EXCHANGES_PER_ROUND = 200_000
const ALLOWED: Verdict = { allowed: true, rule: 'bench', reason: 'RULE_MATCHED', direction: 'ingress' }

const SMALL_RESPONSE = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain\r\n\r\nok'
const SMALL_GET = 'GET /api/v1/items HTTP/1.1\r\nHost: items.example:8080\r\n\r\n'
const EIGHT_FIELDS = [
  'GET /api/v1/items?page=2&size=50 HTTP/1.1',
  'Host: items.example:8080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  'Accept: application/json, text/plain, */*',
  'Accept-Language: en-GB,en;q=0.7,de;q=0.3',
  'Accept-Encoding: gzip, deflate, br',
  'Referer: http://items.example:8080/index.html',
  'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
  'Connection: keep-alive',
  '\r\n',
].join('\r\n')

interface Case {
  readonly name: string
  readonly requests: readonly string[]
  readonly response: string
  /** Requests that arrive together. */
  readonly pipelined: number
}

const CASES: readonly Case[] = [
  { name: 'small GET, repeated', requests: [SMALL_GET], response: SMALL_RESPONSE, pipelined: 1 },
  {
    name: 'small GET, alternating',
    requests: [SMALL_GET, SMALL_GET.replace('items ', 'users ')],
    response: SMALL_RESPONSE,
    pipelined: 1,
  },
  { name: '8 fields, repeated', requests: [EIGHT_FIELDS], response: SMALL_RESPONSE, pipelined: 1 },
  {
    name: '8 fields, alternating',
    requests: [EIGHT_FIELDS, EIGHT_FIELDS.replace('items?', 'users?')],
    response: SMALL_RESPONSE,
    pipelined: 1,
  },
  {
    name: 'small GET, alternating, pipelined 16',
    requests: [SMALL_GET, SMALL_GET.replace('items ', 'users ')],
    response: SMALL_RESPONSE,
    pipelined: 16,
  },
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

function nsPerExchange({ requests, response, pipelined }: Case, exchanges: number): number {
  const session = new Http1Session({
    judge: () => ALLOWED,
    onExchange: () => recorded++,
    steps,
    deniedBody: Buffer.from('Access denied\r\n'),
  })
  const batches = requests.map((_, first) =>
    Buffer.from(
      Array.from({ length: pipelined }, (_, i) => requests[(first + i) % requests.length]!).join(''),
    ),
  )
  const answers = Buffer.from(response.repeat(pipelined))
  const startedAt = process.hrtime.bigint()
  for (let i = 0; i < exchanges; i += pipelined) {
    const batch = batches[i % batches.length]!
    session.receive(ORIGINAL, batch, 0, batch.length, i)
    session.receive(REPLY, answers, 0, answers.length, i)
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
