// Headers and modes of HTTP rules through the real datapath: what passes, what the server gets, what is recorded.
import t, { type Test } from 'tap'
import { type Flow } from '../../src/lib/flow.ts'
import { inForce, startCluster } from '../helpers/cluster.ts'
import { fromPods, networkPolicy, onHttp, type Rule } from '../helpers/network-policy.ts'
import { addressesOf, type Pod } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { RawHttpClient } from '../helpers/raw-http.ts'
import { type RecordingServer, startRecordingServer } from '../helpers/recording-server.ts'

const WEB = 80
const PODS = ['client', 'server', 'trial', 'rehearsal'] as const

const wanted = { name: 'X-A', value: '1' }
const HEADERS = networkPolicy('server', {
  ingress: [
    {
      ...fromPods('client'),
      ...onHttp(
        WEB,
        { path: '/key', headers: ['X-Key: k1', 'X-There'] },
        { path: '/fail', headerMatches: [wanted] },
        { path: '/log', headerMatches: [{ ...wanted, mismatch: 'LOG' }] },
        { path: '/add', headerMatches: [{ ...wanted, mismatch: 'ADD' }] },
        { path: '/delete', headerMatches: [{ ...wanted, mismatch: 'DELETE' }] },
        { path: '/replace', headerMatches: [{ ...wanted, mismatch: 'REPLACE' }] },
      ),
    },
  ],
})

interface HeaderCase {
  readonly path: string
  /** Lines without their ends. */
  readonly fields: readonly string[]
  readonly status: number
  /** x-a at the server, occurrences joined; '' = none. */
  readonly seen?: string
  readonly missing?: string
  readonly rejected?: string
}

const KEY = ['X-Key: k1', 'X-There: x']
const HEADER_CASES: readonly HeaderCase[] = [
  { path: '/key', fields: KEY, status: 200 },
  { path: '/key', fields: ['x-KEY:k1', 'x-there:'], status: 200 },
  { path: '/key', fields: ['X-There: x'], status: 403 },
  { path: '/key', fields: ['X-Key: k2', 'X-There: x'], status: 403 },
  { path: '/key', fields: [...KEY, 'X-Key: k2'], status: 403 },
  { path: '/fail', fields: ['X-A: 1'], status: 200, seen: '1' },
  { path: '/fail', fields: ['X-A: 2'], status: 403, missing: '1' },
  { path: '/fail', fields: [], status: 403, missing: '1' },
  { path: '/log', fields: ['X-A: 1'], status: 200, seen: '1' },
  { path: '/log', fields: ['X-A: 2'], status: 200, seen: '2', missing: '1' },
  { path: '/add', fields: ['X-A: 1'], status: 200, seen: '1' },
  { path: '/add', fields: [], status: 200, seen: '1', missing: '1' },
  { path: '/add', fields: ['X-A: 2'], status: 200, seen: '2, 1', missing: '1' },
  { path: '/delete', fields: ['x-a: 2', 'X-B: b', 'X-A: 3'], status: 200, seen: '', rejected: '2,3' },
  { path: '/delete', fields: [], status: 200, seen: '' },
  { path: '/replace', fields: ['X-A: 2'], status: 200, seen: '1', missing: '1', rejected: '2' },
  { path: '/replace', fields: [], status: 200, seen: '1', missing: '1' },
  { path: '/./replace', fields: ['X-A: 2'], status: 200, seen: '1', missing: '1', rejected: '2' },
]

const mayOk = (app: string, mode: string): Rule =>
  networkPolicy(
    app,
    { ingress: [{ ...fromPods('client'), ...onHttp(WEB, { path: '/ok' }) }] },
    { 'weir/mode': mode },
  )

if (canRunPrivileged(t)) {
  t.test('HTTP rules', async (t) => {
    const { pods, weir } = await startCluster(t, {
      pods: PODS,
      policies: {
        'server.yaml': HEADERS,
        'trial.yaml': mayOk('trial', 'audit'),
        'rehearsal.yaml': mayOk('rehearsal', 'shadow'),
      },
    })
    const servers = new Map<Pod, RecordingServer>()
    for (const pod of [pods.server, pods.trial, pods.rehearsal]) {
      servers.set(pod, await startRecordingServer(pod, WEB))
    }
    t.teardown(() => servers.forEach((server) => server.close()))
    const observer = new Observer(weir)

    /** Each request on its own connection, whose record is returned. */
    const ask = async (to: Pod, host: string, bytes: string): Promise<{ status: number; record: Flow }> => {
      const http = await RawHttpClient.open(pods.client, { host, port: WEB })
      const port = http.socket.localPort!
      http.socket.write(bytes)
      const { status } = await http.response()
      http.close()
      const record = await observer.record({ to: host, fromPort: port })
      t.equal(record.destination.pod_name, to.podName)
      return { status, record }
    }

    t.test('headers and header actions', async (t) => {
      const { seen } = servers.get(pods.server)!
      for (const [i, one] of HEADER_CASES.entries()) {
        t.test(`${one.path} ${one.fields.join('; ')}`, async (t) => {
          const before = seen.length
          const fields = [...one.fields, 'Host: x', 'Content-Length: 4'].map((line) => `${line}\r\n`).join('')
          const bytes = `POST ${one.path} HTTP/1.1\r\n${fields}\r\nbody`
          const { status, record } = await ask(pods.server, addressesOf(pods.server)[i % 2]!, bytes)
          t.equal(status, one.status)
          const reached = seen.slice(before)
          t.equal(reached.length, status === 200 ? 1 : 0)
          for (const { body, fields } of reached) {
            t.equal(body, 'body')
            if (one.seen !== undefined) t.equal(fields['x-a'] ?? '', one.seen)
          }
          checkNotes(t, record, one)
        })
      }
    })

    t.test('edited requests in a pipeline keep their frames', async (t) => {
      const { seen } = servers.get(pods.server)!
      const before = seen.length
      const http = await RawHttpClient.open(pods.client, { host: pods.server.v6, port: WEB })
      const head = (path: string): string => `POST ${path} HTTP/1.1\r\nX-A: 2\r\nHost: x\r\n`
      const chunked = 'Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: 2\r\n\r\n'
      http.socket.write(
        `${head('/replace')}${chunked}${head('/fail')}${chunked}${head('/add')}Content-Length: 3\r\n\r\ndef` +
          `${head('/delete')}\r\n`,
      )
      const statuses = []
      for (let i = 0; i < 4; i++) statuses.push((await http.response()).status)
      t.strictSame(statuses, [200, 403, 200, 200])
      t.strictSame(
        seen.slice(before).map(({ target, body, fields }) => [target, body, fields['x-a'] ?? '']),
        [
          ['/replace', 'abc', '1'],
          ['/add', 'def', '2, 1'],
          ['/delete', '', ''],
        ],
      )
      http.close()
    })

    t.test('audit: what would be denied passes, and the record says so', async (t) => {
      for (const host of addressesOf(pods.trial)) {
        const good = await ask(pods.trial, host, request('/ok'))
        t.match(good, { status: 200, record: { verdict: 'FORWARDED' } })
        const bad = await ask(pods.trial, host, request('/other'))
        t.match(bad, { status: 200, record: { verdict: 'AUDIT' } })
      }
    })

    t.test('shadow: nothing changes, and the record says what would', async (t) => {
      for (const host of addressesOf(pods.rehearsal)) {
        const good = await ask(pods.rehearsal, host, request('/ok'))
        t.match(good, {
          status: 200,
          record: { verdict: 'FORWARDED', weir: { shadow: { verdict: 'FORWARDED' } } },
        })
        const bad = await ask(pods.rehearsal, host, request('/other'))
        t.match(bad, {
          status: 200,
          record: { verdict: 'FORWARDED', weir: { shadow: { verdict: 'DROPPED' } } },
        })
      }
    })

    t.test('enforced in the end, both deny', async (t) => {
      await inForce(weir, () => weir.writePolicy('trial.yaml', mayOk('trial', 'enforce')))
      await inForce(weir, () => weir.writePolicy('rehearsal.yaml', mayOk('rehearsal', 'enforce')))
      for (const pod of [pods.trial, pods.rehearsal]) {
        const before = servers.get(pod)!.seen.length
        const { status, record } = await ask(pod, pod.v4, request('/other'))
        t.equal(status, 403)
        t.match(record, { verdict: 'DROPPED', weir: { reason: 'NO_RULE_MATCHED' } })
        t.equal(servers.get(pod)!.seen.length, before)
        t.equal((await ask(pod, pod.v6, request('/ok'))).status, 200)
      }
    })
  })
}

const request = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

function checkNotes(t: Test, { weir }: Flow, { missing, rejected }: HeaderCase): void {
  const note = (value: string | undefined): unknown =>
    value === undefined ? undefined : [{ key: 'x-a', value }]
  t.strictSame(weir.missing_headers, note(missing), 'missing')
  t.strictSame(weir.rejected_headers, note(rejected), 'rejected')
}
