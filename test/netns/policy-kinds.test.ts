// Prefixes, deny rules, audit and the policies of Kubernetes, on real traffic of both families.
import t from 'tap'
import { inForce, startCluster } from '../helpers/cluster.ts'
import { curl } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { fromPods, networkPolicy, onHttp, onTcp } from '../helpers/network-policy.ts'
import { addressesOf, urlOf } from '../helpers/node-namespace.ts'
import { Observer } from '../helpers/observed.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { listenAndEcho, tryDial } from '../helpers/tcp.ts'

const SHORT_MS = 300
const [WEB, ECHO, OTHER] = [80, 7, 8080] as const

// Addresses of pods come in the order of their names below: .11 client, .12 server, ... see helpers/cluster.ts.
const NEAR = { v4: '10.244.0.15/32', v6: 'fd00:244::15/128' }
const POLICIES = {
  'server.yaml': networkPolicy('server', {
    ingress: [
      { fromCIDR: [NEAR.v4, NEAR.v6], ...onHttp(WEB, { path: '/near' }) },
      {
        fromCIDRSet: [
          { cidr: '10.244.0.0/16', except: [NEAR.v4] },
          { cidr: 'fd00:244::/64', except: [NEAR.v6] },
        ],
        ...onTcp(ECHO),
      },
    ],
  }),
  'denied.yaml': {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: { name: 'no-echo' },
    spec: {
      endpointSelector: { matchLabels: { app: 'plain' } },
      ingress: [{ fromEntities: ['all'] }],
      ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: 'client' } }], ...onTcp(ECHO) }],
    },
  },
  'kubernetes.yaml': {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      podSelector: { matchLabels: { app: 'db' } },
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { app: 'client' } } }],
          ports: [{ port: ECHO, endPort: ECHO + 10 }],
        },
      ],
    },
  },
}

if (canRunPrivileged(t)) {
  t.test('kinds of policies', async (t) => {
    const { node, pods, weir } = await startCluster(t, {
      pods: ['client', 'server', 'plain', 'db'],
      strangers: ['near', 'far'],
      policies: POLICIES,
    })
    const { client, server, plain, db, near, far } = pods
    t.strictSame(
      [near.v4, near.v6],
      [NEAR.v4, NEAR.v6].map((prefix) => prefix.split('/')[0]),
    )
    const site = await startHttpServer(server, { port: WEB })
    const echoes = await Promise.all([server, plain, db].map((pod) => listenAndEcho(pod, ECHO)))
    const others = await Promise.all([plain, db].map((pod) => listenAndEcho(pod, OTHER)))
    t.teardown(() => [site, ...echoes, ...others].forEach((listening) => listening.close()))
    const dial = (from: typeof client, host: string, port: number): Promise<string> =>
      tryDial(from, { host, port }, SHORT_MS)

    t.test('a prefix is an identity of its own, at L7 too', async (t) => {
      for (const host of addressesOf(server)) {
        t.equal((await curl(near, urlOf(host, '/near'))).status, 200, `near: allowed path, ${host}`)
        t.equal((await curl(near, urlOf(host, '/else'))).status, 403, `near: other path, ${host}`)
        t.equal(await dial(far, host, WEB), 'timeout', `far: no rule for the port, ${host}`)
        t.equal(await dial(far, host, ECHO), 'connected', `far: the wider prefix, ${host}`)
        t.equal(await dial(near, host, ECHO), 'timeout', `near: excepted from it, ${host}`)
      }
    })

    t.test('a prefix never covers a local endpoint or the node', async (t) => {
      for (const host of addressesOf(server)) {
        t.equal(await dial(client, host, ECHO), 'timeout', `endpoint, ${host}`)
        t.equal(await tryDial(node, { host, port: ECHO }, SHORT_MS), 'timeout', `node, ${host}`)
      }
    })

    t.test('a deny rule beats the rule that allows all', async (t) => {
      for (const host of addressesOf(plain)) {
        t.equal(await dial(client, host, ECHO), 'timeout', `denied, ${host}`)
        t.equal(await dial(client, host, OTHER), 'connected', `another port, ${host}`)
        t.equal(await dial(db, host, ECHO), 'connected', `another peer, ${host}`)
      }
    })

    t.test('a NetworkPolicy of Kubernetes', async (t) => {
      for (const host of addressesOf(db)) {
        t.equal(await dial(client, host, ECHO), 'connected', `peer and range, ${host}`)
        t.equal(await dial(client, host, OTHER), 'timeout', `outside the range, ${host}`)
        t.equal(await dial(plain, host, ECHO), 'timeout', `another peer, ${host}`)
      }
    })

    t.test('audit: what would be denied goes on, and is recorded', async (t) => {
      const observer = new Observer(weir)
      const audited = networkPolicy(
        'db',
        { ingress: [{ ...fromPods('client'), ...onTcp(ECHO) }] },
        { 'weir/mode': 'audit' },
      )
      await inForce(weir, () => weir.writePolicy('kubernetes.yaml', audited))
      for (const host of addressesOf(db)) {
        t.equal(await dial(plain, host, ECHO), 'connected', `would be denied, ${host}`)
        const { weir: decision } = await observer.record({ to: host, port: ECHO, verdict: 'AUDIT' })
        t.match(decision, { where: 'kernel', reason: 'POLICY_AUDIT' }, `recorded, ${host}`)
      }
    })
  })
}
