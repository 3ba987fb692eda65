// Which version of which policy is in force, as files change.
import t from 'tap'
import { PolicySources, type PolicyFile } from '../../../src/agent/policy-sources.ts'
import { parse, policyText } from '../../helpers/policy-world.ts'

const good = (name: string, port = '80'): string =>
  policyText({ endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ port }] }] }] }, name)
const broken = (name: string): string => policyText({ endpointSelector: {} }, name)
const NO_YAML = 'a: [1'

/** A folder whose files are given as documents. */
class Folder {
  readonly sources = new PolicySources(parse)
  readonly #files = new Map<string, PolicyFile>()

  write(file: string, ...documents: string[]): string[] {
    this.#files.set(file, { text: documents.join('\n---\n') })
    return this.look()
  }

  remove(file: string): string[] {
    this.#files.delete(file)
    return this.look()
  }

  lock(file: string): string[] {
    this.#files.set(file, { unreadable: 'cannot be read: EACCES' })
    return this.look()
  }

  look(): string[] {
    this.sources.update(this.#files)
    return this.sources.sources.map(({ name, file, state }) => `${file} ${name} ${state}`)
  }

  get inForce(): string[] {
    return this.sources.policies.map(({ key, file }) => `${file} ${key}`).sort()
  }

  error(name: string): string {
    return this.sources.sources.find((source) => source.name === name && source.error !== '')?.error ?? ''
  }
}

t.test('ok, stale, ok again, removed', async (t) => {
  const folder = new Folder()
  t.same(folder.write('a', good('p')), ['a n/p ok'])
  const [first] = folder.sources.policies
  t.same(folder.write('a', broken('p')), ['a n/p stale'])
  t.equal(folder.sources.policies[0], first, 'the very version before')
  t.match(folder.error('n/p'), /^a:1:\d+: spec: holds no rule/)
  t.equal(folder.sources.sources[0]?.policy?.yaml, first?.yaml)
  t.same(folder.write('a', good('p', '81')), ['a n/p ok'])
  t.not(folder.sources.policies[0], first)
  t.same(folder.remove('a'), [])
  t.same(folder.inForce, [])
})

t.test('a policy that never was good is rejected', async (t) => {
  const folder = new Folder()
  t.same(folder.write('a', broken('p'), good('q')), ['a n/p rejected', 'a n/q ok'])
  t.same(folder.inForce, ['a n/q'])
})

t.test('broken YAML keeps all policies of the file that are not to be seen in it', async (t) => {
  const folder = new Folder()
  folder.write('a', good('p'), good('q'))
  folder.write('b', good('r'))
  t.same(folder.write('a', NO_YAML), ['a n/p stale', 'a n/q stale', 'b n/r ok'])
  t.match(folder.error('n/q'), /^a:\d+:\d+: broken YAML/)
  t.same(folder.write('a', good('p', '81'), NO_YAML), ['a n/p ok', 'a n/q stale', 'b n/r ok'])
  t.same(folder.write('a', good('p', '81')), ['a n/p ok', 'b n/r ok'], 'whole again: q is gone')
})

t.test('broken YAML in a new file is rejected without a name', async (t) => {
  const folder = new Folder()
  t.same(folder.write('a', NO_YAML), ['a  rejected'])
  t.same(folder.write('a', NO_YAML, good('p')), ['a  rejected', 'a n/p ok'])
})

t.test('a document that is gone from a sound file is gone, though another is broken', async (t) => {
  const folder = new Folder()
  folder.write('a', good('p'), good('q'))
  t.same(folder.write('a', broken('p')), ['a n/p stale'])
})

t.test('an empty or unreadable file lifts nothing', async (t) => {
  const folder = new Folder()
  folder.write('a', good('p'))
  t.same(folder.write('a', ''), ['a n/p stale'])
  t.match(folder.error('n/p'), /holds no policy; remove the file/)
  t.same(folder.write('a', '# only this'), ['a n/p stale'])
  t.same(folder.lock('a'), ['a n/p stale'])
  t.match(folder.error('n/p'), /cannot be read: EACCES; make the file readable/)
})

t.test('of two policies with one name the one in force stays', async (t) => {
  const folder = new Folder()
  folder.write('b', good('p'))
  t.same(folder.write('a', good('p')), ['a n/p rejected', 'b n/p ok'])
  t.match(folder.error('n/p'), /^a:1:1: metadata.name: policy n\/p is already defined at b:1/)
  t.same(folder.write('b', broken('p')), ['a n/p rejected', 'b n/p stale'])
  t.same(folder.remove('b'), ['a n/p ok'])
})

t.test('at the start the order of the files decides', async (t) => {
  const sources = new PolicySources(parse)
  sources.update(
    new Map([
      ['b', { text: good('p') }],
      ['a', { text: good('p') }],
    ]),
  )
  t.same(
    sources.sources.map(({ file, state }) => `${file} ${state}`),
    ['a ok', 'b rejected'],
  )
})

t.test('a name twice in one file', async (t) => {
  const folder = new Folder()
  t.same(folder.write('a', good('p'), good('p', '81')).sort(), ['a n/p ok', 'a n/p rejected'])
  t.same(folder.write('a', good('p'), broken('p')).sort(), ['a n/p ok', 'a n/p rejected'])
})

t.test('a moved policy goes on', async (t) => {
  const folder = new Folder()
  folder.write('a', good('p'), good('q'))
  folder.write('b', good('p'))
  t.same(folder.write('a', good('q')), ['a n/q ok', 'b n/p ok'])
})

t.test('policies that did not change stay the same objects', async (t) => {
  const folder = new Folder()
  folder.write('a', good('p'))
  const [policy] = folder.sources.policies
  folder.write('b', good('q'))
  t.equal(
    folder.sources.policies.find(({ key }) => key === 'n/p'),
    policy,
  )
})
