// Request smuggling through the real datapath, in front of Node and in front of nginx: the server sees exactly
// the requests that the records say were judged and allowed, nothing else, and nothing differently.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { type Cluster, startCluster } from '../helpers/cluster.ts'
import { fromPods, networkPolicy, onHttp } from '../helpers/network-policy.ts'
import { startNginx } from '../helpers/nginx.ts'
import { addressesOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { type RecordingServer, type SeenRequest, startRecordingServer } from '../helpers/recording-server.ts'
import { waitFor } from '../helpers/wait.ts'
import { SMUGGLING_CASES, type SmugglingCase } from './smuggling-cases.ts'

const WEB = 80
const BACKEND = 8081
const FIRST_LOCAL_PORT = 20_000

type Pods = 'client' | 'node' | 'nginx'

/** A request as a server, or a record, names it. */
interface Named {
  readonly method: string
  readonly target: string
  readonly host: string
}

/** What stands behind the proxy. */
interface Site {
  readonly pod: 'node' | 'nginx'
  /** Every request that the server itself noticed, complete or not, sentinels too. */
  requests(): readonly Named[]
  /** With bodies; in front of nginx what it passed on. */
  readonly backend: RecordingServer
}

/** A case that was played. */
interface Played {
  readonly one: SmugglingCase
  /** Sent when all that the case can cause has been sent, on another connection. */
  readonly sentinel: string
  readonly destination: string
  readonly localPort: number
  readonly answers: readonly number[]
  readonly ended: string
}

if (canRunPrivileged(t)) {
  t.test('smuggling', async (t) => {
    const cluster = await startCluster(t, {
      pods: ['client', 'node', 'nginx'],
      policies: Object.fromEntries(
        ['node', 'nginx'].map((app) => [
          `${app}.yaml`,
          networkPolicy(app, {
            ingress: [
              {
                ...fromPods('client'),
                ...onHttp(WEB, { path: '/public/.*' }, { path: '/hosted', host: 'web\\.example' }),
              },
            ],
          }),
        ]),
      ),
      // One of each: what comes later on another connection is handled later.
      args: ({ workDir }) => ['--workers', '1', '--access-log', join(workDir, 'access.log')],
    })
    const { node, nginx } = cluster.pods
    const web = await startRecordingServer(node, WEB)
    const behindNginx = await startRecordingServer(nginx, BACKEND)
    const directory = join(cluster.node.workDir, 'nginx')
    const { accessLog } = await startNginx(nginx, { directory, backendPort: BACKEND })
    t.teardown(() => [web, behindNginx].forEach((server) => server.close()))
    const sites: readonly Site[] = [
      { pod: 'node', backend: web, requests: () => web.seen },
      { pod: 'nginx', backend: behindNginx, requests: () => requestsOf(accessLog) },
    ]
    for (const site of sites) {
      await t.test(`in front of ${site.pod}`, async (t) => {
        const played: Played[] = []
        for (const [i, one] of SMUGGLING_CASES.entries()) played.push(await play(cluster, site, one, i))
        const records = await recordsOf(cluster, played)
        for (const each of played) t.test(each.one.name, (t) => check(t, site, each, records))
      })
    }
  })
}

/** What becomes of requests with %2F: the answer, and what the server sees. */
const ENCODED_SLASHES = {
  reject: [
    ['/public/a%2fb', 400, ''],
    ['/public/a?%2f', 200, '/public/a?%2f'],
  ],
  decode: [
    ['/public/a%2fb', 200, '/public/a/b'],
    ['/public%2Fa', 200, '/public/a'],
    ['/public/..%2fsecret', 403, ''],
    ['/public/a%252fb', 200, '/public/a%252fb'],
  ],
} as const

if (canRunPrivileged(t)) {
  for (const [mode, cases] of Object.entries(ENCODED_SLASHES)) {
    t.test(`--path-encoded-slash ${mode}`, async (t) => {
      const { pods } = await startCluster(t, {
        pods: ['client', 'server'],
        policies: {
          'server.yaml': networkPolicy('server', {
            ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/public/.*' }) }],
          }),
        },
        args: () => ['--workers', '1', '--path-encoded-slash', mode],
      })
      const web = await startRecordingServer(pods.server, WEB)
      t.teardown(() => web.close())
      for (const [target, status, seen] of cases) {
        const before = web.seen.length
        const http = await RawHttpClient.open(pods.client, { host: pods.server.v6, port: WEB })
        http.get(target)
        t.equal((await http.response()).status, status, target)
        const targets = web.seen.slice(before).map((request) => request.target)
        t.strictSame(targets, seen === '' ? [] : [seen])
        http.close()
      }
    })
  }
}

async function play(cluster: Cluster<Pods>, site: Site, one: SmugglingCase, number: number): Promise<Played> {
  const { client } = cluster.pods
  const host = addressesOf(cluster.pods[site.pod])[number % 2]!
  // Of its own, and none that the kernel gives out: records are found by it.
  const localPort = FIRST_LOCAL_PORT + number
  const http = await RawHttpClient.open(client, { host, port: WEB }, { localPort })
  http.socket.write(one.bytes, 'latin1')
  const answers: number[] = []
  for (const _ of one.answers) {
    const answer = await http.response().catch(() => undefined)
    if (answer !== undefined) answers.push(answer.status)
  }
  const ended = one.code === undefined ? '' : await http.ended
  http.close()
  const sentinel = `/public/sentinel-${number}`
  const next = await RawHttpClient.open(client, { host, port: WEB })
  next.get(sentinel)
  await next.response()
  next.close()
  return { one, sentinel, destination: host, localPort, answers, ended }
}

async function check(t: Test, site: Site, played: Played, records: readonly Flow[]): Promise<void> {
  const { one } = played
  t.strictSame(played.answers, one.answers, 'answers')
  if (one.code !== undefined) t.equal(played.ended, 'end', 'the connection ends')
  const own = records.filter(({ IP, l4 }) => {
    return IP.destination === played.destination && l4.TCP?.source_port === played.localPort
  })
  t.equal(own.length, one.answers.filter((status) => status >= 200).length, 'one record for each answer')
  t.equal(own.at(-1)?.weir.reason === one.code, one.code !== undefined, 'with its reason')

  const forwarded = own.filter(({ verdict }) => verdict === 'FORWARDED').map(named)
  const complete = one.isBrokenOff === true ? one.reaches.slice(0, -1) : one.reaches
  const seen = ofCase(site.requests(), played).map(plain)
  t.strictSame(seen.slice(0, forwarded.length), forwarded, 'what the server saw is what was judged')
  t.ok(seen.length <= one.reaches.length, 'and nothing else')
  const received = ofCase(site.backend.seen, played)
  t.strictSame(
    received.filter(({ isComplete }) => isComplete).map(described),
    complete.map((text) => (site.pod === 'nginx' ? text.replace(/http:\/\/[^/]*/, '') : text)),
    'and what it should, with the same bodies',
  )
  for (const broken of received.filter(({ isComplete }) => !isComplete)) {
    t.ok(one.isBrokenOff, 'may be broken off')
    t.equal(described(broken), one.reaches.at(-1))
  }
}

/** The requests between the sentinel of the case before and that of this one. */
function ofCase<T extends Named>(requests: readonly T[], { sentinel }: Played): T[] {
  const end = requests.findIndex(({ target }) => target === sentinel)
  const isSentinel = ({ target }: Named): boolean => target.startsWith('/public/sentinel-')
  return requests.slice(requests.slice(0, end).findLastIndex(isSentinel) + 1, end)
}

function requestsOf(nginxLog: string): Named[] {
  return readFileSync(nginxLog, 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Named)
}

/** All records, once that of the last sentinel is there. */
async function recordsOf({ node }: Cluster<Pods>, played: readonly Played[]): Promise<Flow[]> {
  const { sentinel, destination } = played.at(-1)!
  const isLast = ({ l7, IP }: Flow): boolean =>
    IP.destination === destination && l7?.http?.url.endsWith(sentinel) === true
  return waitFor(
    () => {
      const lines = readFileSync(join(node.workDir, 'access.log'), 'utf8').split('\n').slice(0, -1)
      const records = lines.map((line) => JSON.parse(line) as Flow)
      return records.some(isLast) ? records : undefined
    },
    { what: 'the last record' },
  )
}

function named({ l7 }: Flow): Named {
  const { method, url } = l7!.http!
  const [, host = '', target = ''] = /^http:\/\/([^/*]*)(.*)$/.exec(url)!
  return { method, target, host }
}

/** Records and nginx name the path of an absolute-form target only. */
function plain({ method, target, host }: Named): Named {
  return { method, target: target.replace(/^http:\/\/[^/]*/, ''), host }
}

function described({ method, target, body }: SeenRequest): string {
  return `${method} ${target}${body === '' ? '' : ` ${body}`}`
}
