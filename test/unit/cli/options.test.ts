import t from 'tap'
import {
  accessLogFlag,
  defaultWorkers,
  deniedBodyFlag,
  directoryFlag,
  encodedSlashFlag,
  fileFlag,
  integerFlag,
  outputFlag,
  stateDirFlag,
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

const REFUSED: [string, () => unknown, RegExp][] = [
  [
    'zero workers',
    () => integerFlag('--workers', 1, 32)('0'),
    /--workers "0" is not a whole number from 1 to 32; give/,
  ],
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
