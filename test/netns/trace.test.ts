// What a trace foretells is what happens: on the real datapath, with the map entries that the kernel holds.
import t from 'tap'
import type { TraceResponse__Output } from '../../src/gen/weir/v1/TraceResponse.ts'
import { startCluster } from '../helpers/cluster.ts'
import { curl, CURL_TIMED_OUT, type CurlResult } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromEntity, fromPods, networkPolicy, onHttp, onTcp, toPods } from '../helpers/network-policy.ts'
import { urlOf } from '../helpers/node-namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'

const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'guarded'), ...onHttp(80, { method: 'GET', path: '/public/.*' }) },
      { ...fromEntity('host'), ...onTcp(80) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [{ ...toPods('server'), ...onHttp(80, { path: '/public/a' }) }],
  }),
}

if (canRunPrivileged(t)) {
  t.test('trace and traffic', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'guarded', 'other', 'server'],
      policies: POLICIES,
    })
    const { close } = await startHttpServer(pods.server, { port: 80 })
    t.teardown(close)
    for (const from of ['client', 'guarded', 'other', 'host'] as const) {
      for (const path of ['/public/a', '/public/b', '/secret']) {
        const source = from === 'host' ? node : pods[from]
        const happened = await curl(source, urlOf(pods.server.v4, path), { connectTimeoutMs: 300 })
        const args = ['--from', from, '--to', 'server', '--port', '80', '--http', `GET ${path}`]
        const answer = (await weir.json('policy', 'trace', ...args)) as TraceResponse__Output
        t.equal(outcomeOf(happened), answer.outcome, `${from} GET ${path}: ${answer.outcome}`)
        t.same(
          answer.notes.filter((note) => note.includes('the rules in force come to')),
          [],
        )
      }
    }
  })
}

function outcomeOf({ status, exitCode, error }: CurlResult): string {
  if (status === 200) return 'allow'
  if (status !== 0) return String(status)
  return exitCode === CURL_TIMED_OUT ? 'dropped' : error
}
