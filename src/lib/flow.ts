// The record of one request or one kernel verdict, in the JSON field names of Hubble's `Flow`.

export interface FlowEndpoint {
  readonly ID: number
  readonly identity: number
  readonly namespace: string
  readonly labels: readonly string[]
  readonly pod_name: string
}

/** Hubble's flow verdicts. AUDIT: forwarded, and dropped once the rules in audit are enforced; rule and reason say why. */
export type FlowVerdict = 'FORWARDED' | 'DROPPED' | 'AUDIT' | 'ERROR'

export interface Flow {
  /** RFC 3339 with nanosecond or millisecond fraction, UTC. */
  readonly time: string
  readonly verdict: FlowVerdict
  /** Only when dropped: POLICY_DENIED, INVALID_SOURCE_IP, ... */
  readonly drop_reason_desc?: string
  readonly IP: { readonly source: string; readonly destination: string; readonly ipVersion: 'IPv4' | 'IPv6' }
  readonly l4: {
    readonly TCP?: { readonly source_port: number; readonly destination_port: number }
    readonly UDP?: { readonly source_port: number; readonly destination_port: number }
  }
  readonly source: FlowEndpoint
  readonly destination: FlowEndpoint
  /** L7: judged by the proxy. L3_L4: judged in the kernel. */
  readonly Type: 'L7' | 'L3_L4'
  readonly traffic_direction: 'INGRESS' | 'EGRESS'
  readonly l7?: {
    readonly type: 'REQUEST'
    readonly latency_ns: string
    /** One of both. */
    readonly http?: {
      readonly code: number
      readonly method: string
      readonly url: string
      readonly protocol: string
    }
    readonly kafka?: {
      /** 0 = nothing was denied; else what the client was told. */
      readonly error_code: number
      readonly api_version: number
      readonly api_key: string
      readonly correlation_id: number
      /** The one that is denied, or else the first that the request names; '' = none. */
      readonly topic: string
    }
  }
  readonly Summary: string
  /** Not in Hubble: who decided, by which rule, at which revision, and the bytes of both directions. */
  readonly weir: {
    readonly where: 'kernel' | 'proxy'
    readonly rule: string
    readonly reason: string
    readonly revision: number
    /** What would become of it if the rules in audit and shadow were enforced; only where shadow rules apply. */
    readonly shadow?: {
      readonly verdict: 'FORWARDED' | 'DROPPED'
      readonly rule: string
      readonly reason: string
    }
    /** What header actions of rules found; values of secrets are redacted. */
    readonly missing_headers?: readonly { readonly key: string; readonly value: string }[]
    readonly rejected_headers?: readonly { readonly key: string; readonly value: string }[]
    readonly request_bytes?: number
    readonly response_bytes?: number
    /** From the complete head of the request to that of the final response; latency_ns goes on to the end of both. */
    readonly first_byte_ns?: number
    /** Of a gRPC call, when it came to a status. */
    readonly grpc_status?: number
  }
}
