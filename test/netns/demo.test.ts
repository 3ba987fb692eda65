// The demo: every outcome right, nothing left behind, and again after it was killed.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { packageRoot } from '../../src/lib/paths.ts'
import { cleanEnvironment } from '../helpers/command.ts'
import { removeLeftovers, TEST_PREFIX } from '../helpers/leftovers.ts'
import { Namespace, killNow } from '../helpers/namespace.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { waitFor } from '../helpers/wait.ts'

const ROWS = 10

interface Demo {
  readonly process: ChildProcess
  output(): string
  /** Exit code. */
  readonly ended: Promise<number | null>
}

function startDemo(node: string, endsAfterTable: boolean): Demo {
  const script = `
    const { runDemo } = await import(${JSON.stringify(join(packageRoot(), 'dist/demo/demo.js'))})
    process.exitCode = await runDemo(${JSON.stringify({ endsAfterTable, names: { node, podPrefix: `${node}-` } })})`
  const child = spawn(process.execPath, ['--input-type=module', '-e', `/* demo */ ${script}`], {
    env: cleanEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = once(child, 'close').then(() => child.exitCode)
  return { process: child, output: () => output, ended }
}

async function endsWith(t: Test, demo: Demo, code: number): Promise<void> {
  const actual = await demo.ended
  t.equal(actual, code, `exit code ${code}`)
  if (actual !== code) t.comment(demo.output())
}

function remains(node: string): string[] {
  return ['/run', '/run/netns', '/sys/fs/bpf'].flatMap((directory) =>
    readdirSync(directory).filter((name) => name.includes(node)),
  )
}

if (canRunPrivileged(t)) {
  removeLeftovers()

  t.test('--once', async (t) => {
    const node = `${TEST_PREFIX}${process.pid}-1-demo`
    const demo = startDemo(node, true)
    await endsWith(t, demo, 0)
    t.ok(demo.output().includes('Every outcome is right.'))
    t.equal(demo.output().match(/ (kernel|proxy)$/gm)?.length, ROWS, 'each row says where it was decided')
    t.strictSame(remains(node), [])
  })

  t.test('it stays up until Ctrl-C', async (t) => {
    const node = `${TEST_PREFIX}${process.pid}-2-demo`
    const demo = startDemo(node, false)
    await waitFor(() => demo.output().includes('Ctrl-C'), { what: 'the invitation to play' })
    const second = startDemo(node, true)
    await endsWith(t, second, 1)
    t.ok(
      second.output().includes(`the demo runs already, as pid ${demo.process.pid}`),
      'the second demo says why',
    )
    demo.process.kill('SIGINT')
    await endsWith(t, demo, 0)
    t.strictSame(remains(node), [])
  })

  t.test('it works again after kill -9 of everything', async (t) => {
    const node = `${TEST_PREFIX}${process.pid}-3-demo`
    const demo = startDemo(node, false)
    await waitFor(() => demo.output().includes('playing'), { what: 'weir to run' })
    demo.process.kill('SIGKILL')
    await demo.ended
    for (const name of [node, `${node}-deathstar`]) new Namespace(name).pids().forEach(killNow)
    t.ok(remains(node).length >= 6, 'namespaces, state, pins and record are left')
    const next = startDemo(node, true)
    await endsWith(t, next, 0)
    t.ok(next.output().includes('removed what an earlier demo had left'))
    t.strictSame(remains(node), [])
  })
}
