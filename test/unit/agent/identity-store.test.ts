import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FileIdentityStore } from '../../../src/agent/identity-store.ts'
import { LocalIdentityAllocator } from '../../../src/policy/identity-allocator.ts'
import { LabelSet } from '../../../src/policy/labels.ts'

const a = LabelSet.parse(['k8s:app=a', 'k8s:io.kubernetes.pod.namespace=n'])
const b = LabelSet.parse(['k8s:app=b'])

t.test('numbers survive a restart', async (t) => {
  const path = join(t.testdir(), 'state', 'identities.json')
  t.same(new LocalIdentityAllocator(new FileIdentityStore(path)).allocate([a, b]), [256, 257])
  const next = new LocalIdentityAllocator(new FileIdentityStore(path))
  t.same(next.allocate([b, LabelSet.parse(['k8s:app=c']), a]), [257, 258, 256])
  t.same(readdirSync(join(path, '..')), ['identities.json'], 'no temporary file is left')
})

t.test('a write that was cut short leaves the old version', async (t) => {
  const path = join(t.testdir(), 'identities.json')
  new LocalIdentityAllocator(new FileIdentityStore(path)).allocate([a])
  writeFileSync(`${path}.tmp`, '{"version": 1, "ident')
  const next = new LocalIdentityAllocator(new FileIdentityStore(path))
  t.same(next.allocate([a, b]), [256, 257])
  t.match(JSON.parse(readFileSync(path, 'utf8')), {
    version: 1,
    identities: [{ identity: 256 }, { identity: 257 }],
  })
})

t.test('a file that cannot be used says why and what to do', async (t) => {
  const path = join(t.testdir(), 'identities.json')
  const entry = (identity: number, ...labels: string[]): object => ({ identity, labels })
  const cases: [string, RegExp][] = [
    ['', /read identities from .*identities.json: /],
    ['{"version": 1', /JSON/],
    [JSON.stringify({ version: 2, identities: [] }), /version/],
    [JSON.stringify({ version: 1, identities: [entry(2, 'k8s:a=b')] }), /identities\[0\].identity/],
    [JSON.stringify({ version: 1, identities: [entry(256, 'k8s:=')] }), /not source:key=value/],
    [
      JSON.stringify({ version: 1, identities: [entry(256, 'k8s:a=b'), entry(256, 'k8s:c=d')] }),
      /256 occurs twice/,
    ],
    [
      JSON.stringify({ version: 1, identities: [entry(256, 'k8s:a=b'), entry(257, 'k8s:a=b')] }),
      /two identities/,
    ],
  ]
  for (const [text, message] of cases) {
    writeFileSync(path, text)
    t.throws(() => new FileIdentityStore(path).load(), { code: 'CONFIG_INVALID', message }, text)
    t.throws(() => new FileIdentityStore(path).load(), { message: /; restore the file, or remove it/ }, text)
  }
})

t.test('a folder that cannot be written is named', async (t) => {
  const dir = t.testdir({ file: '' })
  t.throws(() => new FileIdentityStore(join(dir, 'file', 'identities.json')).save([]), {
    code: 'CONFIG_INVALID',
    message: /write identities to .*; the folder must exist/,
  })
})
