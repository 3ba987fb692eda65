// Every redirect mode enforces the same policy; what one cannot do is refused, counted and said. One test file per
// mode calls this.
import { createHash, randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import { addPod, inForce, startCluster } from './cluster.ts'
import { curl, CURL_TIMED_OUT } from './curl.ts'
import { startHttpServer } from './http-server.ts'
import { testLostReset } from './lost-reset.ts'
import { machineState } from './machine-state.ts'
import { fromEntity, fromPods, networkPolicy, onHttp, toPods } from './network-policy.ts'
import { addressesOf, NodeNamespace, urlOf } from './node-namespace.ts'
import { dropsOf, statusOf } from './observed.ts'
import { RawHttpClient } from './raw-http.ts'
import { tryDial } from './tcp.ts'
import { waitFor } from './wait.ts'
import { endpointOf, weirCli, WeirProcess } from './weir-process.ts'
import type { RedirectMode } from '../../src/lib/redirect-mode.ts'

const SHORT_MS = 300
const BODY = randomBytes(3_000_000)
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { ...fromPods('client', 'server'), ...onHttp(80, { path: '/public/.*' }) },
      { ...fromEntity('host'), ...onHttp(80, { path: '/health' }) },
      { ...fromPods('client'), ...onHttp(81, { path: '/' }) },
    ],
  }),
  'guarded.yaml': networkPolicy('guarded', {
    egress: [{ ...toPods('open', 'server'), ...onHttp(80, { path: '/guarded' }) }],
  }),
}

export function testRedirect(t: Test, mode: RedirectMode): void {
  for (const bridge of [undefined, 'netfilter'] as const) {
    t.test(`${mode}, ${bridge === undefined ? 'routed' : 'bridged'}`, async (t) => {
      const isNat = mode === 'nat'
      const { node, pods, weir } = await startCluster(t, {
        ...(bridge === undefined ? {} : { bridge }),
        pods: ['client', 'other', 'server', 'guarded', 'open'],
        policies: POLICIES,
        args: () => ['--redirect', mode, '--workers', '1'],
      })
      const { client, other, server, guarded, open } = pods
      const web = await startHttpServer(server, { files: { '/public/big': BODY } })
      const openWeb = await startHttpServer(open)
      t.teardown(() => [web, openWeb].forEach((site) => site.close()))

      t.test('requests are judged, on either family', async (t) => {
        for (const [i, address] of addressesOf(server).entries()) {
          t.equal((await curl(client, urlOf(address, '/public/a'))).status, 200, address)
          const seen = web.requests.at(-1)?.client.address
          if (isNat) t.not(seen, addressesOf(client)[i])
          else t.equal(seen, addressesOf(client)[i], 'the client keeps its address')
          t.equal((await curl(client, urlOf(address, '/secret'))).status, 403)
          t.equal(await tryDial(other, { host: address, port: 80 }, SHORT_MS), 'timeout')
        }
        for (const address of addressesOf(open)) {
          t.equal((await curl(guarded, urlOf(address, '/guarded'))).status, 200, address)
          t.equal((await curl(guarded, urlOf(address, '/elsewhere'))).status, 403)
        }
        t.notOk(web.requests.some(({ path }) => path === '/secret'))
        t.notOk(openWeb.requests.some(({ path }) => path === '/elsewhere'))
      })

      t.test('3 MB both ways arrive unchanged', async (t) => {
        for (const address of addressesOf(server)) {
          t.ok((await curl(client, urlOf(address, '/public/big'))).body.equals(BODY), address)
          await curl(client, urlOf(address, '/public/up'), { method: 'POST', body: BODY })
          t.equal(web.requests.at(-1)?.bodySha256, createHash('sha256').update(BODY).digest('hex'))
        }
      })

      t.test('processes of the host', async (t) => {
        for (const address of addressesOf(server)) {
          const before = await dropsOf(weir, 'REDIRECT_UNSUPPORTED', 'ingress')
          const answer = await curl(
            node,
            urlOf(address, '/health'),
            isNat ? { connectTimeoutMs: SHORT_MS } : {},
          )
          t.match(answer, isNat ? { exitCode: CURL_TIMED_OUT } : { status: 200 }, address)
          if (isNat) t.ok((await dropsOf(weir, 'REDIRECT_UNSUPPORTED', 'ingress')) > before)
        }
      })

      // In mode sk_lookup, nobody answers in the name of the client.
      if (mode !== 'sk_lookup') {
        t.test('a reset that the server does not get', async (t) => {
          await testLostReset(t, { node, weir }, client, server, 81)
        })
      }

      t.test('a connection that is older than its rules is reset, or refused with a reason', async (t) => {
        const olders = []
        for (const host of addressesOf(open))
          olders.push(await RawHttpClient.open(client, { host, port: 80 }))
        await inForce(weir, () =>
          weir.writePolicy(
            'open.yaml',
            networkPolicy('open', { ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/late' }) }] }),
          ),
        )
        for (const older of olders) {
          const before = await dropsOf(weir, 'REDIRECT_UNSUPPORTED', 'ingress')
          older.get('/secret')
          if (mode === 'sk_lookup') {
            const isRefused = async (): Promise<boolean> =>
              (await dropsOf(weir, 'REDIRECT_UNSUPPORTED', 'ingress')) > before
            await waitFor(isRefused, { what: 'the drop' })
          } else t.equal(await older.ended, 'ECONNRESET')
          older.close()
        }
        t.notOk(openWeb.requests.some(({ path }) => path === '/secret'))
        for (const address of addressesOf(open))
          t.equal((await curl(client, urlOf(address, '/late'))).status, 200, 'a new one is judged')
        await inForce(weir, () => weir.removePolicy('open.yaml'))
      })

      t.test('status says what is live, and what it cannot do', async (t) => {
        const { redirect, problems } = await statusOf(weir)
        t.equal(redirect, mode)
        t.equal(
          problems.some((problem) => problem.startsWith('redirect nat: servers see')),
          isNat,
        )
      })

      t.test('kill -9 of everything: the port is closed', async (t) => {
        await weir.kill9()
        for (const address of addressesOf(server)) {
          const answer = await curl(client, urlOf(address, '/public/dead'), { connectTimeoutMs: SHORT_MS })
          // The dying listener may still accept, and reset.
          t.equal(answer.status, 0, address)
        }
        t.notOk(web.requests.some(({ path }) => path === '/public/dead'))
      })

      t.test('another mode is refused until cleanup', async (t) => {
        const another = mode === 'hybrid' ? 'nat' : 'hybrid'
        const args = ['--redirect', another]
        const refused = await WeirProcess.start(node, { args, waitReady: false })
        await refused.waitForEnd()
        t.match(refused.logText(), /CONFIG_INVALID: --redirect .* was set up with/)
        await weirCli(node, ['cleanup'])
        const allowed = await WeirProcess.start(node, { args })
        t.equal(await allowed.stop(), 0)
      })
    })
  }

  t.test(`${mode}: cleanup leaves nothing`, async (t) => {
    const node = NodeNamespace.forTest(t)
    const pod = addPod(node, 'client')
    const before = machineState(node)
    const weir = await WeirProcess.start(node, {
      endpoints: [endpointOf(pod, { app: 'client' })],
      args: ['--redirect', mode],
    })
    await weir.stop()
    await weirCli(node, ['cleanup'])
    t.strictSame(machineState(node), before)
  })
}
