import t from 'tap'
import { containerEndpoints, type EngineView } from '../../../../src/agent/docker/container-endpoints.ts'
import { containersSchema, networkSchema } from '../../../../src/agent/docker/engine-types.ts'

const ID = { web: 'a'.repeat(64), db: 'b'.repeat(64) }

const container = (name: keyof typeof ID, more: Record<string, unknown> = {}): unknown => ({
  Id: ID[name],
  Created: name === 'web' ? 1 : 2,
  Names: [`/${name}`, `/db/${name}-alias`],
  Labels: { app: name },
  State: 'running',
  HostConfig: { NetworkMode: 'shop' },
  NetworkSettings: { Networks: { shop: {} } },
  ...more,
})

const network = (
  name: string,
  addresses: Partial<Record<keyof typeof ID, readonly [v4: string, v6: string]>>,
): unknown => ({
  Id: name.repeat(20),
  Name: name,
  Driver: 'bridge',
  Options: {},
  Containers: Object.fromEntries(
    Object.entries(addresses).map(([who, [IPv4Address, IPv6Address]]) => [
      ID[who as keyof typeof ID],
      { Name: who, EndpointID: 'e', MacAddress: '02:42:ac:11:00:02', IPv4Address, IPv6Address },
    ]),
  ),
})

function view(containers: unknown, networks: unknown[], more: Partial<EngineView> = {}): EngineView {
  return {
    containers: containersSchema.parse(containers),
    networks: networks.map((one) => networkSchema.parse(one)),
    otherNetworks: new Map(),
    ports: [],
    bindings: new Map(),
    ...more,
  }
}

t.test('a container on two networks is one endpoint', async (t) => {
  const port = { namespace: 1, peerMac: '' }
  const { endpoints } = containerEndpoints(
    view(
      [container('web')],
      [
        network('shop', { web: ['172.18.0.2/16', ''] }),
        network('back', { web: ['172.19.0.2/16', 'FD00:0::2/64'] }),
      ],
      {
        ports: [
          { ...port, ifindex: 9, name: 'vethb', bridge: 'br-backbackback' },
          { ...port, ifindex: 5, name: 'vetha', bridge: 'br-shopshopshop' },
          { ...port, ifindex: 6, name: 'vethc', bridge: 'br-shopshopshop' },
        ],
        bindings: new Map([
          [5, { containerId: ID.web, isConfirmed: true }],
          [9, { containerId: ID.web, isConfirmed: false }],
          [6, { containerId: ID.db, isConfirmed: true }],
        ]),
      },
    ),
    [],
  )
  t.same(endpoints, [
    {
      name: 'web',
      namespace: 'default',
      labels: { app: 'web' },
      containerId: ID.web,
      devices: ['vetha', 'vethb'],
      addresses: ['172.18.0.2', '172.19.0.2', 'fd00::2'],
    },
  ])
})

t.test('of two containers with one address the younger is none, and closed', async (t) => {
  const shared = ['172.18.0.2/16', ''] as const
  const both = view([container('db'), container('web')], [network('shop', { web: shared, db: shared })])
  const { endpoints, unenforceable } = containerEndpoints(both, [])
  t.same(
    endpoints.map(({ name }) => name),
    ['web'],
  )
  t.match(unenforceable, [
    { name: 'db', isClosed: true, why: /^address 172.18.0.2 belongs to container web, too: give .* subnets/ },
  ])
})

t.test('names and addresses of the endpoints file stay with it', async (t) => {
  const own = view(
    [container('web'), container('db')],
    [network('shop', { web: ['10.0.0.1/8', ''], db: ['10.0.0.2/8', ''] })],
  )
  const reserved = { namespace: 'default', labels: {}, devices: ['v'], addresses: ['10.0.0.2'], name: 'web' }
  const { endpoints, unenforceable } = containerEndpoints(own, [reserved])
  t.same(endpoints, [])
  t.match(unenforceable, [
    { name: 'web', isClosed: true, why: /endpoints file has an endpoint of this name/ },
    { name: 'db', isClosed: true, why: /^address 10.0.0.2 belongs to endpoint web, too/ },
  ])
})

const NETWORKS: [mode: string, networks: Record<string, unknown>, why: RegExp][] = [
  ['host', { host: {} }, /^it uses the network of the host/],
  ['none', { none: {} }, /^it has no network/],
  [`container:${ID.db}`, {}, /^it shares the network of container db, whose policy holds for both/],
  [
    'lan',
    { lan: {} },
    /^its network lan \(driver macvlan\) does not pass a bridge of this host: use one with/,
  ],
  ['shop', {}, /^it is connected to no network/],
]
for (const [mode, networks, why] of NETWORKS) {
  t.test(`not enforceable: ${mode.slice(0, 12)}`, async (t) => {
    const web = container('web', {
      HostConfig: { NetworkMode: mode },
      NetworkSettings: { Networks: networks },
    })
    const others = { otherNetworks: new Map([['lan', 'macvlan']]) }
    const { endpoints, unenforceable } = containerEndpoints(
      view([web, container('db', { State: 'exited' })], [network('shop', {})], others),
      [],
    )
    t.same(endpoints, [])
    t.match(unenforceable, [{ name: 'web', isClosed: false, why }])
    t.equal(unenforceable.length, 1, 'what does not run is not listed')
  })
}

t.test('a network beside those on bridges is said', async (t) => {
  const web = container('web', { NetworkSettings: { Networks: { shop: {}, lan: {} } } })
  const others = { otherNetworks: new Map([['lan', 'macvlan']]) }
  const { endpoints } = containerEndpoints(
    view([web], [network('shop', { web: ['10.0.0.1/8', ''] })], others),
    [],
  )
  t.same(endpoints[0]?.notes, ['its network lan (driver macvlan) is not under policy'])
})
