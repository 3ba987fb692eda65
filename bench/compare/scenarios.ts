// What every mode is asked to do. An answer is `yes`, `closed` (nothing passes), `BYPASSED` (passes unjudged), or says
// what happened; a time where time is the point.
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { curl } from '../../test/helpers/curl.ts'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { urlOf } from '../../test/helpers/node-namespace.ts'
import { RawHttpClient } from '../../test/helpers/raw-http.ts'
import { connected } from '../../test/helpers/tcp.ts'
import { type Mode, type Running } from './modes.ts'
import { BIG, BIG_PATH, makeSite, type Site } from './site.ts'

const CONNECT_MS = 700
const TOTAL_MS = 1_500
const LONG_MS = 4_000
const SERVICE = '10.96.0.10'

export interface Stage {
  readonly site: Site
  readonly running: Running
}

export interface Scenario {
  readonly title: string
  run(stage: Stage): Promise<string>
}

/** Both a request that is admitted and one that is not. */
export async function probe(from: Namespace, address: string): Promise<string> {
  const limits = { connectTimeoutMs: CONNECT_MS, timeoutMs: TOTAL_MS }
  const denied = await curl(from, urlOf(address, '/secret'), limits)
  const admitted = await curl(from, urlOf(address, '/ok'), limits)
  if (denied.status === 200) return 'BYPASSED'
  if (admitted.status === 200 && denied.status === 403) return 'yes'
  if (admitted.status === 0 && denied.status === 0) return 'closed'
  return `broken (${admitted.status}, ${denied.status})`
}

/** In this order on one stage: later ones leave rules behind, the last ones kill the proxy. */
export const SCENARIOS: readonly Scenario[] = [
  { title: 'IPv4', run: ({ site }) => probe(site.client, site.server.v4) },
  { title: 'IPv6', run: ({ site }) => probe(site.client, site.server.v6) },
  { title: 'original destination', run: originalDestination },
  { title: 'server sees the client address', run: clientAddress },
  { title: 'one source port to two servers', run: sameSourcePort },
  { title: 'SYN on a TIME_WAIT of the proxy', run: synOnTimeWait },
  { title: 'half-close', run: halfClose },
  { title: 'RST goes through', run: reset },
  { title: 'host process to pod', run: ({ site }) => probe(site.node, site.server.v4) },
  { title: 'client on another machine', run: ({ site }) => probe(site.remote, site.server.v4) },
  { title: 'MTU 9000', run: largeMtu },
  { title: 'checksum offload off', run: noOffload },
  { title: 'service address (DNAT)', run: service },
  { title: 'hairpin by the service address', run: ({ site }) => probe(site.server, SERVICE) },
  { title: 'firewall drops INVALID', run: dropInvalid },
  { title: 'kill -9: live connection', run: liveConnection },
  { title: 'kill -9: new connection', run: ({ site }) => probe(site.client, site.server.v4) },
  { title: 'after a restart', run: restart },
]

/** Behaviour of one mode, by the title of the scenario. */
export async function behaviour(mode: Mode): Promise<Record<string, string>> {
  const results: Record<string, string> = {}
  const site = await makeSite(mode.name)
  try {
    const orphan = await RawHttpClient.open(site.client, { host: site.server.v4, port: 80 })
    const running = await mode.start(site)
    results['connection older than the proxy'] = await orphaned(orphan)
    for (const { title, run } of SCENARIOS) {
      results[title] = await run({ site, running }).catch((error: unknown) => `fails: ${short(error)}`)
    }
  } finally {
    site.destroy()
  }
  const bridged = await makeSite(`${mode.name}-bridge`, 'netfilter')
  try {
    await mode.start(bridged)
    results['bridge with br_netfilter'] = await probe(bridged.client, bridged.server.v4)
  } finally {
    bridged.destroy()
  }
  return results
}

function short(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n')[0]!.slice(0, 40)
}

async function orphaned(http: RawHttpClient): Promise<string> {
  const started = performance.now()
  http.get('/secret')
  const end = http.ended.then((how) => (how === 'ECONNRESET' ? `reset in ${ms(started)}` : how))
  const answer = http.response().then(
    ({ status }) => (status === 200 ? 'BYPASSED' : `status ${status}`),
    () => end,
  )
  const result = await Promise.race([answer, sleep(TOTAL_MS).then(() => 'hangs')])
  http.close()
  return result
}

const ms = (started: number): string => `${(performance.now() - started).toFixed(1)} ms`

async function originalDestination({ site }: Stage): Promise<string> {
  const before = [site.web.requests.length, site.secondWeb.requests.length]
  await curl(site.client, urlOf(site.server.v4, '/ok/1'), { timeoutMs: TOTAL_MS })
  await curl(site.client, urlOf(site.second.v4, '/ok/2'), { timeoutMs: TOTAL_MS })
  const after = [site.web.requests.length, site.secondWeb.requests.length]
  return after.every((count, i) => count === before[i]! + 1) ? 'yes' : 'no'
}

async function clientAddress({ site }: Stage): Promise<string> {
  await curl(site.client, urlOf(site.server.v4, '/ok'), { timeoutMs: TOTAL_MS })
  return site.web.requests.at(-1)?.client.address === site.client.v4 ? 'yes' : 'no'
}

async function sameSourcePort({ site }: Stage): Promise<string> {
  const open = (host: string): Promise<RawHttpClient> =>
    RawHttpClient.open(site.client, { host, port: 80 }, { localPort: 61_001, timeoutMs: CONNECT_MS })
  const ask = async (http: RawHttpClient): Promise<boolean> => {
    http.get('/ok')
    const late = sleep(TOTAL_MS).then(() => false)
    return Promise.race([
      late,
      http.response().then(
        ({ status }) => status === 200,
        () => false,
      ),
    ])
  }
  const first = await open(site.server.v4)
  const second = await open(site.second.v4).catch(() => undefined)
  const outcome =
    second === undefined
      ? (await ask(first))
        ? 'second waits'
        : 'both fail'
      : `${(await ask(second)) ? '' : 'second fails '}${(await ask(first)) ? '' : 'first hangs'}`.trim() ||
        'yes'
  first.close()
  second?.close()
  return outcome
}

/** The server ends first, so the proxy closes first, and its end waits when the client uses the port again. */
async function synOnTimeWait({ site }: Stage): Promise<string> {
  const to = { host: site.server.v4, port: 80 }
  const options = { localPort: 61_002, timeoutMs: LONG_MS }
  const first = await connected(site.client, to, options)
  first.write('GET /ok HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n')
  first.resume()
  await once(first, 'end')
  first.end()
  await once(first, 'close')
  const started = performance.now()
  const second = await connected(site.client, to, options)
  const time = ms(started)
  second.destroy()
  return time
}

async function halfClose({ site }: Stage): Promise<string> {
  const connection = await connected(site.client, { host: site.server.v4, port: 80 })
  let text = ''
  connection.on('data', (data: Buffer) => (text += data.toString('latin1')))
  connection.end('GET /ok HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n')
  await Promise.race([once(connection, 'end'), sleep(TOTAL_MS)])
  connection.destroy()
  return text.startsWith('HTTP/1.1 200') ? 'yes' : 'no'
}

async function reset({ site }: Stage): Promise<string> {
  const accepted = once(site.web.server, 'connection') as Promise<[NodeJS.EventEmitter]>
  const http = await RawHttpClient.open(site.client, { host: site.server.v4, port: 80 })
  http.get('/ok')
  const [socket] = await Promise.race([accepted, sleep(TOTAL_MS).then((): [undefined] => [undefined])])
  await http.response()
  if (socket === undefined) return 'no upstream connection'
  const ended = new Promise<string>((resolve) => {
    socket.once('error', () => resolve('yes'))
    socket.once('end', () => resolve('as FIN'))
  })
  http.socket.resetAndDestroy()
  return Promise.race([ended, sleep(TOTAL_MS).then(() => 'no')])
}

async function download({ site }: Stage): Promise<string> {
  const { body } = await curl(site.client, urlOf(site.server.v4, BIG_PATH), { timeoutMs: LONG_MS })
  return body.equals(BIG) ? 'yes' : 'no'
}

async function largeMtu(stage: Stage): Promise<string> {
  for (const pod of [stage.site.client, stage.site.server]) {
    stage.site.node.ip(`link set ${pod.device} mtu 9000`)
    pod.ip('link set eth0 mtu 9000')
  }
  return download(stage)
}

async function noOffload(stage: Stage): Promise<string> {
  for (const pod of [stage.site.client, stage.site.server]) {
    stage.site.node.execSync(['ethtool', '-K', pod.device, 'tx', 'off', 'rx', 'off'])
    pod.execSync(['ethtool', '-K', 'eth0', 'tx', 'off', 'rx', 'off'])
  }
  return download(stage)
}

/** As kube-proxy makes it. Weir looks every five seconds whether there is NAT. */
async function service({ site }: Stage): Promise<string> {
  for (const chain of ['PREROUTING', 'OUTPUT']) {
    const match = ['-d', `${SERVICE}/32`, '-p', 'tcp', '--dport', '80']
    const action = ['-j', 'DNAT', '--to-destination', `${site.server.v4}:80`]
    // Before the rule of REDIRECT, or that would come first and never know the server.
    site.node.execSync(['iptables', '-t', 'nat', '-I', chain, ...match, ...action])
  }
  site.node.ip(`route replace ${SERVICE}/32 dev lo`)
  return probe(site.client, SERVICE)
}

async function dropInvalid({ site }: Stage): Promise<string> {
  for (const chain of ['INPUT', 'OUTPUT', 'FORWARD']) {
    const match = ['-m', 'conntrack', '--ctstate', 'INVALID']
    site.node.execSync(['iptables', '-I', chain, ...match, '-j', 'DROP'])
  }
  const result = await probe(site.client, site.server.v4)
  for (const chain of ['INPUT', 'OUTPUT', 'FORWARD']) site.node.execSync(['iptables', '-D', chain, '1'])
  return result
}

async function liveConnection({ site, running }: Stage): Promise<string> {
  const http = await RawHttpClient.open(site.client, { host: site.server.v4, port: 80 })
  http.get('/ok')
  await http.response()
  await running.kill()
  return Promise.race([http.ended, sleep(TOTAL_MS).then(() => 'hangs')])
}

async function restart({ site, running }: Stage): Promise<string> {
  await running.restart()
  return probe(site.client, site.server.v4)
}
