import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  constants,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { HttpExchange } from '../../../src/l7rules/http1/request.ts'
import { AccessLog, type RecordSink } from '../../../src/proxy/access-log.ts'
import { FileSink } from '../../../src/proxy/file-sink.ts'
import { Mailbox, logTo, type LogLine } from '../../helpers/events.ts'

const endpoint = { ID: 1, identity: 2, namespace: 'n', labels: [], pod_name: 'p' }
const facts = {
  source: endpoint,
  destination: endpoint,
  sourceAddress: '10.0.0.1',
  sourcePort: 1,
  destinationAddress: '10.0.0.2',
  destinationPort: 2,
}
const exchange: HttpExchange = {
  method: 'GET',
  path: '/',
  host: 'h',
  protocol: 'HTTP/1.1',
  status: 200,
  verdict: { allowed: true, rule: '', reason: 'NO_L7_RULES', direction: 'ingress' },
  error: '',
  requestBytes: 1,
  responseBytes: 1,
  startedMs: 0,
  endedMs: 0,
}

function memorySink(): RecordSink & { readonly batches: Mailbox<{ lines: string[]; records: number }> } {
  const batches = new Mailbox<{ lines: string[]; records: number }>()
  return {
    batches,
    lost: 3,
    write: (ndjson, records) => batches.push({ lines: ndjson.toString().trimEnd().split('\n'), records }),
    reopen: () => {},
    close: () => Promise.resolve(),
  }
}

function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const lines = (from: number, to: number): Buffer => {
  let text = ''
  for (let i = from; i < to; i++) text += `${JSON.stringify({ n: i })}\n`
  return Buffer.from(text)
}

t.test('records go out together, by size or by time', async (t) => {
  // The log's own timer keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const sinks = [memorySink(), memorySink()]
  const log = new AccessLog({ sinks, flushBytes: 1500, flushMs: 5, now: () => 1000 })
  const connection = log.connection(facts)
  connection.record(exchange, 1)
  connection.record(exchange, 1)
  connection.record(exchange, 1)
  connection.record(exchange, 1)
  for (const { batches } of sinks) {
    const bySize = await batches.take()
    t.equal(bySize.records, bySize.lines.length)
    const byTime = await batches.take()
    t.equal(bySize.records + byTime.records, 4)
    t.match(JSON.parse(byTime.lines[0] ?? ''), { time: '1970-01-01T00:00:01.000Z' })
  }
  t.equal(log.lost, 6)
})

t.test('close hands over what is gathered', async (t) => {
  const path = join(folder(t), 'access.log')
  const log = new AccessLog({ sinks: [new FileSink({ target: path, log: logTo(new Mailbox()) })] })
  log.connection(facts).record(exchange, 1)
  await log.close()
  t.equal(readFileSync(path, 'utf8').split('\n').length, 2)
  t.equal(log.lost, 0)
})

t.test('a file is appended to, and reopened after rotation without loss', async (t) => {
  const dir = folder(t)
  const path = join(dir, 'access.log')
  const first = new FileSink({ target: path, log: logTo(new Mailbox()) })
  first.write(lines(0, 2), 2)
  await first.close(1000)
  const sink = new FileSink({ target: path, log: logTo(new Mailbox()) })
  sink.write(lines(2, 4), 2)
  renameSync(path, `${path}.1`)
  sink.reopen()
  sink.write(lines(4, 6), 2)
  await sink.close(1000)
  const written = readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8')
  t.equal(written, lines(0, 6).toString())
  t.equal(readFileSync(path, 'utf8'), lines(4, 6).toString())
  t.equal(sink.lost, 0)
})

t.test('a line that is half written is finished where it began', async (t) => {
  const path = join(folder(t), 'access.log')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const sink = new FileSink({ target: path, log: logTo(new Mailbox()) })
  const long = Buffer.from(`${'x'.repeat(200_000)}\n`) // more than a pipe takes
  sink.write(long, 1)
  renameSync(path, `${path}.1`)
  sink.reopen()
  sink.write(lines(0, 1), 1)
  let text = ''
  const buffer = Buffer.alloc(1 << 16)
  while (!text.endsWith('\n')) {
    try {
      text += buffer.toString('latin1', 0, readSync(reader, buffer))
    } catch {
      // EAGAIN: the sink is about to retry
    }
    await new Promise(setImmediate)
  }
  await sink.close(1000)
  closeSync(reader)
  t.equal(text, long.toString())
  t.equal(readFileSync(path, 'utf8'), lines(0, 1).toString(), 'the next one goes to the new file')
})

t.test('a failed reopen keeps the old file', async (t) => {
  const dir = join(folder(t), 'sub')
  execFileSync('mkdir', [dir])
  const path = join(dir, 'access.log')
  const log = new Mailbox<LogLine>()
  const sink = new FileSink({ target: path, log: logTo(log) })
  rmSync(dir, { recursive: true })
  sink.reopen()
  t.match(await log.take(), { msg: 'access log not reopened', error: /ENOENT/ })
  sink.write(lines(0, 1), 1)
  await sink.close(1000)
  t.equal(sink.lost, 0)
})

t.test('a full disk loses counted records and is told once', async (t) => {
  const log = new Mailbox<LogLine>()
  const sink = new FileSink({ target: '/dev/full', log: logTo(log) })
  sink.write(lines(0, 3), 3)
  sink.write(lines(3, 5), 2)
  await sink.close(1000)
  t.equal(sink.lost, 5)
  t.match(await log.take(), { msg: 'access log drops records', reason: /ENOSPC/ })
})

t.test('a pipe without a reader at work fills up, then loses; what got through is whole', async (t) => {
  const path = join(folder(t), 'fifo')
  execFileSync('mkfifo', [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const log = new Mailbox<LogLine>()
  const sink = new FileSink({ target: path, log: logTo(log), maxQueuedBytes: 256 * 1024 })
  const batch = lines(0, 1000)
  const before = performance.now()
  let sent = 0
  while (sink.lost === 0) {
    sink.write(batch, 1000)
    sent += 1000
  }
  t.ok(performance.now() - before < 20_000, 'never blocked: nobody reads')
  t.match(await log.take(), { msg: 'access log drops records', reason: /slow/ })

  const closing = sink.close(5000)
  let text = ''
  const buffer = Buffer.alloc(1 << 16)
  const reading = { isDone: false }
  void closing.then(() => (reading.isDone = true))
  while (!reading.isDone) {
    try {
      text += buffer.toString('latin1', 0, readSync(reader, buffer))
    } catch {
      // EAGAIN: the sink is about to retry
    }
    await new Promise(setImmediate)
  }
  for (let n = readSync(reader, buffer); n > 0; n = readSync(reader, buffer))
    text += buffer.toString('latin1', 0, n)
  closeSync(reader)
  const received = text.trimEnd().split('\n')
  t.equal(received.length + sink.lost, sent)
  t.doesNotThrow(() => received.forEach((line) => void JSON.parse(line)))
})

t.test('standard output works as a pipe and as a file', async (t) => {
  const module = JSON.stringify(import.meta.resolve('../../../src/proxy/file-sink.js'))
  const code = `
    const { FileSink } = await import(${module})
    const sink = new FileSink({ target: '-', log: { error() {}, info() {} } })
    sink.write(Buffer.from('{"a":1}\\n{"a":2}\\n'), 2)
    await sink.close(1000)
  `
  const args = ['--input-type=module', '-e', code]
  t.equal(execFileSync(process.execPath, args).toString(), '{"a":1}\n{"a":2}\n')
  const path = join(folder(t), 'out')
  const out = openSync(path, 'w')
  const child = spawn(process.execPath, args, { stdio: ['ignore', out, 'inherit'] })
  await once(child, 'exit')
  closeSync(out)
  t.equal(readFileSync(path, 'utf8'), '{"a":1}\n{"a":2}\n')
})

t.test('a target that cannot be opened is a configuration error', async (t) => {
  t.throws(() => new FileSink({ target: '/nonexistent/access.log', log: logTo(new Mailbox()) }), {
    code: 'CONFIG_INVALID',
    message: /--access-log \/nonexistent\/access\.log: ENOENT.*; name a file/,
  })
})
