// Names of nodes as Envoy proxies of Cilium have them: `host~127.0.0.1~no-id~localdomain`.
import { isIP } from 'node:net'

/** The address in a node id; undefined unless the id has four parts of which the second is an address. */
export function nodeAddress(id: string): string | undefined {
  const parts = id.split('~')
  const address = parts[1] ?? ''
  return parts.length === 4 && isIP(address) !== 0 ? address : undefined
}
