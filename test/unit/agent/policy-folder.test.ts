// Real files, and the ways in which editors, shells and Kubernetes change them.
import { mkdirSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { PolicyFolder } from '../../../src/agent/policy-folder.ts'
import { unreadSubfolders } from '../../../src/agent/policy-subfolders.ts'
import { parse, policyText } from '../../helpers/policy-world.ts'

const good = (name: string, port = '80'): string =>
  policyText({ endpointSelector: {}, ingress: [{ toPorts: [{ ports: [{ port }] }] }] }, name)

interface Watched {
  readonly folder: PolicyFolder
  /** Wait until the sources read like this: `file name state`. */
  readonly until: (...expected: string[]) => Promise<void>
}

async function open(t: Test, dir: string, options = { settleMs: 10, pollMs: 100 }): Promise<Watched> {
  const folder = await PolicyFolder.open(dir, { parse, ...options })
  let wake = (): void => undefined
  folder.onChange(() => wake())
  t.teardown(() => folder.close())
  const now = (): string[] =>
    folder.sources.map(({ name, file, state }) => `${file.slice(dir.length + 1)} ${name} ${state}`)
  const until = async (...expected: string[]): Promise<void> => {
    while (now().join() !== expected.join()) await new Promise<void>((resolve) => (wake = resolve))
    t.same(now(), expected)
  }
  return { folder, until }
}

t.test('files come, change, break and go', async (t) => {
  const dir = t.testdir({
    'a.yaml': good('p'),
    'notes.txt': 'no policy',
    sub: { 'c.yaml': good('c') },
  })
  const { folder, until } = await open(t, dir)
  await until('a.yaml n/p ok')
  writeFileSync(join(dir, 'b.yml'), good('q'))
  await until('a.yaml n/p ok', 'b.yml n/q ok')
  writeFileSync(join(dir, 'a.yaml'), 'a: [')
  await until('a.yaml n/p stale', 'b.yml n/q ok')
  t.same(folder.policies.map(({ key }) => key).sort(), ['n/p', 'n/q'])
  writeFileSync(join(dir, 'a.yaml'), good('p', '81'))
  await until('a.yaml n/p ok', 'b.yml n/q ok')
  t.match(folder.policies.find(({ key }) => key === 'n/p')?.yaml, /"81"/)
  rmSync(join(dir, 'b.yml'))
  await until('a.yaml n/p ok')
})

t.test('atomic renames, temporary files of editors', async (t) => {
  const dir = t.testdir({ 'a.yaml': good('p') })
  const { folder, until } = await open(t, dir)
  for (const name of ['.a.yaml.swp', '.#a.yaml', '#a.yaml#', 'a.yaml~', '.hidden.yaml']) {
    writeFileSync(join(dir, name), good('temporary'))
  }
  writeFileSync(join(dir, '.new'), good('q'))
  renameSync(join(dir, '.new'), join(dir, 'a.yaml'))
  await until('a.yaml n/q ok')
  t.same(
    folder.policies.map(({ key }) => key),
    ['n/q'],
  )
})

t.test('a ConfigMap: links through ..data, which is swapped', async (t) => {
  const dir = t.testdir({
    '..1': { 'a.yaml': good('p'), 'b.yaml': good('q') },
    '..2': { 'a.yaml': good('r') },
  })
  symlinkSync('..1', join(dir, '..data'))
  symlinkSync('..data/a.yaml', join(dir, 'a.yaml'))
  symlinkSync('..data/b.yaml', join(dir, 'b.yaml'))
  const { until } = await open(t, dir)
  await until('a.yaml n/p ok', 'b.yaml n/q ok')
  symlinkSync('..2', join(dir, '..data_tmp'))
  renameSync(join(dir, '..data_tmp'), join(dir, '..data'))
  // The link of b.yaml leads nowhere for a moment: that alone lifts nothing.
  await until('a.yaml n/r ok', 'b.yaml n/q stale')
  unlinkSync(join(dir, 'b.yaml'))
  await until('a.yaml n/r ok')
})

t.test('what is no file of text holds its policies, and says why', async (t) => {
  const dir = t.testdir({ 'a.yaml': good('p') })
  const { folder, until } = await open(t, dir)
  const file = join(dir, 'a.yaml')
  const offences: [error: RegExp, replace: () => void][] = [
    [/is not UTF-8: byte 9 is 0xff/, () => writeFileSync(file, Buffer.from('# comment\xff\n', 'latin1'))],
    [/is a folder/, () => mkdirSync(file)],
    [/is not an ordinary file/, () => symlinkSync('/dev/null', file)],
  ]
  for (const [error, replace] of offences) {
    rmSync(file, { recursive: true })
    await until()
    writeFileSync(file, good('p'))
    await until('a.yaml n/p ok')
    const reread = new Promise<void>((resolve) => folder.onChange(resolve))
    rmSync(file)
    replace()
    await reread
    await until('a.yaml n/p stale')
    t.match(folder.sources[0]?.error, error)
  }
})

t.test('a byte order mark is no part of the text', async (t) => {
  const dir = t.testdir({ 'a.yaml': `\ufeff${good('p')}` })
  const { until } = await open(t, dir)
  await until('a.yaml n/p ok')
})

t.test('without any event the poll finds a change', async (t) => {
  const outside = t.testdir({ policies: {}, 'real.yaml': good('p') })
  const dir = join(outside, 'policies')
  symlinkSync(join(outside, 'real.yaml'), join(dir, 'a.yaml'))
  const { until } = await open(t, dir)
  // The folder itself does not change, so that no event comes.
  writeFileSync(join(outside, 'real.yaml'), good('q'))
  await until('a.yaml n/q ok')
})

t.test('a folder that goes away keeps its policies, and is found again', async (t) => {
  const dir = join(t.testdir({ policies: { 'a.yaml': good('p') } }), 'policies')
  const { folder, until } = await open(t, dir)
  const changed = new Promise<void>((resolve) => folder.onChange(resolve))
  renameSync(dir, `${dir}.old`)
  await changed
  t.match(folder.error, /list policy folder .*create the folder/)
  t.same(
    folder.policies.map(({ key }) => key),
    ['n/p'],
  )
  mkdirSync(dir)
  writeFileSync(join(dir, 'b.yaml'), good('q'))
  await until('b.yaml n/q ok')
  t.equal(folder.error, undefined)
  writeFileSync(join(dir, 'c.yaml'), good('r'))
  await until('b.yaml n/q ok', 'c.yaml n/r ok')
})

t.test('a missing folder is an error at the start', async (t) => {
  await t.rejects(PolicyFolder.open(join(t.testdir(), 'none'), { parse }), {
    code: 'CONFIG_INVALID',
    message: /list policy folder .*none.*create the folder, or name another one with --policies/,
  })
})

t.test('subfolders that hold what look like policies', async (t) => {
  const dir = t.testdir({
    'a.yaml': good('p'),
    'folder.yaml': { 'b.yaml': good('q') },
    '..2026_data': { 'a.yaml': good('p') },
    '.git': { 'config.yml': '' },
    empty: {},
    notes: { 'README.md': '', deep: { '.hidden.yaml': '' } },
    team: { 'z.txt': '', deep: { deeper: { 'b.yml': good('b') } } },
  })
  symlinkSync('..2026_data', join(dir, '..data'))
  symlinkSync('team/deep', join(dir, 'linked'))
  symlinkSync('..', join(dir, 'notes', 'up'))
  t.same(await unreadSubfolders(dir), [
    { folder: dir, name: 'linked', example: 'deeper/b.yml' },
    { folder: dir, name: 'team', example: 'deep/deeper/b.yml' },
  ])
  t.same(await unreadSubfolders(join(dir, 'a.yaml')), [])

  const { folder, until } = await open(t, dir)
  const names = (): string[] => folder.unreadSubfolders.map(({ name }) => name)
  t.same(names(), ['linked', 'team'])
  const isTold = new Promise<void>((resolve) => {
    folder.onChange(() => {
      if (names().join() === 'linked') resolve()
    })
  })
  renameSync(join(dir, 'team'), join(dir, '.team'))
  unlinkSync(join(dir, 'linked'))
  symlinkSync('.team/deep', join(dir, 'linked'))
  await isTold
  await until('a.yaml n/p ok', 'folder.yaml  rejected')
})
