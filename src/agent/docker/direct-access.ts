// What newer engines do to packets that come to a container's address on another device than its bridge. Pure.
import type { EngineNetworkDetail } from './engine-types.ts'

/** From this major version on, such packets are dropped by rules in the raw table. */
const FILTERING_SINCE = 28
const GATEWAY_MODES = [
  'com.docker.network.bridge.gateway_mode_ipv4',
  'com.docker.network.bridge.gateway_mode_ipv6',
]
const TRUSTED_INTERFACES = 'com.docker.network.bridge.trusted_host_interfaces'
/** Where packets for the proxy come in again. */
const OUR_DEVICE = 'weir0'
const UNFILTERED = ['nat-unprotected', 'routed']

/**
 * Packets for the proxy go round through weir0, still addressed to the container. @returns what an operator should
 * know, undefined = nothing
 */
export function directAccessProblem(
  version: string,
  networks: readonly EngineNetworkDetail[],
): string | undefined {
  if (!(Number.parseInt(version, 10) >= FILTERING_SINCE)) return undefined
  const filtered = networks.filter(({ Options }) => isFiltered(Options ?? {})).map(({ Name }) => Name)
  if (filtered.length === 0) return undefined
  return (
    `Docker ${version} drops what goes round through ${OUR_DEVICE}, so ports under L7 policy are closed on its networks ` +
    `${filtered.sort().join(', ')}: create them with -o ${TRUSTED_INTERFACES}=${OUR_DEVICE}, or run the engine with ` +
    '--allow-direct-routing (then ignore this)'
  )
}

function isFiltered(options: Readonly<Record<string, string>>): boolean {
  if (options[TRUSTED_INTERFACES]?.split(/[:,]/).includes(OUR_DEVICE) === true) return false
  return GATEWAY_MODES.some((mode) => !UNFILTERED.includes(options[mode] ?? 'nat'))
}
