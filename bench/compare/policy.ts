// The one policy of the comparison, for every mode: requests under /ok are admitted, on either server, to all.
import { fromEntity, networkPolicy, onHttp, type Rule } from '../../test/helpers/network-policy.ts'

export const ALLOWED_PATH = '/ok.*'

/** Of Weir. The plain iptables modes have it built into their proxy. */
export function policies(servers: readonly string[]): Record<string, Rule> {
  const peers: Rule[] = [{ fromEndpoints: [{}] }, fromEntity('host'), fromEntity('world')]
  return Object.fromEntries(
    servers.map((name) => [
      `${name}.yaml`,
      networkPolicy(name, {
        ingress: peers.map((peer) => ({ ...peer, ...onHttp(80, { path: ALLOWED_PATH }) })),
      }),
    ]),
  )
}
