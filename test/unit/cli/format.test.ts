import t from 'tap'
import { compactFlow } from '../../../src/cli/flow-line.ts'
import { formatTable } from '../../../src/cli/table.ts'
import { printable, printableLines } from '../../../src/cli/terminal-text.ts'
import type { Flow } from '../../../src/lib/flow.ts'

const tie = { ID: 3, identity: 1000, namespace: 'default', labels: [], pod_name: 'tiefighter' }
const world = { ID: 0, identity: 2, namespace: '', labels: ['reserved:world'], pod_name: '' }

const request: Flow = {
  time: '2026-11-04T06:04:10.123Z',
  verdict: 'FORWARDED',
  IP: { source: '10.0.0.3', destination: '10.0.0.7', ipVersion: 'IPv4' },
  l4: { TCP: { source_port: 40000, destination_port: 80 } },
  source: tie,
  destination: world,
  Type: 'L7',
  traffic_direction: 'INGRESS',
  l7: {
    type: 'REQUEST',
    latency_ns: '1250000',
    http: { code: 200, method: 'POST', url: 'http://death/v1', protocol: 'HTTP/1.1' },
  },
  Summary: 'HTTP/1.1 POST http://death/v1',
  weir: { where: 'proxy', rule: 'default/landing', reason: 'RULE_MATCHED', revision: 1 },
}
const withoutTime = (flow: Flow): string =>
  compactFlow(JSON.stringify(flow)).replace(/^.*?: (?=default|\[)/, '')

t.test('a request on one line', async (t) => {
  t.match(compactFlow(JSON.stringify(request)), /^Nov  [345] \d\d:\d\d:10\.123: default/)
  t.equal(
    withoutTime(request),
    'default/tiefighter:40000 (ID:1000) -> 10.0.0.7:80 (ID:2) http-request FORWARDED ' +
      '(HTTP/1.1 POST http://death/v1) 200 1.3ms rule="default/landing" reason=RULE_MATCHED by=proxy',
  )
})

t.test('audit and shadow', async (t) => {
  const line = (verdict: Flow['verdict'], plan: 'FORWARDED' | 'DROPPED', rule = 'default/next'): string =>
    withoutTime({
      ...request,
      verdict,
      weir: { ...request.weir, shadow: { verdict: plan, rule, reason: 'NO_RULE_MATCHED' } },
    })
  t.match(line('AUDIT', 'FORWARDED'), / AUDIT \(.* reason=RULE_MATCHED by=proxy$/)
  t.match(
    line('FORWARDED', 'DROPPED'),
    / reason=RULE_MATCHED shadow=DROPPED\/NO_RULE_MATCHED shadow-rule="default\/next" by=proxy$/,
  )
  t.match(line('DROPPED', 'FORWARDED', ''), / shadow=FORWARDED\/NO_RULE_MATCHED by=proxy$/)
  t.notMatch(line('FORWARDED', 'FORWARDED'), /shadow/, 'nothing would change')
})

t.test('drops', async (t) => {
  const denied: Flow = {
    ...request,
    verdict: 'DROPPED',
    drop_reason_desc: 'POLICY_DENIED',
    weir: { where: 'proxy', rule: '', reason: 'NO_RULE_MATCHED', revision: 1 },
  }
  t.match(withoutTime(denied), / DROPPED \(.*\) 200 1\.3ms reason=POLICY_DENIED\/NO_RULE_MATCHED by=proxy$/)
  const { l7, drop_reason_desc, ...rest } = denied
  const packet: Flow = {
    ...rest,
    drop_reason_desc: 'NO_ENTRY',
    Type: 'L3_L4',
    IP: { source: 'fd00::3', destination: 'fd00::7', ipVersion: 'IPv6' },
    source: world,
    Summary: 'TCP',
    weir: { where: 'kernel', rule: '', reason: 'NO_ENTRY', revision: 1 },
  }
  t.equal(
    withoutTime(packet),
    '[fd00::3]:40000 (ID:2) -> [fd00::7]:80 (ID:2) packet DROPPED (TCP) reason=NO_ENTRY by=kernel',
  )
  t.match(
    compactFlow(JSON.stringify({ ...packet, l4: { ICMPv6: { type: 128 } } })),
    /: fd00::3 \(ID:2\) -> fd00::7 /,
  )
  t.ok(l7 && drop_reason_desc)
})

t.test('a request cannot command the terminal', async (t) => {
  const line = compactFlow(JSON.stringify({ ...request, Summary: 'GET http://x/\u001b[2J\u009b\u202e\n' }))
  t.match(line, /GET http:\/\/x\/\\x1b\[2J\\x9b\\u202e\\x0a/)
  t.equal(compactFlow('no json \u001b'), 'no json \\x1b')
  t.equal(compactFlow('{}'), '{}')
  t.equal(printableLines('a\n\tb\u0007'), 'a\n\tb\\x07')
  t.equal(printable('plain é'), 'plain é')
})

t.test('tables', async (t) => {
  const columns = [
    { title: 'NAME', value: (row: { name: string }) => row.name },
    { title: 'LENGTH', value: (row: { name: string }) => row.name.length, align: 'right' as const },
  ]
  t.equal(
    formatTable(columns, [{ name: 'a' }, { name: 'longer' }, { name: '' }], 'none'),
    ['NAME     LENGTH', 'a             1', 'longer        6', '-             0', ''].join('\n'),
  )
  t.equal(formatTable(columns, [], 'none'), 'none\n')
})
