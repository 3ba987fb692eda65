// What every mode is asked to do, over IPv4 and over IPv6.
import { machineState } from '../../test/helpers/machine-state.ts'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { RawHttpClient } from '../../test/helpers/raw-http.ts'
import { addService, dropInvalid, SERVICE, setLargeMtu, turnOffloadOff } from './changes.ts'
import { crashAndRestart } from './crash.ts'
import { type Mode, type Running } from './modes.ts'
import { atOnce, type Family, forEachFamily, type Outcome, same } from './outcome.ts'
import {
  clientAddress,
  halfClose,
  originalDestination,
  probe,
  reset,
  sameSourcePort,
  speakOnOrphan,
  synOnTimeWait,
  transfer,
} from './requests.ts'
import { makeSite, type Site } from './site.ts'

interface Scenario {
  readonly title: string
  /** Comes first, once for both families. */
  readonly change?: (site: Site, running: Running) => unknown
  /** Of both families at once? Not where it looks at what the servers of the site have seen. */
  readonly isAtOnce?: boolean
  ask(site: Site, family: Family): Promise<string>
}

interface Addresses {
  readonly v4: string
  readonly v6: string
}

/** Who asks whom. */
function reach(
  title: string,
  of: (site: Site) => readonly [Namespace, Addresses],
  change?: Scenario['change'],
): Scenario {
  return {
    title,
    isAtOnce: true,
    ...(change === undefined ? {} : { change }),
    ask(site, family) {
      const [from, to] = of(site)
      return probe(from, to[family])
    },
  }
}

/** In this order on one site: later ones leave settings and rules behind. */
const SCENARIOS: readonly Scenario[] = [
  reach('both families', ({ client, server }) => [client, server]),
  { title: 'original destination', ask: originalDestination },
  { title: 'server sees the client address', ask: clientAddress },
  { title: 'one source port to two servers', ask: sameSourcePort },
  { title: 'SYN on a TIME_WAIT of the proxy', ask: synOnTimeWait },
  { title: 'half-close', ask: halfClose },
  { title: 'RST, both ways', ask: reset },
  reach('host process to pod', ({ node, server }) => [node, server]),
  reach('client on another machine', ({ remote, server }) => [remote, server]),
  { title: 'MTU 1500', ask: transfer },
  { title: 'MTU 9000', change: setLargeMtu, ask: transfer },
  { title: 'checksum offload off', change: turnOffloadOff, ask: transfer },
  reach(
    'service address (DNAT)',
    ({ client }) => [client, SERVICE],
    async (site, running) => {
      addService(site)
      await running.knowsOfNat()
    },
  ),
  reach('hairpin by the service address', ({ server }) => [server, SERVICE]),
  reach(
    'conntrack on, INVALID dropped',
    ({ client, server }) => [client, server],
    (site) => dropInvalid(site, true),
  ),
]

/** Behaviour of one mode, by the title of the row. */
export async function behaviour(mode: Mode): Promise<Record<string, Outcome>> {
  return { ...(await whenRouted(mode)), ...(await whenBridged(mode)) }
}

async function whenRouted(mode: Mode): Promise<Record<string, Outcome>> {
  const site = await makeSite(mode.name)
  try {
    const open = (host: string): Promise<RawHttpClient> => RawHttpClient.open(site.client, { host, port: 80 })
    const older = { v4: await open(site.server.v4), v6: await open(site.server.v6) }
    const running = await mode.start(site)
    const results: Record<string, Outcome> = {
      'connection older than the proxy': await atOnce((family) => speakOnOrphan(older[family])),
    }
    for (const { title, change, isAtOnce = false, ask } of SCENARIOS) {
      await change?.(site, running)
      results[title] = await (isAtOnce ? atOnce : forEachFamily)((family) => ask(site, family))
    }
    dropInvalid(site, false)
    results['reasons of what was refused'] = same(await running.refusals())
    return { ...results, ...(await crashAndRestart(site, running)) }
  } finally {
    site.destroy()
  }
}

async function whenBridged(mode: Mode): Promise<Record<string, Outcome>> {
  const site = await makeSite(`${mode.name}-bridge`, 'plain')
  const ask = (): Promise<Outcome> => atOnce((family) => probe(site.client, site.server[family]))
  try {
    const before = machineState(site.node)
    const running = await mode.start(site)
    const bridge = await ask()
    const status = same(await running.status())
    await running.cleanUp()
    const cleanup = same(difference(before, machineState(site.node)))
    site.node.sysctl({ 'net.bridge.bridge-nf-call-iptables': 1, 'net.bridge.bridge-nf-call-ip6tables': 1 })
    await mode.start(site)
    return {
      bridge,
      'bridge with br_netfilter': await ask(),
      'status says which is live': status,
      'cleanup leaves nothing': cleanup,
    }
  } finally {
    site.destroy()
  }
}

function difference(before: Record<string, string>, after: Record<string, string>): string {
  // Those of a bridge run all the time.
  const atRest = (text = ''): string => text.replace(/_timer +[\d.]+/g, '_timer')
  const changed = Object.keys(before).filter((what) => atRest(before[what]) !== atRest(after[what]))
  return changed.length === 0 ? 'yes' : `leaves ${changed.join(', ')}`
}
