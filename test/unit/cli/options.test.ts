import t from 'tap'
import {
  accessLogFlag,
  defaultWorkers,
  deniedBodyFlag,
  directoryFlag,
  encodedSlashFlag,
  fileFlag,
  integerFlag,
  listenOptions,
  outputFlag,
  stateDirFlag,
  xdsOptions,
} from '../../../src/cli/options.ts'

t.test('good values', async (t) => {
  const workers = integerFlag('--workers', 1, 32)
  t.equal(workers('1'), 1)
  t.equal(workers('32'), 32)
  t.equal(stateDirFlag('/run/weir'), '/run/weir')
  t.equal(stateDirFlag('weir-2'), `${process.cwd()}/weir-2`)
  t.equal(fileFlag('--endpoints')('/dev/null'), '/dev/null')
  t.equal(directoryFlag('--policies')('/'), '/')
  t.equal(accessLogFlag('-'), '-')
  t.equal(accessLogFlag('a.log'), `${process.cwd()}/a.log`)
  t.equal(deniedBodyFlag('no'), 'no')
  t.equal(encodedSlashFlag('decode'), 'decode')
  t.equal(outputFlag('json'), 'json')
  t.ok(defaultWorkers() >= 1 && defaultWorkers() <= 4)
})

const TLS = { tlsCert: '/c', tlsKey: '/k', tlsCa: '/a' }
const tls = { cert: '/c', key: '/k', ca: '/a' }

t.test('where xDS servers are', async (t) => {
  t.equal(xdsOptions({}), undefined)
  t.equal(listenOptions({}), undefined)
  for (const path of ['unix:/run/a.sock', 'unix:///run/a.sock']) {
    t.same(xdsOptions({ xds: path }), {
      target: { kind: 'unix', path: '/run/a.sock' },
      mode: 'split',
      tls: undefined,
    })
  }
  for (const [text, host] of [
    ['agent.example:15901', 'agent.example'],
    ['10.0.0.1:15901', '10.0.0.1'],
    ['[fd00::1]:15901', 'fd00::1'],
  ] as const) {
    const target = { kind: 'tcp', host, port: 15901 }
    t.same(xdsOptions({ xds: text, xdsMode: 'ads', ...TLS }), { target, mode: 'ads', tls })
    t.same(listenOptions({ listen: text, ...TLS }), { target, tls })
  }
})

const REFUSED: [string, () => unknown, RegExp][] = [
  [
    'zero workers',
    () => integerFlag('--workers', 1, 32)('0'),
    /--workers "0" is not a whole number from 1 to 32; give/,
  ],
  [
    'plain TCP',
    () => xdsOptions({ xds: 'a:1' }),
    /TCP without mutual TLS is refused, --tls-cert and --tls-key/,
  ],
  [
    'plain TCP to listen on',
    () => listenOptions({ listen: 'a:1', tlsCert: '/c', tlsKey: '/k' }),
    /--listen a:1: TCP without mutual TLS is refused, --tls-ca missing; give certificate/,
  ],
  [
    'TLS on a unix socket',
    () => xdsOptions({ xds: 'unix:/a', ...TLS }),
    /--tls-cert.* without --xds HOST:PORT/,
  ],
  ['TLS of nothing', () => xdsOptions(TLS), /without --xds has no effect/],
  ['TLS for no listener', () => listenOptions(TLS), /without --listen has no effect/],
  ['a mode of nothing', () => xdsOptions({ xdsMode: 'ads' }), /--xds-mode without --xds/],
  [
    'an unknown mode',
    () => xdsOptions({ xds: 'unix:/a', xdsMode: 'delta' }),
    /"delta" is neither split nor ads/,
  ],
  ['no socket', () => xdsOptions({ xds: 'unix:' }), /names no socket/],
  ['a long socket path', () => xdsOptions({ xds: `unix:/${'x'.repeat(107)}` }), /108 bytes, more than 107/],
  ['no port', () => xdsOptions({ xds: 'agent', ...TLS }), /--xds "agent" is not an address; use/],
  ['port 0', () => listenOptions({ listen: 'a:0', ...TLS }), /is not an address/],
  ['port 65536', () => listenOptions({ listen: 'a:65536', ...TLS }), /is not an address/],
  ['IPv6 without brackets', () => listenOptions({ listen: 'fd00::1:80', ...TLS }), /is not an address/],
  ['a name in brackets', () => listenOptions({ listen: '[a]:80', ...TLS }), /is not an address/],
  ['too many workers', () => integerFlag('--workers', 1, 32)('33'), /"33" .* 1 to 32/],
  ['no number', () => integerFlag('--workers', 1, 32)('1e1'), /"1e1"/],
  ['a negative number', () => integerFlag('--workers', 1, 32)('-1'), /"-1"/],
  [
    'a state directory that bpffs refuses',
    () => stateDirFlag('/run/weir.d'),
    /--state-dir .* letters, digits/,
  ],
  ['the root as state directory', () => stateDirFlag('/'), /--state-dir/],
  [
    'a long state directory',
    () => stateDirFlag(`/run/${'x'.repeat(100)}`),
    /socket path of 116 bytes, more than 107/,
  ],
  [
    'a missing file',
    () => fileFlag('--endpoints')('/nonexistent'),
    /--endpoints "\/nonexistent" does not exist; create/,
  ],
  ['below a file', () => fileFlag('--endpoints')('/dev/null/x'), /cannot be looked at: ENOTDIR/],
  ['a folder for a file', () => fileFlag('--endpoints')('/'), /is not a file/],
  ['a file for a folder', () => directoryFlag('--policies')('/dev/null'), /is not a directory/],
  ['an empty access log', () => accessLogFlag(''), /--access-log "" is empty/],
  [
    'a long body',
    () => deniedBodyFlag('é'.repeat(2049)),
    /--denied-403-body .* 4098 bytes, more than 4096; shorten/,
  ],
  [
    'an unknown way with %2F',
    () => encodedSlashFlag('unescape'),
    /--path-encoded-slash "unescape" is none of keep, reject, decode; use/,
  ],
  ['an unknown format', () => outputFlag('xml'), /--output "xml"/],
]
for (const [what, call, message] of REFUSED) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(call, { code: 'CONFIG_INVALID', message })
  })
}
