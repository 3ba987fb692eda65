import fc from 'fast-check'
import t from 'tap'
import type { Flow } from '../../../src/lib/flow.ts'
import { ConnectionRecord, type ConnectionFacts } from '../../../src/proxy/access-record.ts'
import { jsonEscape } from '../../../src/proxy/json-string.ts'
import { outcomeOf } from '../../../src/proxy/outcome.ts'
import { TimestampFormatter } from '../../../src/proxy/timestamp.ts'
import type { KafkaExchange } from '../../../src/l7rules/kafka/exchange.ts'
import type { HttpExchange } from '../../../src/l7rules/http1/request.ts'
import type { Verdict } from '../../../src/l7rules/verdict.ts'

const TIME = '2026-11-24T06:04:10.123Z'

const FACTS: ConnectionFacts = {
  source: {
    ID: 3,
    identity: 1000,
    namespace: 'default',
    labels: ['k8s:class=tiefighter'],
    pod_name: 'tiefighter',
  },
  destination: { ID: 7, identity: 1001, namespace: 'default', labels: [], pod_name: 'deathstar' },
  sourceAddress: '10.0.0.3',
  sourcePort: 40000,
  destinationAddress: '10.0.0.7',
  destinationPort: 80,
}

const ALLOWED: Verdict = {
  allowed: true,
  rule: 'default/landing',
  reason: 'RULE_MATCHED',
  direction: 'ingress',
}
const DENIED: Verdict = {
  allowed: false,
  rule: 'default/landing',
  reason: 'NO_RULE_MATCHED',
  direction: 'egress',
}

function exchange(changes: Partial<HttpExchange> = {}): HttpExchange {
  return {
    method: 'POST',
    path: '/v1/request-landing',
    host: 'deathstar',
    protocol: 'HTTP/1.1',
    status: 200,
    verdict: ALLOWED,
    error: '',
    requestBytes: 10,
    responseBytes: 20,
    startedMs: 1000,
    endedMs: 1001.25,
    ...changes,
  }
}

function parse(record: ConnectionRecord, value: HttpExchange, revision = 4): Flow {
  const line = record.format(value, revision, TIME)
  if (!/^[ -~]*\n$/.test(line)) throw new Error(`not one line of ASCII: ${line}`)
  return JSON.parse(line) as Flow
}

t.test('a forwarded request', async (t) => {
  t.same(parse(new ConnectionRecord(FACTS), exchange()), {
    time: TIME,
    verdict: 'FORWARDED',
    IP: { source: '10.0.0.3', destination: '10.0.0.7', ipVersion: 'IPv4' },
    l4: { TCP: { source_port: 40000, destination_port: 80 } },
    source: FACTS.source,
    destination: FACTS.destination,
    Type: 'L7',
    traffic_direction: 'INGRESS',
    l7: {
      type: 'REQUEST',
      latency_ns: '1250000',
      http: {
        code: 200,
        method: 'POST',
        url: 'http://deathstar/v1/request-landing',
        protocol: 'HTTP/1.1',
      },
    },
    Summary: 'HTTP/1.1 POST http://deathstar/v1/request-landing',
    weir: {
      where: 'proxy',
      rule: 'default/landing',
      reason: 'RULE_MATCHED',
      revision: 4,
      request_bytes: 10,
      response_bytes: 20,
    },
  } satisfies Flow)
})

t.test('the time to the answer, if there was one', async (t) => {
  const record = new ConnectionRecord(FACTS)
  const weirOf = (respondedMs: number): Flow['weir'] =>
    parse(record, exchange({ startedMs: 10, respondedMs, endedMs: 12 })).weir
  t.equal(weirOf(11.5).first_byte_ns, 1_500_000)
  t.equal(weirOf(0).first_byte_ns, undefined)
})

t.test('parts that are remembered follow what changes on a connection', async (t) => {
  const record = new ConnectionRecord(FACTS)
  parse(record, exchange())
  t.match(parse(record, exchange({ verdict: DENIED, status: 403 })), {
    verdict: 'DROPPED',
    drop_reason_desc: 'POLICY_DENIED',
    traffic_direction: 'EGRESS',
    weir: { reason: 'NO_RULE_MATCHED' },
  })
  t.notOk('drop_reason_desc' in parse(record, exchange()))
  t.equal(parse(record, exchange(), 5).weir.revision, 5)
  t.match(parse(record, exchange({ host: 'other', method: 'GET', path: '*' })), {
    Summary: 'HTTP/1.1 GET http://other*',
  })
  t.match(parse(record, exchange({ error: 'HTTP_BAD_METHOD' })), { drop_reason_desc: 'HTTP_BAD_METHOD' })
})

t.test('without a host the URL shows where the request went', async (t) => {
  t.equal(
    parse(new ConnectionRecord(FACTS), exchange({ host: '' })).l7?.http?.url,
    'http://10.0.0.7:80/v1/request-landing',
  )
  const v6 = new ConnectionRecord({ ...FACTS, sourceAddress: 'fd00::3', destinationAddress: 'fd00::7' })
  const flow = parse(v6, exchange({ host: '' }))
  t.equal(flow.l7?.http?.url, 'http://[fd00::7]:80/v1/request-landing')
  t.equal(flow.IP.ipVersion, 'IPv6')
  parse(v6, exchange())
  t.match(parse(v6, exchange({ host: '' })).l7?.http?.url, /\[fd00::7\]/)
})

t.test('outcomes', async (t) => {
  const cases: [Verdict, string, object][] = [
    [ALLOWED, '', { verdict: 'FORWARDED', dropReason: '', reason: 'RULE_MATCHED' }],
    [DENIED, '', { verdict: 'DROPPED', dropReason: 'POLICY_DENIED', reason: 'NO_RULE_MATCHED' }],
    [DENIED, 'HTTP_CONNECTION_LOST', { verdict: 'DROPPED', dropReason: 'POLICY_DENIED' }],
    [DENIED, 'HTTP_BARE_LF', { verdict: 'DROPPED', dropReason: 'HTTP_BARE_LF', reason: 'HTTP_BARE_LF' }],
    [ALLOWED, 'HTTP_BAD_RESPONSE', { verdict: 'DROPPED', dropReason: 'HTTP_BAD_RESPONSE' }],
    [ALLOWED, 'HTTP_UPSTREAM_CLOSED', { verdict: 'ERROR', dropReason: 'HTTP_UPSTREAM_CLOSED' }],
  ]
  for (const [verdict, error, expected] of cases) t.match(outcomeOf(verdict, error), expected, error)
})

t.test('an audited denial reads as the denial, but for the verdict', async (t) => {
  const { allowed, rule, reason, direction } = DENIED
  const flow = parse(
    new ConnectionRecord(FACTS),
    exchange({ verdict: { ...ALLOWED, audit: { allowed, rule, reason, direction } } }),
  )
  t.match(flow, {
    verdict: 'AUDIT',
    traffic_direction: 'EGRESS',
    weir: { rule: 'default/landing', reason: 'NO_RULE_MATCHED' },
  })
  t.notOk('drop_reason_desc' in flow)
})

t.test('what shadow rules and header actions found', async (t) => {
  const verdict: Verdict = {
    ...ALLOWED,
    shadow: { allowed: false, rule: 'default/next', reason: 'DENY_RULE', direction: 'egress' },
    notes: [
      { kind: 'missing', name: 'x-a', value: '"1"' },
      { kind: 'rejected', name: 'x-a', value: '\xff' },
      { kind: 'rejected', name: 'x-b', value: '[redacted]' },
    ],
  }
  const flow = parse(new ConnectionRecord(FACTS), exchange({ verdict }))
  t.equal(flow.verdict, 'FORWARDED')
  t.same(flow.weir.shadow, { verdict: 'DROPPED', rule: 'default/next', reason: 'DENY_RULE' })
  t.same(flow.weir.missing_headers, [{ key: 'x-a', value: '"1"' }])
  t.same(flow.weir.rejected_headers, [
    { key: 'x-a', value: '\xff' },
    { key: 'x-b', value: '[redacted]' },
  ])
  t.equal(flow.weir.response_bytes, 20)
})

t.test('any bytes of a request come back from the line', async (t) => {
  const latin1 = fc.array(fc.integer({ min: 0, max: 255 })).map((bytes) => String.fromCharCode(...bytes))
  const unicode = fc.string({ unit: 'binary' })
  const endpoint = fc.record({
    ID: fc.nat(),
    identity: fc.nat(),
    namespace: unicode,
    labels: fc.array(unicode),
    pod_name: unicode,
  })
  const arbitrary = fc.record({
    method: latin1,
    path: latin1,
    host: latin1.filter((host) => host !== ''),
    rule: unicode,
    source: endpoint,
    destination: endpoint,
    status: fc.integer({ min: 0, max: 599 }),
  })
  fc.assert(
    fc.property(fc.array(arbitrary, { minLength: 1, maxLength: 4 }), (requests) => {
      for (const first of requests) {
        const { source, destination } = first
        const record = new ConnectionRecord({ ...FACTS, source, destination })
        for (const { method, path, host, rule, status } of requests) {
          const flow = parse(record, exchange({ method, path, host, status, verdict: { ...ALLOWED, rule } }))
          t.same(
            [
              flow.source,
              flow.destination,
              flow.l7?.http?.method,
              flow.l7?.http?.url,
              flow.l7?.http?.code,
              flow.weir.rule,
            ],
            [source, destination, method, `http://${host}${path}`, status, rule],
          )
        }
      }
    }),
    { numRuns: 100 },
  )
})

t.test('escaping', async (t) => {
  t.equal(jsonEscape('plain /~'), 'plain /~')
  t.equal(jsonEscape('a"b\\c\n\x00\x7f\xe9\u2028\ud800'), 'a\\"b\\\\c\\n\\u0000\\u007f\\u00e9\\u2028\\ud800')
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => JSON.parse(`"${jsonEscape(text)}"`) === text),
  )
})

t.test('time stamps are those of Date', async (t) => {
  const formatter = new TimestampFormatter()
  const times = [0, 999, 1000, 1_764_000_000_123, 1_764_000_000_123, 1_764_000_000_124, 1_764_000_001_000, 5]
  for (const ms of times) t.equal(formatter.format(ms), new Date(ms).toISOString())
  t.equal(formatter.format(1000.9), '1970-01-01T00:00:01.000Z')
})

t.test('a Kafka request, in the fields of Hubble', async (t) => {
  const exchange: KafkaExchange = {
    request: { apiKey: 1, apiVersion: 12, clientId: 'c' },
    correlationId: 9,
    topic: 'plans "ü"',
    errorCode: 29,
    verdict: DENIED,
    error: '',
    requestBytes: 10,
    responseBytes: 20,
    startedMs: 1000,
    endedMs: 1001.25,
    respondedMs: 1001,
  }
  const record = new ConnectionRecord(FACTS)
  const parseLine = (line: string): Flow => {
    t.match(line, /^[ -~]*\n$/)
    return JSON.parse(line) as Flow
  }
  t.match(parseLine(record.formatKafka(exchange, 4, TIME)), {
    verdict: 'DROPPED',
    drop_reason_desc: 'POLICY_DENIED',
    l7: {
      type: 'REQUEST',
      latency_ns: '1250000',
      kafka: { error_code: 29, api_version: 12, api_key: 'fetch', correlation_id: 9, topic: 'plans "ü"' },
    },
    Summary: 'Kafka fetch v12 topic plans "ü"',
    weir: { rule: 'default/landing', request_bytes: 10, response_bytes: 20, first_byte_ns: 1000000 },
  })
  const request = { apiKey: 18, apiVersion: 3, clientId: '' }
  const other = { ...exchange, request, topic: '', errorCode: 0, verdict: ALLOWED, respondedMs: 0 }
  t.match(parseLine(record.formatKafka(other, 4, TIME)), {
    verdict: 'FORWARDED',
    Summary: 'Kafka apiversions v3',
  })
})
