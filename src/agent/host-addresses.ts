// Addresses of the node itself: their identity is `host`.
import { networkInterfaces } from 'node:os'

/** Loopback and link-local addresses are left out: no endpoint ever sees them as the source of a connection. */
export function hostAddresses(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  return addresses
    .map(({ address }) => address)
    .filter((address) => !address.startsWith('127.') && address !== '::1' && !/^fe[89ab]/i.test(address))
}
