// Packets that the kernel dropped, and flows that it passed in audit, as flow records like those of the proxy.
import type { Flow, FlowEndpoint } from '../lib/flow.ts'
import type { Identity } from '../lib/brands.ts'
import type { DatapathEvent } from '../redirect/datapath-api.ts'
import { AUDIT_REASON } from '../redirect/layouts.ts'

const PROTOCOLS: Readonly<Record<number, 'TCP' | 'UDP' | 'ICMPv4' | 'ICMPv6'>> = {
  1: 'ICMPv4',
  6: 'TCP',
  17: 'UDP',
  58: 'ICMPv6',
}

export interface FlowContext {
  /** Who has the address; by identity alone when nobody local does. */
  describe(address: string, identity: Identity): FlowEndpoint
  /** Names of the policies that protect an endpoint: one of them would have had to admit the packet. */
  policiesOf(endpoint: number): readonly string[]
  readonly revision: number
  readonly time: string
}

/** Reasons that are the word of a policy; all others are about the packet or the machine. */
const POLICY_REASONS: ReadonlySet<string> = new Set(['POLICY_DENIED', 'POLICY_DENY', AUDIT_REASON])

export function kernelFlow(event: DatapathEvent, context: FlowContext): Flow {
  const protocol = PROTOCOLS[event.protocol]
  const isIPv6 = event.source.includes(':')
  const isAudit = event.reason === AUDIT_REASON
  return {
    time: context.time,
    verdict: isAudit ? 'AUDIT' : 'DROPPED',
    ...(isAudit ? {} : { drop_reason_desc: event.reason }),
    IP: { source: event.source, destination: event.destination, ipVersion: isIPv6 ? 'IPv6' : 'IPv4' },
    l4: l4Of(event, protocol),
    source: context.describe(event.source, event.sourceIdentity),
    destination: context.describe(event.destination, event.destinationIdentity),
    Type: 'L3_L4',
    traffic_direction: event.direction === 'ingress' ? 'INGRESS' : 'EGRESS',
    Summary: `${protocol ?? `IP protocol ${event.protocol}`} ${isAudit ? 'passed in audit' : 'dropped'}: ${event.reason}`,
    weir: { where: 'kernel', rule: ruleOf(event, context), reason: event.reason, revision: context.revision },
  }
}

function ruleOf(event: DatapathEvent, context: FlowContext): string {
  return POLICY_REASONS.has(event.reason) ? context.policiesOf(event.endpoint).join(', ') : ''
}

function l4Of(event: DatapathEvent, protocol: 'TCP' | 'UDP' | 'ICMPv4' | 'ICMPv6' | undefined): Flow['l4'] {
  const ports = { source_port: event.sourcePort, destination_port: event.destinationPort }
  switch (protocol) {
    case 'TCP':
      return { TCP: ports }
    case 'UDP':
      return { UDP: ports }
    case 'ICMPv4':
    case 'ICMPv6':
    case undefined:
      return {}
  }
}
