import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { lockInstance } from '../../../src/agent/instance-lock.ts'

function stateDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'state')
}

t.test('a second instance is refused until the first releases', async (t) => {
  const dir = stateDir(t)
  const release = lockInstance(dir)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  t.throws(() => lockInstance(dir), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(
      `agent ${process.pid} \\(.+\\) uses the state directory ${dir}; stop it with \`kill ${process.pid}\``,
    ),
  })
  t.same(readdirSync(dir), ['agent.pid'], 'no temporary file is left')
  release()
  lockInstance(dir)()
  t.same(readdirSync(dir), [])
})

t.test('a lock whose holder is dead, is another process by now, or is broken, is taken over', async (t) => {
  const dir = stateDir(t)
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  for (const text of [`${dead} 100\n`, `${process.pid} 1\n`, '', 'nonsense']) {
    lockInstance(dir)()
    writeFileSync(join(dir, 'agent.pid'), text)
    const release = lockInstance(dir)
    t.same(readdirSync(dir), ['agent.pid'])
    release()
  }
})

t.test('a state directory that cannot be used', (t) => {
  const dir = stateDir(t)
  writeFileSync(dir, '')
  for (const [path, reason] of [
    [dir, /EEXIST/],
    [join(dir, 'below'), /ENOTDIR|EEXIST/],
    ['/proc/weir/state', /ENOENT/],
  ] as const) {
    t.throws(() => lockInstance(path), { code: 'CONFIG_INVALID', message: reason }, path)
    t.throws(() => lockInstance(path), { message: new RegExp(`^--state-dir ${path}: .*; name a directory`) })
  }
  t.end()
})

t.test('release leaves the lock of a successor alone', async (t) => {
  const dir = stateDir(t)
  const release = lockInstance(dir)
  writeFileSync(join(dir, 'agent.pid'), '1 1\n')
  release()
  t.same(readdirSync(dir), ['agent.pid'])
})
