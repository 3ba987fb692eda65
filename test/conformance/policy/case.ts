// The form of the cases, and words that many of them use.
import type { WorldEndpoint } from '../../helpers/policy-world.ts'

export { documentText } from '../../helpers/policy-world.ts'

export interface Case {
  readonly id: string
  /** Policies of namespace n; a spec may be wrapped to live elsewhere. */
  readonly specs?: readonly object[]
  /** Documents as they are. */
  readonly policies?: readonly string[]
  /** Endpoints besides, or other labels for, A, B, C and M. */
  readonly world?: Readonly<Record<string, WorldEndpoint>>
  /**
   * `A<B:80` = ingress of A from B; `A>B:80` = egress of A to B. Then allow, deny or redirect; with a request
   * (`GET /x`, `GET /x X-A=1`): ok or 403 as the proxy answers; with one of Kafka (`fetch`, `fetch topic group=g
   * client=c`): ok or unauthorized.
   */
  readonly flows: Readonly<
    Record<string, 'allow' | 'audit' | 'deny' | 'redirect' | 'ok' | '403' | 'unauthorized'>
  >
}

export const A = { endpointSelector: { matchLabels: { name: 'A' } } }
export const peer = (name: string): object => ({ fromEndpoints: [{ matchLabels: { name } }] })
export const tcp = (port: string): object => ({ port, protocol: 'TCP' })
export const http = (...rules: object[]): object => ({
  toPorts: [{ ports: [tcp('80')], rules: { http: rules } }],
})

/** Of a policy that belongs to no namespace. */
export const META = { name: 'p' }
