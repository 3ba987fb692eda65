// Whether this network namespace speaks IPv6 at all.
import { existsSync } from 'node:fs'

/** False when IPv6 was compiled out or switched off at boot. */
export function hasIPv6(): boolean {
  return existsSync('/proc/sys/net/ipv6/conf/all')
}
