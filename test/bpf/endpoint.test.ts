// What the programs of an endpoint do with single packets: verdicts, flow state, and everything odd.
import t from 'tap'
import { parseAddress } from '../../src/lib/address.ts'
import { ENDPOINT_HAS_MASTER, ipcacheKeyLayout } from '../../src/redirect/layouts.ts'
import { BpfRig, entry } from '../helpers/bpf-run.ts'
import { ethernet, icmp, ip, ipFrame, IPPROTO, TCP, tcp, udp } from '../helpers/packet.ts'

const A = { v4: '10.1.0.1', v6: 'fd00::1' }
const B = { v4: '10.1.0.2', v6: 'fd00::2' }
const WORLD = { v4: '198.51.100.7', v6: '2001:db8::7' }
const MARK_JUDGED = 0x0f00
const MARK_TO_PROXY = 0x0200
const MARK_REPLY = 0x1000
const MARK_UPSTREAM = 0x0a00
const MARK_DOWNSTREAM = 0x0b00
const MARK_REDIRECTED = 0x0d00

const rig = new BpfRig('endpoint')
t.teardown(() => rig.close())
const a = rig.addEndpoint(1, 300, A.v4, A.v6)
const b = rig.addEndpoint(2, 400, B.v4, B.v6)

const openBothWays = [entry('allow', 'ingress', 0, 0, 0), entry('allow', 'egress', 0, 0, 0)]

/** Fresh policy maps; flow state lives on, so every case uses ports of its own. */
function setPolicies(ofA: Parameters<typeof entry>[], ofB: Parameters<typeof entry>[]): void {
  for (const [endpoint, entries] of [
    [a, ofA],
    [b, ofB],
  ] as const) {
    rig.policies.reset(endpoint.id)
    rig.policies.apply(
      endpoint.id,
      entries.map((args) => entry(...args)),
      [],
    )
  }
}
const OPEN: Parameters<typeof entry>[] = openBothWays.map((e) => [e.verdict, e.direction, 0, 0, 0])

let nextPort = 20_000
const freshPort = (): number => nextPort++

function segment(from: string, to: string, sourcePort: number, port: number, flags: number): Buffer {
  return ipFrame({ source: from, destination: to, protocol: IPPROTO.tcp, l4: tcp(sourcePort, port, flags) })
}

for (const family of ['v4', 'v6'] as const) {
  const [from, to, world] = [A[family], B[family], WORLD[family]]

  t.test(`${family}: closed until a policy map exists`, (t) => {
    rig.policies.remove(a.id)
    const outcome = rig.run(a, 'from', segment(from, world, freshPort(), 80, TCP.syn))
    t.match(outcome, { action: 'drop', reason: 'NO_POLICY_MAP' })
    setPolicies(OPEN, [])
    t.match(rig.run(a, 'from', segment(from, to, freshPort(), 80, TCP.syn)), {
      action: 'drop',
      reason: 'POLICY_DENIED',
    })
    t.end()
  })

  t.test(`${family}: an allowed packet is marked with what was judged`, (t) => {
    setPolicies(OPEN, OPEN)
    t.match(rig.run(a, 'from', segment(from, to, freshPort(), 80, TCP.syn)), {
      action: 'pass',
      mark: MARK_JUDGED | (b.id << 16),
    })
    t.end()
  })

  t.test(`${family}: the source address must be the endpoint's own`, (t) => {
    setPolicies(OPEN, OPEN)
    for (const source of [to, world]) {
      t.match(rig.run(a, 'from', segment(source, to, freshPort(), 80, TCP.syn)), {
        action: 'drop',
        reason: 'INVALID_SOURCE_IP',
      })
    }
    t.end()
  })

  t.test(`${family}: both ends are judged in one pass`, (t) => {
    const run = (): unknown => rig.run(a, 'from', segment(from, to, freshPort(), 80, TCP.syn))
    setPolicies([['allow', 'egress', 400, 6, 80]], [['allow', 'ingress', 300, 6, 80]])
    t.match(run(), { action: 'pass' })
    setPolicies([['allow', 'egress', 400, 6, 81]], [['allow', 'ingress', 300, 6, 80]])
    t.match(run(), { action: 'drop', reason: 'POLICY_DENIED' }, 'egress of the source denies')
    setPolicies([['allow', 'egress', 400, 6, 80]], [['allow', 'ingress', 301, 6, 80]])
    t.match(run(), { action: 'drop', reason: 'POLICY_DENIED' }, 'ingress of the destination denies')
    t.end()
  })

  t.test(`${family}: a redirect without a live listener is closed`, (t) => {
    setPolicies(OPEN, [['redirect', 'ingress', 300, 6, 80]])
    t.match(rig.run(a, 'from', segment(from, to, freshPort(), 80, TCP.syn)), {
      action: 'drop',
      reason: 'NO_LISTENER',
    })
    t.match(rig.run(a, 'from', segment(from, to, freshPort(), 80, TCP.ack)), {
      action: 'drop',
      reason: 'NO_LISTENER',
    })
    t.match(rig.run(b, 'to', segment(world, to, freshPort(), 80, TCP.syn)), {
      action: 'drop',
      reason: 'POLICY_DENIED',
    })
    t.end()
  })

  t.test(`${family}: precedence decides between the peer's entry and any peer's`, (t) => {
    const run = (port: number): unknown => rig.run(a, 'from', segment(from, to, freshPort(), port, TCP.syn))
    setPolicies(OPEN, [
      ['allow', 'ingress', 300, 0, 0, 1],
      ['deny', 'ingress', 0, 6, 22, 9],
    ])
    t.match(run(22), { action: 'drop', reason: 'POLICY_DENY' }, 'higher precedence of any peer wins')
    t.match(run(23), { action: 'pass' })
    setPolicies(OPEN, [
      ['allow', 'ingress', 300, 6, 22, 9],
      ['deny', 'ingress', 0, 6, 22, 1],
    ])
    t.match(run(22), { action: 'pass' }, 'higher precedence of the peer wins')
    setPolicies(OPEN, [
      ['allow', 'ingress', 300, 0, 0, 1],
      ['deny', 'ingress', 0, 6, 22, 1],
    ])
    t.match(run(22), { action: 'drop' }, 'equal precedence: the longer port prefix wins')
    t.end()
  })

  t.test(`${family}: replies pass, and only replies`, (t) => {
    setPolicies([['allow', 'egress', 400, 6, 80]], [['allow', 'ingress', 300, 6, 80]])
    const port = freshPort()
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.syn | TCP.ack)), { action: 'drop' }, 'unasked')
    t.match(rig.run(a, 'from', segment(from, to, port, 80, TCP.syn)), { action: 'pass' })
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.syn | TCP.ack)), { action: 'pass' })
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.ack)), { action: 'pass' })
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.syn)), { action: 'drop' }, 'a SYN is no reply')
    t.match(rig.run(b, 'from', segment(to, from, 80, port + 1, TCP.ack)), { action: 'drop' }, 'another flow')
    t.end()
  })

  t.test(`${family}: a revoked rule cuts a live flow at its next forward packet`, (t) => {
    setPolicies(OPEN, [['allow', 'ingress', 300, 6, 80]])
    const port = freshPort()
    t.match(rig.run(a, 'from', segment(from, to, port, 80, TCP.syn)), { action: 'pass' })
    setPolicies([['allow', 'egress', 0, 0, 0]], [])
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.ack)), { action: 'pass' }, 'reply before')
    t.match(rig.run(a, 'from', segment(from, to, port, 80, TCP.ack)), {
      action: 'drop',
      reason: 'POLICY_DENIED',
    })
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.ack)), { action: 'drop' }, 'reply after')
    t.end()
  })

  t.test(`${family}: to_endpoint trusts marks of Weir and judges the rest`, (t) => {
    setPolicies(OPEN, [['allow', 'ingress', 2, 6, 80]])
    const run = (mark: number, port: number): unknown =>
      rig.run(b, 'to', segment(world, to, freshPort(), port, TCP.syn), mark)
    for (const mark of [MARK_JUDGED | (b.id << 16), MARK_UPSTREAM | (b.id << 16), MARK_DOWNSTREAM]) {
      t.match(run(mark, 443), { action: 'pass' }, `mark 0x${mark.toString(16)}`)
    }
    t.match(run(MARK_UPSTREAM | (a.id << 16), 443), { reason: 'POLICY_DENIED' }, 'as the proxy: DNAT')
    t.match(run(MARK_UPSTREAM, 80), { action: 'pass' }, 'judged here, as nobody judged it before')
    t.match(run(MARK_JUDGED | (a.id << 16), 443), { action: 'drop' }, 'judged for another endpoint: DNAT')
    t.match(run(0, 80), { action: 'pass' }, 'unknown address = world, which the policy allows')
    for (const mark of [0, MARK_REDIRECTED, 0x4000]) t.match(run(mark, 443), { action: 'drop' })
    t.match(run(MARK_TO_PROXY, 80), { reason: 'STEERING_LOST' }, 'should never get here')
    setPolicies(OPEN, [['redirect', 'ingress', 2, 6, 80]])
    t.match(
      run(MARK_UPSTREAM, 80),
      { reason: 'UPSTREAM_NOT_JUDGED' },
      'L7 rules that the proxy did not apply',
    )
    t.end()
  })

  t.test(`${family}: identity comes from the longest prefix of the ipcache`, (t) => {
    const put = (bits: number, identity: number): void => {
      const value = Buffer.alloc(4)
      value.writeUInt32LE(identity)
      rig.ipcache.update(ipcacheKeyLayout.encode({ prefix_bits: bits, address: parseAddress(world) }), value)
    }
    setPolicies(OPEN, [['allow', 'ingress', 501, 6, 80]])
    const run = (): unknown => rig.run(b, 'to', segment(world, to, freshPort(), 80, TCP.syn))
    put(104, 500)
    t.match(run(), { action: 'drop' })
    put(128, 501)
    t.match(run(), { action: 'pass' })
    put(128, 2)
    t.end()
  })

  t.test(`${family}: replies of the upstream leg are steered to the proxy`, (t) => {
    setPolicies(OPEN, [])
    const port = freshPort()
    t.match(rig.run(b, 'to', segment(from, to, port, 80, TCP.syn), MARK_UPSTREAM | (b.id << 16)), {
      action: 'pass',
    })
    // No socket has this tuple before NAT: the stack looks again.
    t.match(rig.run(b, 'from', segment(to, from, 80, port, TCP.syn | TCP.ack)), {
      action: 'steer',
      mark: (MARK_TO_PROXY | MARK_REPLY | (b.identity << 16)) >>> 0,
    })
    t.match(rig.run(a, 'to', segment(to, from, 80, port, TCP.ack)), { action: 'redirect' }, 'by way of weir0')
    t.end()
  })

  t.test(`${family}: UDP and other protocols`, (t) => {
    const datagram = (f: string, d: string, s: number, p: number): Buffer =>
      ipFrame({ source: f, destination: d, protocol: IPPROTO.udp, l4: udp(s, p) })
    setPolicies([['allow', 'egress', 400, 17, 53]], [['allow', 'ingress', 300, 17, 53]])
    const port = freshPort()
    t.match(rig.run(b, 'from', datagram(to, from, 53, port)), { action: 'drop' }, 'answer before question')
    t.match(rig.run(a, 'from', datagram(from, to, port, 53)), { action: 'pass' })
    t.match(rig.run(b, 'from', datagram(to, from, 53, port)), { action: 'pass' })
    t.match(rig.run(a, 'from', datagram(from, to, port, 54)), { action: 'drop' })
    setPolicies(OPEN, [['redirect', 'ingress', 0, 17, 53]])
    t.match(rig.run(a, 'from', datagram(from, to, port, 53)), { reason: 'UNSUPPORTED_L4_REDIRECT' })
    t.end()
  })

  t.test(`${family}: ICMP echo, and errors about live flows`, (t) => {
    const isV4 = family === 'v4'
    const protocol = isV4 ? IPPROTO.icmp : IPPROTO.icmpv6
    const [request, reply, unreachable] = isV4 ? [8, 0, 3] : [128, 129, 1]
    const message = (f: string, d: string, l4: Buffer): Buffer =>
      ipFrame({ source: f, destination: d, protocol, l4 })
    setPolicies([['allow', 'egress', 400, protocol, 0]], [['allow', 'ingress', 300, protocol, 0]])
    const id = freshPort()
    t.match(rig.run(b, 'from', message(to, from, icmp(reply, id))), { action: 'drop' }, 'unasked reply')
    t.match(rig.run(a, 'from', message(from, to, icmp(request, id))), { action: 'pass' })
    t.match(rig.run(b, 'from', message(to, from, icmp(reply, id))), { action: 'pass' })

    const echoOnly = { ...entry('allow', 'ingress', 300, protocol, request), portBits: 16 }
    rig.policies.replace(a.id, openBothWays)
    rig.policies.replace(b.id, [echoOnly])
    t.match(rig.run(a, 'from', message(from, to, icmp(request, freshPort()))), { action: 'pass' }, 'its type')
    t.match(
      rig.run(a, 'from', message(from, to, icmp(unreachable, 0))),
      { action: 'drop', reason: 'POLICY_DENIED' },
      'another type',
    )
    rig.policies.replace(b.id, [{ ...entry('allow', 'ingress', 300, protocol, 0), portBits: 16 }])
    const zero = rig.run(a, 'from', message(from, to, icmp(request, freshPort())))
    t.match(zero, { action: 'drop' }, 'type 0 is not every type')

    setPolicies([['allow', 'egress', 400, 6, 80]], [['allow', 'ingress', 300, 6, 80]])
    const port = freshPort()
    const inner = ip({ source: from, destination: to, protocol: IPPROTO.tcp, l4: tcp(port, 80, TCP.ack) })
    const error = message(to, from, icmp(unreachable, 0, inner))
    t.match(rig.run(b, 'from', error), { action: 'drop' }, 'about a flow that does not exist')
    t.match(rig.run(a, 'from', segment(from, to, port, 80, TCP.syn)), { action: 'pass' })
    t.match(rig.run(b, 'from', error), { action: 'pass' }, 'about a live flow')

    const leg = freshPort()
    rig.run(b, 'to', segment(from, to, leg, 80, TCP.syn), MARK_UPSTREAM | (b.id << 16))
    const inside = ip({ source: from, destination: to, protocol: IPPROTO.tcp, l4: tcp(leg, 80, TCP.ack) })
    t.match(
      rig.run(b, 'from', message(to, from, icmp(unreachable, 0, inside))),
      { action: 'steer' },
      'about the proxy',
    )
    t.end()
  })
}

t.test('a verdict in audit passes, and is reported once per flow', (t) => {
  setPolicies(OPEN, [['audit', 'ingress', 300, 6, 80]])
  const port = freshPort()
  t.match(rig.run(a, 'from', segment(A.v4, B.v4, port, 80, TCP.syn)), {
    action: 'pass',
    reason: 'POLICY_AUDIT',
  })
  t.match(rig.run(a, 'from', segment(A.v4, B.v4, port, 80, TCP.ack)), { action: 'pass', reason: '' })
  t.match(
    rig.run(b, 'from', segment(B.v4, A.v4, 80, port, TCP.ack)),
    { action: 'pass', reason: '' },
    'a reply',
  )
  t.match(rig.run(a, 'from', segment(A.v4, B.v4, port, 81, TCP.syn)), {
    action: 'drop',
    reason: 'POLICY_DENIED',
  })
  setPolicies([['audit', 'egress', 400, 6, 80]], [['deny', 'ingress', 300, 6, 80]])
  const denied = rig.run(a, 'from', segment(A.v4, B.v4, freshPort(), 80, TCP.syn))
  t.match(denied, { action: 'drop', reason: 'POLICY_DENY' }, 'the other end still decides')
  t.end()
})

t.test('what hides the port passes only where any port may', (t) => {
  const options = Buffer.from([7, 4, 4, 0])
  const l4 = tcp(freshPort(), 80, TCP.syn)
  const odd: [string, ReturnType<typeof ipFrame>][] = [
    ['FRAGMENT', ipFrame({ source: A.v4, destination: B.v4, protocol: IPPROTO.tcp, l4, fragment: 0x2000 })],
    ['FRAGMENT', ipFrame({ source: A.v4, destination: B.v4, protocol: IPPROTO.tcp, l4, fragment: 0x0010 })],
    ['FRAGMENT', ipFrame({ source: A.v6, destination: B.v6, protocol: IPPROTO.fragment, l4 })],
    ['IP_OPTIONS', ipFrame({ source: A.v4, destination: B.v4, protocol: IPPROTO.tcp, l4, options })],
    ['IPV6_EXTENSION_HEADER', ipFrame({ source: A.v6, destination: B.v6, protocol: IPPROTO.hopopts, l4 })],
  ]
  for (const [reason, frame] of odd) {
    setPolicies(OPEN, [['allow', 'ingress', 300, 6, 80]])
    t.match(rig.run(a, 'from', frame), { action: 'drop', reason }, `${reason}: port rule`)
    setPolicies(OPEN, [['redirect', 'ingress', 300, 6, 80]])
    t.match(rig.run(a, 'from', frame), { action: 'drop', reason }, `${reason}: L7 rule`)
    setPolicies(OPEN, OPEN)
    t.match(rig.run(a, 'from', frame), { action: 'pass' }, `${reason}: no restriction`)
  }
  t.end()
})

t.test('a port of a bridge', (t) => {
  const c = rig.addEndpoint(3, 500, '10.1.0.3', 'fd00::3')
  const port = rig.addEndpoint(4, 600, '10.1.0.4', 'fd00::4', { flags: ENDPOINT_HAS_MASTER })
  rig.policies.reset(port.id)
  rig.policies.apply(port.id, openBothWays, [])
  rig.policies.reset(c.id)
  rig.policies.apply(c.id, [entry('redirect', 'ingress', 0, 6, 80)], [])
  for (const [from, to, other] of [
    ['10.1.0.4', '10.1.0.3', A.v4],
    ['fd00::4', 'fd00::3', A.v6],
  ] as const) {
    t.match(
      rig.run(port, 'from', segment(from, to, freshPort(), 80, TCP.syn)),
      { action: 'drop', reason: 'NO_LISTENER' },
      'closed without a proxy',
    )
    t.match(
      rig.run(port, 'from', segment(from, to, freshPort(), 80, TCP.ack)),
      { action: 'redirect', mark: (MARK_REDIRECTED | (600 << 16)) >>> 0 },
      'what is for the proxy does not enter the bridge',
    )
    for (const mark of [0, MARK_DOWNSTREAM, MARK_UPSTREAM | (port.id << 16)]) {
      const flooded = segment(other, to, freshPort(), 80, TCP.syn)
      t.match(rig.run(port, 'to', flooded, mark), { reason: 'OTHER_ENDPOINT' }, 'flooded, for another')
    }
  }
  t.end()
})

t.test('other link protocols', (t) => {
  setPolicies(OPEN, OPEN)
  t.match(rig.run(a, 'from', ethernet(0x0806, Buffer.alloc(28))), { action: 'pass' }, 'ARP')
  t.match(rig.run(a, 'to', ethernet(0x0806, Buffer.alloc(28))), { action: 'pass' }, 'ARP')
  t.match(
    rig.run(a, 'from', ethernet(0x88cc, Buffer.alloc(46))),
    { reason: 'UNSUPPORTED_L3_PROTOCOL' },
    'LLDP',
  )
  const solicitation = ipFrame({ source: 'fe80::1', destination: 'ff02::1', protocol: 58, l4: icmp(135, 0) })
  t.match(rig.run(a, 'from', solicitation), { action: 'pass' }, 'neighbour discovery')
  t.end()
})

t.test('link-local multicast of IPv6 is dropped without a report', async (t) => {
  setPolicies(OPEN, OPEN)
  const mld = ipFrame({
    source: 'fe80::1',
    destination: 'ff02::16',
    protocol: IPPROTO.hopopts,
    l4: icmp(143, 0),
  })
  t.match(rig.run(a, 'from', mld), { action: 'drop', reason: '' })
  const other = ipFrame({
    source: 'fe80::1',
    destination: 'ff05::16',
    protocol: IPPROTO.hopopts,
    l4: icmp(143, 0),
  })
  t.match(rig.run(a, 'from', other), { action: 'drop', reason: 'INVALID_SOURCE_IP' })
})

t.test('cut-off and contradicting headers are dropped', (t) => {
  setPolicies(OPEN, OPEN)
  const whole = ip({ source: A.v4, destination: B.v4, protocol: IPPROTO.tcp, l4: tcp(1, 80, TCP.syn) })
  const cut = Buffer.concat([ethernet(0x0800, Buffer.alloc(0)).subarray(0, 14), whole.subarray(0, 30)])
  t.match(rig.run(a, 'from', cut), { action: 'drop', reason: 'MALFORMED_PACKET' })
  const wrongVersion = Buffer.from(whole)
  wrongVersion[0] = 0x65
  t.match(rig.run(a, 'from', ethernet(0x0800, wrongVersion)), { action: 'drop', reason: 'MALFORMED_PACKET' })
  const shortHeader = Buffer.from(whole)
  shortHeader[0] = 0x44
  t.match(rig.run(a, 'from', ethernet(0x0800, shortHeader)), { action: 'drop', reason: 'MALFORMED_PACKET' })
  t.end()
})
