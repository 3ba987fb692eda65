// One flow on one line, in the manner of `hubble observe`'s compact output.
import type { Flow, FlowEndpoint } from '../lib/flow.ts'
import { printable } from './terminal-text.ts'

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

/**
 * `Nov 24 06:04:10.123: default/tie:40000 (ID:1000) -> default/death:80 (ID:1001) http-request FORWARDED
 * (HTTP/1.1 POST http://death/v1) 200 1.3ms rule=... reason=... by=proxy`. Local time. A line that is no
 * flow comes back as it is, made printable.
 */
export function compactFlow(json: string): string {
  let flow: Flow
  try {
    flow = JSON.parse(json) as Flow
    return printable(format(flow))
  } catch {
    return printable(json)
  }
}

function format(flow: Flow): string {
  const ports = flow.l4.TCP ?? flow.l4.UDP
  const { http, kafka } = flow.l7 ?? {}
  const result = http?.code ?? kafka?.error_code
  return [
    `${localTime(flow.time)}:`,
    peer(flow.source, flow.IP.source, ports?.source_port),
    '->',
    peer(flow.destination, flow.IP.destination, ports?.destination_port),
    flow.Type !== 'L7' ? 'packet' : kafka === undefined ? 'http-request' : 'kafka-request',
    flow.verdict,
    `(${flow.Summary})`,
    ...(result === undefined ? [] : [result, `${(Number(flow.l7?.latency_ns) / 1e6).toFixed(1)}ms`]),
    ...(flow.weir.rule === '' ? [] : [`rule=${JSON.stringify(flow.weir.rule)}`]),
    `reason=${reasons(flow)}`,
    ...shadowOf(flow),
    `by=${flow.weir.where}`,
  ].join(' ')
}

/** Only what differs from what happened: the rest of a rehearsal is no news. */
function shadowOf({ verdict, weir: { shadow } }: Flow): string[] {
  if (shadow === undefined) return []
  const happens = verdict === 'DROPPED' ? 'DROPPED' : 'FORWARDED'
  if (shadow.verdict === happens) return []
  const rule = shadow.rule === '' ? '' : ` shadow-rule=${JSON.stringify(shadow.rule)}`
  return [`shadow=${shadow.verdict}/${shadow.reason}${rule}`]
}

function reasons({ drop_reason_desc: dropped, weir }: Flow): string {
  return dropped === undefined || dropped === weir.reason ? weir.reason : `${dropped}/${weir.reason}`
}

function peer(endpoint: FlowEndpoint, address: string, port: number | undefined): string {
  const host = address.includes(':') && port !== undefined ? `[${address}]` : address
  const name = endpoint.pod_name === '' ? host : `${endpoint.namespace}/${endpoint.pod_name}`
  return `${name}${port === undefined ? '' : `:${port}`} (ID:${endpoint.identity})`
}

function localTime(rfc3339: string): string {
  const date = new Date(rfc3339)
  const two = (n: number): string => String(n).padStart(2, '0')
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':')
  const day = String(date.getDate()).padStart(2)
  return `${MONTHS[date.getMonth()]} ${day} ${clock}.${String(date.getMilliseconds()).padStart(3, '0')}`
}
