// Rules for requests of two protocols that meet at one port and peer, as people are told of them.
import type { Direction } from './network-policy.ts'

export interface ProtocolConflict {
  readonly direction: Direction
  /** 0 = any port. */
  readonly port: number
  /** Inclusive. */
  readonly endPort: number
  /** Names of one rule for each protocol; there may be more. */
  readonly http: string
  readonly kafka: string
}

const NAMED_ENDPOINTS = 3

/** One line for endpoints that have the same conflict. `of`: conflicts of each endpoint, by its name. */
export function conflictTexts(
  of: Iterable<readonly [endpoint: string, conflicts: readonly ProtocolConflict[]]>,
): string[] {
  const endpoints = new Map<string, string[]>()
  for (const [endpoint, conflicts] of of) {
    for (const conflict of conflicts) {
      const text = textOf(conflict)
      endpoints.set(text, [...(endpoints.get(text) ?? []), endpoint])
    }
  }
  return [...endpoints].map(([text, names]) => `${endpointsText(names)}, ${text}`)
}

function textOf({ direction, port, endPort, http, kafka }: ProtocolConflict): string {
  const ports = port === 0 ? 'any port' : port === endPort ? `port ${port}` : `ports ${port}-${endPort}`
  return (
    `${direction}, ${ports}: PROTOCOL_CONFLICT: rules for HTTP (${http}) and for Kafka (${kafka}) apply to the same ` +
    'peers, which are denied; give the protocols different ports or peers'
  )
}

function endpointsText(names: readonly string[]): string {
  const shown = names.slice(0, NAMED_ENDPOINTS).join(', ')
  const others = names.length - NAMED_ENDPOINTS
  return `endpoint${names.length === 1 ? '' : 's'} ${shown}${others > 0 ? ` and ${others} more` : ''}`
}
