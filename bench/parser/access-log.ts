// What does one access-log record cost? Expected: below 500 ns, most of it copying about 700 bytes.
// Run: node dist/bench/parser/access-log.js [records]
import { AccessLog, type RecordSink } from '../../src/proxy/access-log.ts'
import type { HttpExchange } from '../../src/l7rules/http1/request.ts'
import type { Verdict } from '../../src/l7rules/verdict.ts'

const RECORDS = Number(process.argv[2] ?? 1_000_000)
const ROUNDS = 7
const CONNECTIONS = 64

let bytes = 0
const sink: RecordSink = {
  write: (ndjson) => void (bytes += ndjson.length),
  lost: 0,
  reopen: () => {},
  close: () => Promise.resolve(),
}

const endpoint = {
  namespace: 'default',
  pod_name: 'deathstar',
  labels: ['k8s:class=deathstar', 'k8s:org=empire'],
}
const allowed: Verdict = {
  allowed: true,
  rule: 'default/empire-landing ingress[0].toPorts[0].rules.http[0]',
  reason: 'RULE_MATCHED',
  direction: 'ingress',
}

function exchange(i: number): HttpExchange {
  return {
    method: 'POST',
    path: `/v1/request-landing/${i % 997}?ship=tie-${i % 13}`,
    host: 'deathstar.default.svc.cluster.local',
    protocol: 'HTTP/1.1',
    status: 200,
    verdict: allowed,
    error: '',
    requestBytes: 420,
    responseBytes: 180 + (i % 50),
    startedMs: i,
    endedMs: i + 0.75,
  }
}

function run(): number {
  const log = new AccessLog({ sinks: [sink] })
  const connections = Array.from({ length: CONNECTIONS }, (_, i) =>
    log.connection({
      source: { ID: 1, identity: 1000, ...endpoint },
      destination: { ID: 2, identity: 1001, ...endpoint },
      sourceAddress: '10.0.0.1',
      sourcePort: 30_000 + i,
      destinationAddress: '10.0.0.2',
      destinationPort: 80,
    }),
  )
  const exchanges = Array.from({ length: 4096 }, (_, i) => exchange(i))
  bytes = 0
  const before = process.cpuUsage()
  for (let i = 0; i < RECORDS; i++)
    connections[i % CONNECTIONS]?.record(exchanges[i % 4096] as HttpExchange, 7)
  log.flush()
  const { user, system } = process.cpuUsage(before)
  return ((user + system) * 1000) / RECORDS
}

const samples = Array.from({ length: ROUNDS }, run)
  .slice(1)
  .sort((a, b) => a - b)
const result = {
  bench: 'access-log',
  records: RECORDS,
  bytesPerRecord: Math.round(bytes / RECORDS),
  nsPerRecordMedian: Math.round(samples[Math.floor(samples.length / 2)] ?? 0),
  nsPerRecordMin: Math.round(samples[0] ?? 0),
  nsPerRecordMax: Math.round(samples.at(-1) ?? 0),
}
process.stdout.write(`${JSON.stringify(result)}\n`)
