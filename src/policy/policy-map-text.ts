// Policy map entries for people.
import type { PolicyMapEntry } from './policy-map.ts'

/** Ranges are masks in the map: `8080-8087`. */
export function portText({ port, portBits }: Pick<PolicyMapEntry, 'port' | 'portBits'>): string {
  if (portBits === 0) return 'ANY'
  const last = port + (1 << (16 - portBits)) - 1
  return last === port ? String(port) : `${port}-${last}`
}
