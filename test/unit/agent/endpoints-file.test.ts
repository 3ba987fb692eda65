import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  parseEndpoints,
  readEndpointsFile,
  watchEndpointsFile,
  type EndpointsState,
} from '../../../src/agent/endpoints-file.ts'
import { formatProblems } from '../../../src/policy/problem.ts'

const ONE = `- name: a
  labels: {app: a}
  device: veth-a
  addresses: [10.0.0.1, "fd00::1"]
`

t.test('a good file', async (t) => {
  const { endpoints, problems } = parseEndpoints(
    `${ONE}- {name: b, namespace: other, device: lxc1, addresses: [FD00:0::2]}\n`,
    'e.yaml',
  )
  t.same(problems, [])
  t.same(endpoints, [
    {
      name: 'a',
      namespace: 'default',
      labels: { app: 'a' },
      devices: ['veth-a'],
      addresses: ['10.0.0.1', 'fd00::1'],
    },
    { name: 'b', namespace: 'other', labels: {}, devices: ['lxc1'], addresses: ['fd00::2'] },
  ])
  t.same(parseEndpoints('[]', 'e.yaml'), { endpoints: [], problems: [] })
})

t.test('labels of namespaces, and names of ports', async (t) => {
  const { endpoints, problems } = parseEndpoints(
    `namespaceLabels: {default: {team: a, tier: x}, other: {team: b}}
endpoints:
- {name: a, device: d, addresses: [10.0.0.1], ports: {HTTP: 8080, dns: 53/UDP}, namespaceLabels: {tier: y}}
- {name: b, namespace: third, device: e, addresses: [10.0.0.2]}
`,
    'e.yaml',
  )
  t.same(problems, [])
  t.same(endpoints[0]?.namespaceLabels, { team: 'a', tier: 'y' }, 'those of the endpoint count more')
  t.same(endpoints[0]?.ports, [
    { name: 'http', port: 8080, protocol: 6 },
    { name: 'dns', port: 53, protocol: 17 },
  ])
  t.same(endpoints[1], { name: 'b', namespace: 'third', labels: {}, devices: ['e'], addresses: ['10.0.0.2'] })
})

t.test('problems name file, line, path, value and mend', async (t) => {
  const b = (fields: string): string => `${ONE}- ${fields}\n`
  const cases: [string, RegExp][] = [
    ['', /e.yaml:1:1: the file is empty; write a list of endpoints/],
    ['a', /must be a list \(value: "a"\)/],
    ['a: b', /unknown field "a"/],
    ['namespaceLabels: {}', /endpoints: is missing/],
    ['endpoints: []\nnamespaceLabels: {A: {}}', /namespaceLabels.A: "A" is not a namespace/],
    ['endpoints: []\nnamespaceLabels: {a: {b: 1}}', /namespaceLabels.a.b: must be text/],
    ['- x', /\[0\]: must be a mapping/],
    [
      b('{name: b, device: d, addresses: [10.0.0.2], ports: {1: 80}}'),
      /"1" is not a port name|a key is not text/,
    ],
    [b('{name: b, device: d, addresses: [10.0.0.2], ports: {a--b: 80}}'), /"a--b" is not a port name/],
    [b('{name: b, device: d, addresses: [10.0.0.2], ports: {a: 0}}'), /ports.a: is not a port .*53\/UDP/],
    [b('{name: b, device: d, addresses: [10.0.0.2], ports: {a: 80/ICMP}}'), /ports.a: is not a port/],
    [b('{name: b, device: d, addresses: [10.0.0.2], ports: {a: 1, A: 2}}'), /port "a" is named twice/],
    ['- {name: [', /broken YAML/],
    [`${ONE}---\n[]`, /a second document/],
    [
      b('{name: a, device: d, addresses: [10.0.0.2]}'),
      /e.yaml:5:10: \[1\].name: name default\/a is used twice, first at \[0\].name/,
    ],
    [
      b('{name: b, device: d, addresses: [10.0.0.1]}'),
      /address 10.0.0.1 is used twice, first at \[0\].addresses\[0\]/,
    ],
    [b('{name: b, device: d, addresses: ["::ffff:10.0.0.1"]}'), /address 10.0.0.1 is used twice/],
    [b('{name: b, device: d, addresses: ["fd00:0::1"]}'), /address fd00::1 is used twice/],
    [b('{name: b, device: d, addresses: [10.0.0.2, 10.0.0.2]}'), /address 10.0.0.2 is used twice/],
    [b('{name: b, device: veth-a, addresses: [10.0.0.2]}'), /device veth-a is used twice/],
    [b('{device: d, addresses: [10.0.0.2]}'), /\[1\].name: is missing/],
    [b('{name: b, addresses: [10.0.0.2]}'), /\[1\].device: is missing/],
    [b('{name: b, device: d}'), /\[1\].addresses: is missing/],
    [b('{name: b, device: d, addresses: []}'), /lists no address/],
    [
      b('{name: b, device: d, addresses: [10.0.0.256]}'),
      /is not an IPv4 or IPv6 address \(value: "10.0.0.256"\)/,
    ],
    [b('{name: b, device: d, addresses: [10.0.0.2/24]}'), /without the prefix length/],
    [b('{name: b, device: d, addresses: [127.0.0.1]}'), /no endpoint can have this address/],
    [b('{name: b, device: d, addresses: ["ff02::1"]}'), /no endpoint can have this address/],
    [
      b('{name: b, device: sixteen-bytes-xx, addresses: [10.0.0.2]}'),
      /a device name of 16 bytes .*the kernel allows 15/,
    ],
    [b('{name: b, device: a/b, addresses: [10.0.0.2]}'), /is not a device name/],
    [b('{name: b, devices: d, addresses: [10.0.0.2]}'), /unknown field "devices" .*did you mean "device"\?/],
    [b('{name: b, namespace: A, device: d, addresses: [10.0.0.2]}'), /is not a namespace \(value: "A"\)/],
    [b('{name: "b c", device: d, addresses: [10.0.0.2]}'), /\[1\].name: is not a name/],
    [
      b('{name: b, labels: {a: 1}, device: d, addresses: [10.0.0.2]}'),
      /labels.a: must be text \(value: 1\); put it in quotes: "1"/,
    ],
    [b('{name: b, labels: {a: "b c"}, device: d, addresses: [10.0.0.2]}'), /labels.a: is not a label value/],
    [
      b('{name: b, labels: {"k8s:a": b}, device: d, addresses: [10.0.0.2]}'),
      /label key "k8s:a" has a source/,
    ],
    [b('{name: b, labels: {"-a": b}, device: d, addresses: [10.0.0.2]}'), /label key "-a" is not valid/],
    [
      b('{name: b, labels: {io.kubernetes.pod.namespace: x}, device: d, addresses: [10.0.0.2]}'),
      /use the field namespace/,
    ],
  ]
  for (const [text, expected] of cases) {
    const { problems } = parseEndpoints(text, 'e.yaml')
    t.match(formatProblems(problems), expected, text)
  }
})

t.test('names are per namespace', async (t) => {
  const { problems } = parseEndpoints(
    `${ONE}- {name: a, namespace: n, device: d, addresses: [10.0.0.2]}`,
    'e.yaml',
  )
  t.same(problems, [])
})

/** The watch and its states, each awaited. */
async function watched(path: string) {
  const states: EndpointsState[] = []
  let wake = (): void => undefined
  const file = await watchEndpointsFile(
    path,
    (state) => {
      states.push(state)
      wake()
    },
    { settleMs: 10, pollMs: 100 },
  )
  const next = async (): Promise<EndpointsState> => {
    while (states.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return states.shift()!
  }
  return { file, next }
}

t.test('a byte order mark, CRLF', async (t) => {
  const dir = t.testdir({ 'e.yaml': `\ufeff${ONE.replaceAll('\n', '\r\n')}` })
  t.equal((await readEndpointsFile(join(dir, 'e.yaml'))).length, 1)
})

t.test('the last good version stays while the file is broken or gone', async (t) => {
  const path = join(t.testdir({ 'e.yaml': ONE }), 'e.yaml')
  const { file, next } = await watched(path)
  t.teardown(() => file.close())
  t.match(file.state, { state: 'ok', endpoints: [{ name: 'a' }] })

  writeFileSync(path, '- name: [')
  t.match(await next(), { state: 'stale', error: /e.yaml:1:\d+: broken YAML/, endpoints: [{ name: 'a' }] })
  rmSync(path)
  t.match(await next(), {
    state: 'stale',
    error: /read endpoints file .*create the file/,
    endpoints: [{ name: 'a' }],
  })
  writeFileSync(`${path}.new`, ONE.replace('name: a', 'name: b'))
  renameSync(`${path}.new`, path)
  t.match(await next(), { state: 'ok', error: undefined, endpoints: [{ name: 'b' }] })
})

t.test('a file that is missing or broken at the start is an error', async (t) => {
  const dir = t.testdir({ 'e.yaml': '- {}' })
  const start = (name: string) => watchEndpointsFile(join(dir, name), () => undefined)
  await t.rejects(start('none.yaml'), { code: 'ENDPOINTS_INVALID', message: /none.yaml.*create the file/ })
  await t.rejects(start('e.yaml'), {
    code: 'ENDPOINTS_INVALID',
    message: /e.yaml:1:3: \[0\].name: is missing/,
  })
})
