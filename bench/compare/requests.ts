// Questions to a mode that is running: requests and connections of a client, and what server and client see.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { curl } from '../../test/helpers/curl.ts'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { urlOf } from '../../test/helpers/node-namespace.ts'
import { RawHttpClient } from '../../test/helpers/raw-http.ts'
import { connected } from '../../test/helpers/tcp.ts'
import { type Family } from './outcome.ts'
import { BIG, BIG_PATH, type Site } from './site.ts'

const CONNECT_MS = 700
const TOTAL_MS = 1_500
const LONG_MS = 4_000
const PORT = 80
const BIG_SHA256 = createHash('sha256').update(BIG).digest('hex')

/** Both a request that is admitted and one that is not. */
export async function probe(from: Namespace, address: string): Promise<string> {
  const limits = { connectTimeoutMs: CONNECT_MS, timeoutMs: TOTAL_MS }
  const [denied, admitted] = await Promise.all([
    curl(from, urlOf(address, '/secret'), limits),
    curl(from, urlOf(address, '/ok'), limits),
  ])
  if (denied.status === 200) return 'BYPASSED'
  if (admitted.status === 200 && denied.status === 403) return 'yes'
  if (admitted.status === 0 && denied.status === 0) return 'closed'
  return `broken (${admitted.status}, ${denied.status})`
}

/** Each server gets what was asked of it. */
export async function originalDestination(site: Site, family: Family): Promise<string> {
  const counts = (): number[] => [site.web.requests.length, site.secondWeb.requests.length]
  const [first = 0, second = 0] = counts()
  await curl(site.client, urlOf(site.server[family], '/ok/1'), { timeoutMs: TOTAL_MS })
  await curl(site.client, urlOf(site.second[family], '/ok/2'), { timeoutMs: TOTAL_MS })
  return String(counts()) === String([first + 1, second + 1]) ? 'yes' : 'no'
}

export async function clientAddress(site: Site, family: Family): Promise<string> {
  await curl(site.client, urlOf(site.server[family], '/ok'), { timeoutMs: TOTAL_MS })
  return site.web.requests.at(-1)?.client.address === site.client[family] ? 'yes' : 'no'
}

export async function sameSourcePort(site: Site, family: Family): Promise<string> {
  const open = (host: string): Promise<RawHttpClient> =>
    RawHttpClient.open(site.client, { host, port: PORT }, { localPort: 61_001, timeoutMs: CONNECT_MS })
  const ask = (http: RawHttpClient): Promise<boolean> => {
    http.get('/ok')
    const isAnswered = http.response().then(
      ({ status }) => status === 200,
      () => false,
    )
    return Promise.race([isAnswered, sleep(TOTAL_MS).then(() => false)])
  }
  const first = await open(site.server[family])
  const second = await open(site.second[family]).catch(() => undefined)
  try {
    if (second === undefined) return (await ask(first)) ? 'second waits' : 'no'
    return (await ask(second)) && (await ask(first)) ? 'yes' : 'no'
  } finally {
    first.close()
    second?.close()
  }
}

/** The server ends first, so the proxy closes first, and its end waits when the client uses the port again. */
export async function synOnTimeWait(site: Site, family: Family): Promise<string> {
  const to = { host: site.server[family], port: PORT }
  const options = { localPort: 61_002, timeoutMs: LONG_MS }
  const first = await connected(site.client, to, options)
  first.write('GET /ok HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n')
  first.resume()
  await once(first, 'end')
  first.end()
  await once(first, 'close')
  const started = performance.now()
  const second = await connected(site.client, to, options)
  const time = milliseconds(started)
  second.destroy()
  return time
}

/** The server is one that keeps connections: it ends this one because the client's FIN has reached it. */
export async function halfClose(site: Site, family: Family): Promise<string> {
  const connection = await connected(site.client, { host: site.server[family], port: PORT })
  let text = ''
  connection.on('data', (data: Buffer) => (text += data.toString('latin1')))
  connection.end('GET /ok HTTP/1.1\r\nHost: server\r\n\r\n')
  const hasEnded = await Promise.race([
    once(connection, 'end').then(() => true),
    sleep(TOTAL_MS).then(() => false),
  ])
  connection.destroy()
  return text.startsWith('HTTP/1.1 200') && hasEnded ? 'yes' : 'no'
}

/** Of the client, seen by the server, and the other way round. */
export async function reset(site: Site, family: Family): Promise<string> {
  const late = sleep(2 * TOTAL_MS).then(() => 'nothing')
  const byClient = await openBoth(site, family)
  const seenByServer = new Promise<string>((resolve) => {
    byClient.upstream.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? ''))
    byClient.upstream.once('end', () => resolve('FIN'))
  })
  byClient.http.socket.resetAndDestroy()
  const atServer = await Promise.race([seenByServer, late])
  const byServer = await openBoth(site, family)
  byServer.upstream.resetAndDestroy()
  const atClient = await Promise.race([byServer.http.ended, late])
  byServer.http.close()
  return atServer === 'ECONNRESET' && atClient === 'ECONNRESET' ? 'yes' : `as ${atServer}, ${atClient}`
}

/** A connection that has carried a request, by both of its far ends. */
async function openBoth(
  site: Site,
  family: Family,
): Promise<{ readonly http: RawHttpClient; readonly upstream: Socket }> {
  const accepted = once(site.web.server, 'connection') as Promise<[Socket]>
  const http = await openHttp(site, family)
  return { http, upstream: (await accepted)[0] }
}

/** A connection that has carried a request. */
export async function openHttp(site: Site, family: Family): Promise<RawHttpClient> {
  const http = await RawHttpClient.open(site.client, { host: site.server[family], port: PORT })
  http.get('/ok')
  await http.response()
  return http
}

/** 1 MB each way arrives unchanged. */
export async function transfer(site: Site, family: Family): Promise<string> {
  const options = { connectTimeoutMs: CONNECT_MS, timeoutMs: LONG_MS }
  const address = site.server[family]
  const { body } = await curl(site.client, urlOf(address, BIG_PATH), options)
  await curl(site.client, urlOf(address, '/ok/up'), { ...options, method: 'POST', body: BIG })
  return body.equals(BIG) && site.web.requests.at(-1)?.bodySha256 === BIG_SHA256 ? 'yes' : 'no'
}

/** What becomes of a connection on which the client speaks after all, though no proxy knows it. */
export async function speakOnOrphan(http: RawHttpClient): Promise<string> {
  const started = performance.now()
  http.get('/secret')
  const answer = http.response().then(
    ({ status }) => (status === 200 ? 'BYPASSED' : `status ${status}`),
    () =>
      http.ended.then((how) =>
        how === 'ECONNRESET' ? `reset in ${milliseconds(started)}` : `ends (${how})`,
      ),
  )
  const result = await Promise.race([answer, sleep(TOTAL_MS).then(() => 'hangs')])
  http.close()
  return result
}

/** How it ended, within a while. */
export async function endOf(http: RawHttpClient): Promise<string> {
  const how = await Promise.race([http.ended, sleep(TOTAL_MS).then(() => 'hangs')])
  http.close()
  return how
}

const milliseconds = (started: number): string => `${(performance.now() - started).toFixed(1)} ms`
