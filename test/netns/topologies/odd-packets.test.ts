// Packets that hide their ports, or are no plain IP: dropped with a reason where ports matter, passed where nothing
// is enforced. Real packets through the attached programs; test/bpf/ has each case of the parser.
import t from 'tap'
import { startCluster } from '../../helpers/cluster.ts'
import { type DatagramOptions, echoDatagrams, hearsEcho } from '../../helpers/datagram.ts'
import { fromPods, networkPolicy, onUdp } from '../../helpers/network-policy.ts'
import { type Pod } from '../../helpers/node-namespace.ts'
import { dropsOf } from '../../helpers/observed.ts'
import { ethernet, ipFrame, IPPROTO, udp } from '../../helpers/packet.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { sendFrame, tagged } from '../../helpers/raw-frame.ts'
import { waitFor } from '../../helpers/wait.ts'

const SHORT_MS = 300
const PORT = 53
const SOL_IP = 0
const IP_OPTIONS = 4
const SOL_IPV6 = 41
const IPV6_HOPOPTS = 54
const IPV6_DSTOPTS = 59
/** Next header (filled in by the kernel), length 0 = 8 bytes, PadN of 4. */
const PADDED_HEADER = Buffer.from([0, 0, 1, 4, 0, 0, 0, 0])
const ipv6Option = (option: number): DatagramOptions => ({
  socketOption: { level: SOL_IPV6, option, value: PADDED_HEADER },
})

const CASES: readonly (readonly [string, 'v4' | 'v6', string, DatagramOptions])[] = [
  ['fragments', 'v4', 'FRAGMENT', { bytes: 4000 }],
  ['fragments', 'v6', 'FRAGMENT', { bytes: 4000 }],
  [
    'IP options',
    'v4',
    'IP_OPTIONS',
    { socketOption: { level: SOL_IP, option: IP_OPTIONS, value: Buffer.from([1, 1, 1, 0]) } },
  ],
  ['hop-by-hop options', 'v6', 'IPV6_EXTENSION_HEADER', ipv6Option(IPV6_HOPOPTS)],
  ['destination options', 'v6', 'IPV6_EXTENSION_HEADER', ipv6Option(IPV6_DSTOPTS)],
]

if (canRunPrivileged(t)) {
  for (const bridge of [undefined, 'netfilter'] as const) {
    t.test(`odd packets, ${bridge === undefined ? 'routed' : 'bridged'}`, async (t) => {
      const { node, pods, weir } = await startCluster(t, {
        ...(bridge === undefined ? {} : { bridge }),
        pods: ['client', 'server', 'open'],
        policies: {
          'server.yaml': networkPolicy('server', { ingress: [{ ...fromPods('client'), ...onUdp(PORT) }] }),
        },
      })
      const { client, server, open } = pods
      const echoes = [server, open].map((pod) => echoDatagrams(pod, PORT))
      t.teardown(() => echoes.forEach((echo) => echo.close()))

      for (const [what, family, reason, options] of CASES) {
        t.test(`${what}, IP${family}`, async (t) => {
          const send = (to: Pod, sent?: DatagramOptions, timeoutMs?: number): Promise<boolean> =>
            hearsEcho(client, { host: to[family], port: PORT }, timeoutMs, sent)
          const before = await dropsOf(weir, reason, 'ingress')
          t.ok(await send(server), 'an ordinary one passes')
          t.notOk(await send(server, options, SHORT_MS), 'by a rule for the port: dropped')
          t.ok((await dropsOf(weir, reason, 'ingress')) > before, reason)
          t.ok(await send(open, options), 'where nothing is enforced: passes, and so does the echo')
        })
      }

      t.test('VLAN tags, and what is not IP at all', async (t) => {
        const drops = (direction: 'ingress' | 'egress'): Promise<number> =>
          dropsOf(weir, 'UNSUPPORTED_L3_PROTOCOL', direction)
        const datagram = ipFrame({
          source: client.v4,
          destination: open.v4,
          protocol: IPPROTO.udp,
          l4: udp(5000, PORT),
        })
        for (const [what, frame] of [
          ['tagged', tagged(datagram, 7)],
          ['LLDP', ethernet(0x88cc, Buffer.alloc(46))],
        ] as const) {
          const [sent, received] = [await drops('egress'), await drops('ingress')]
          sendFrame(client, 'eth0', frame)
          sendFrame(node, open.device, frame)
          await waitFor(async () => (await drops('egress')) > sent, { what: `${what}: drop from the pod` })
          await waitFor(async () => (await drops('ingress')) > received, { what: `${what}: drop to the pod` })
          t.pass(`${what}: dropped both ways, though nothing is enforced`)
        }
      })
    })
  }
}
