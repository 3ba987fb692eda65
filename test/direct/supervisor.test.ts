// Real child processes that do nothing: who restarts, adopts and ends them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { childId, isAlive, processId, readPidFile, writePidFile } from '../../src/agent/process-id.ts'
import { Supervisor, type SupervisedWorker, type SupervisorOptions } from '../../src/agent/supervisor.ts'
import { atPaceOf } from '../helpers/pace.ts'
import { Mailbox, logTo, type LogLine } from '../helpers/events.ts'

t.setTimeout(120_000)

const RESTART_MS = 200

const IDLE = 'setInterval(() => {}, 1000)'
const script = (code: string) => (): [string, ...string[]] => [process.execPath, '-e', code]

function stateDir(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

function supervise(t: Test, options: Partial<SupervisorOptions> & { stateDir: string }) {
  const log = new Mailbox<LogLine>()
  const supervisor = new Supervisor({ workers: 1, command: script(IDLE), log: logTo(log), ...options })
  t.teardown(() => supervisor.stop())
  supervisor.start()
  return { supervisor, log }
}

const started = (log: Mailbox<LogLine>) => log.takeUntil((line) => line.msg === 'worker started')

/** Starts an agent of its own, kills it with SIGKILL and returns the workers that it left. */
async function killedAgent(dir: string, workers: number): Promise<SupervisedWorker[]> {
  const main = fileURLToPath(import.meta.resolve('../helpers/supervising-agent.js'))
  const agent = spawn(process.execPath, [main, dir, String(workers)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [line] = (await once(agent.stdout, 'data')) as [Buffer]
  agent.kill('SIGKILL')
  await once(agent, 'exit')
  return JSON.parse(line.toString()) as SupervisedWorker[]
}

t.test('a killed worker is replaced at once', async (t) => {
  const dir = stateDir(t)
  const { supervisor, log } = supervise(t, { stateDir: dir, workers: 2 })
  const first = await started(log)
  await started(log)
  const limitMs = await atPaceOf(RESTART_MS)
  const killedAt = performance.now()
  process.kill(first['workerPid'] as number, 'SIGKILL')
  const second = await started(log)
  const restartMs = performance.now() - killedAt
  t.ok(restartMs < limitMs, `${restartMs.toFixed()} of ${limitMs.toFixed()} ms`)
  t.equal(second['slot'], 0)
  t.not(second['workerPid'], first['workerPid'])
  t.equal(readPidFile(join(dir, 'proxy-0.pid'))?.pid, second['workerPid'])
  t.match(supervisor.workers(), [{ slot: 0 }, { slot: 1, isAdopted: false }])
})

t.test('a worker that dies young again and again is restarted ever more slowly', async (t) => {
  const { supervisor, log } = supervise(t, { stateDir: stateDir(t), command: script('process.exit(3)') })
  const deaths: LogLine[] = []
  while (deaths.length < 3) deaths.push(await log.takeUntil((line) => line.msg.startsWith('worker died')))
  t.match(deaths, [{ backoffMs: 0 }, { reason: 'exit code 3', backoffMs: 200 }, { backoffMs: 400 }])
  await supervisor.stop()
  t.same(supervisor.workers(), [])
})

t.test('a command that cannot be started is logged with its reason', async (t) => {
  const { log } = supervise(t, { stateDir: stateDir(t), command: () => ['/nonexistent/weir'] })
  t.match(await log.takeUntil((line) => line.msg === 'worker could not be started'), { error: /ENOENT/ })
})

t.test('stop ends a worker with SIGTERM, and with SIGKILL one that ignores it', async (t) => {
  const dir = stateDir(t)
  const ready = join(dir, 'ready')
  const stubborn = `process.on('SIGTERM', () => {}); require('fs').writeFileSync(${JSON.stringify(ready)}, ''); ${IDLE}`
  const { supervisor, log } = supervise(t, {
    stateDir: dir,
    workers: 2,
    command: (slot) => script(slot === 0 ? IDLE : stubborn)(),
    graceMs: 100,
  })
  const pids = [(await started(log))['workerPid'], (await started(log))['workerPid']] as number[]
  await until(() => existsSync(ready))
  await supervisor.stop()
  t.same(pids.map(processId), [undefined, undefined])
  const killed = await log.takeUntil((line) => line.msg === 'worker ignores SIGTERM')
  t.equal(killed['workerPid'], pids[1])
  t.notOk(existsSync(join(dir, 'proxy-0.pid')))
})

t.test('workers survive a killed agent and the next one adopts them', async (t) => {
  const dir = stateDir(t)
  const left = await killedAgent(dir, 2)
  t.ok(
    left.every(({ pid }) => processId(pid) !== undefined),
    'workers live',
  )

  const { supervisor, log } = supervise(t, { stateDir: dir, workers: 2 })
  t.same(
    supervisor.workers(),
    left.map((worker) => ({ ...worker, isAdopted: true })),
  )
  await started(log)
  await started(log)
  process.kill(left[1]?.pid ?? 0, 'SIGKILL')
  t.match(await started(log), { slot: 1, isAdopted: false }, 'an adopted worker is replaced as well')
  const pids = supervisor.workers().map(({ pid }) => pid)
  await supervisor.stop()
  t.same(pids.map(processId), [undefined, undefined], 'adopted and own workers are stopped')
})

t.test('workers beyond the number wanted are stopped', async (t) => {
  const dir = stateDir(t)
  const left = await killedAgent(dir, 2)
  const { supervisor } = supervise(t, { stateDir: dir, workers: 1 })
  await supervisor.stop()
  t.same(
    left.map(({ pid }) => processId(pid)),
    [undefined, undefined],
  )
})

t.test('a pid file whose pid was reused is no worker', async (t) => {
  const dir = stateDir(t)
  writePidFile(join(dir, 'proxy-0.pid'), { pid: process.pid, startTime: '1' })
  const { log } = supervise(t, { stateDir: dir })
  t.match(await started(log), { isAdopted: false })
})

t.test('process ids', async (t) => {
  const dir = stateDir(t)
  const self = processId(process.pid)
  if (self === undefined) throw new Error('this process lives')
  t.ok(isAlive(self))
  t.notOk(isAlive({ ...self, startTime: '1' }))
  const path = join(dir, 'x.pid')
  writePidFile(path, self)
  t.same(readPidFile(path), self)
  for (const text of ['', '12\n', '0 5\n', '12 5', 'a b\n']) {
    writeFileSync(path, text)
    t.equal(readPidFile(path), undefined, JSON.stringify(text))
  }
  const child = spawn(process.execPath, ['-e', IDLE])
  const id = processId(child.pid ?? 0)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.ok(id && !isAlive(id))

  // Not waited for: this thread does not get to it before.
  const brief = spawn('true')
  const whileItEnds = new Int32Array(new SharedArrayBuffer(4))
  while (processId(brief.pid ?? 0) !== undefined) Atomics.wait(whileItEnds, 0, 0, 5)
  const ended = childId(brief.pid ?? 0)
  t.ok(ended && !isAlive(ended), 'a child that died at once has an id all the same')
  await once(brief, 'exit')
  t.equal(childId(brief.pid ?? 0), undefined)
})

/** For states of another process that send no event. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}
