import fc from 'fast-check'
import t from 'tap'
import {
  ORIGINAL,
  REPLY,
  type FlowDirection,
  type ProtocolParser,
  type Steps,
} from '../../../src/l7rules/parser.ts'
import type { ExpiringParser } from '../../../src/proxy/relay-parser.ts'
import { LineParser } from '../../helpers/line-parser.ts'
import { openMemoryRelay, type MemoryRelay, type MemoryRelayOptions } from '../../helpers/memory-relay.ts'

function openLineRelay(options: MemoryRelayOptions = {}): MemoryRelay & { parser: LineParser } {
  let parser: LineParser | undefined
  const pair = openMemoryRelay({ ...options, parser: (steps) => (parser = new LineParser(steps)) })
  if (parser === undefined) throw new Error('no parser was made')
  return Object.assign(pair, { parser })
}

t.test('steps are performed in order, however the lines are split', async () => {
  const line = fc.constantFrom('allow a\n', 'deny b\n', 'allow a longer line\n', 'deny\n')
  fc.assert(
    fc.property(fc.array(line, { maxLength: 60 }), fc.integer({ min: 1, max: 50 }), (lines, chunk) => {
      const { client, server, run, parser } = openLineRelay()
      client.send(lines.join(''), chunk)
      client.end()
      run()
      const allowed = lines.filter((text) => text.startsWith('allow'))
      const denied = lines.filter((text) => text.startsWith('deny'))
      return (
        server.received.toString() === allowed.join('') &&
        client.received.toString() === 'denied\n'.repeat(denied.length) &&
        server.hasFin &&
        parser.ends.join() === String(ORIGINAL)
      )
    }),
  )
})

t.test('what passes in one read is sent in one go', async (t) => {
  const { client, upstream, run } = openLineRelay()
  const sizes: number[] = []
  const write = upstream.write.bind(upstream)
  upstream.write = (buffer, start, end) => {
    sizes.push(end - start)
    return write(buffer, start, end)
  }
  client.send('allow 1\nallow 2\nallow 3\ndeny\nallow 4\n')
  run()
  t.same(sizes, [24, 8])
})

t.test('a blocked parser stops the reading, and gets the rest and the FIN when it goes on', async (t) => {
  const { client, server, run, parser } = openLineRelay()
  client.send('hold\nallow later\n')
  client.send('allow unread\n')
  client.end()
  run()
  t.equal(server.read().toString(), 'hold\n')
  t.equal(client.unreadBytes, 13)
  t.same(parser.ends, [])
  server.send('release\n')
  run()
  t.equal(server.received.toString(), 'allow later\nallow unread\n')
  t.equal(client.received.toString(), 'release\n')
  t.same(parser.ends, [ORIGINAL])
})

t.test('a drained queue does not wake a side that the parser blocks', async (t) => {
  const { client, server, run } = openLineRelay()
  server.window = 2
  client.send('hold\n')
  client.send('allow\n')
  run()
  server.read(100)
  run()
  t.equal(client.unreadBytes, 6, 'still blocked')
  server.send('release\n')
  run()
  t.equal(client.unreadBytes, 0)
})

t.test('a parser unblocked while the receiver is full does not wake the side either', async (t) => {
  const { client, server, run } = openLineRelay()
  server.window = 2
  client.send('hold\n')
  client.send('allow\n')
  run()
  server.send('release\n')
  run()
  t.equal(client.unreadBytes, 6)
  server.read(100)
  run()
  t.equal(client.unreadBytes, 0)
})

t.test('an answer of the parser and its FIN reach a client that goes on sending', async (t) => {
  const { client, server, network, run, ends, parser } = openLineRelay({ limits: { drainMs: 5000 } })
  client.window = 2
  client.send('allow first\nquit\nallow never\n')
  run()
  t.equal(server.received.toString(), 'allow first\n')
  t.ok(server.hasFin)
  client.send('allow neither\n'.repeat(1000))
  run()
  t.equal(client.read(100).toString(), 'by')
  run()
  t.equal(client.read().toString(), 'e\n')
  t.ok(client.hasFin)
  t.notOk(client.hasReset)
  t.same(ends, [], 'the client may still be sending')
  client.end()
  run()
  t.same(ends, ['PARSER_CLOSED'])
  t.notOk(client.hasReset)
  t.equal(parser.closes, 1)
  t.equal(parser.callsAfterClose, 0)
  network.advance(10_000)
  t.same(ends, ['PARSER_CLOSED'])
})

t.test(
  'a parser that ends the requests early: the answer still comes, then the connection ends',
  async (t) => {
    const { client, server, run, ends } = openLineRelay()
    client.send('last\nallow never\n')
    run()
    t.equal(server.received.toString(), 'last\n')
    t.ok(server.hasFin)
    server.send('answer\n')
    run()
    t.equal(client.received.toString(), 'answer\n')
    t.notOk(client.hasFin)
    server.end()
    run()
    t.ok(client.hasFin)
    client.send('discarded')
    client.end()
    run()
    t.notOk(client.hasReset)
    t.same(ends, ['PARSER_CLOSED'])
  },
)

t.test('after an error the client gets what was due before it, then FIN; the server RST', async (t) => {
  const { client, server, run, ends, parser } = openLineRelay()
  server.send('greeting\n')
  run()
  client.send('allow x\ndeny\nnonsense\nallow never\n')
  run()
  t.equal(client.received.toString(), 'greeting\ndenied\nerror\n')
  t.equal(server.received.toString(), 'allow x\n')
  t.ok(server.hasReset)
  t.ok(client.hasFin)
  t.notOk(client.hasReset)
  client.end()
  run()
  t.same(ends, ['PARSER_ERROR/LINE_INVALID'])
  t.equal(parser.closes, 1)
})

t.test('the orderly end is bounded in time and in bytes', async (t) => {
  const slow = openLineRelay({ limits: { drainMs: 5000 } })
  slow.client.send('nonsense\n')
  slow.run()
  slow.network.advance(5200)
  t.same(slow.ends, ['PARSER_ERROR/LINE_INVALID'])

  const busy = openLineRelay({ limits: { drainMaxBytes: 10_000 } })
  busy.client.send('nonsense\n')
  busy.client.send(Buffer.alloc(20_000), 5000)
  busy.run()
  t.same(busy.ends, ['PARSER_ERROR/LINE_INVALID'])
  t.ok(busy.downstream.isClosed)
})

t.test('an error before the server has answered', async (t) => {
  const { client, upstream, run, ends } = openLineRelay({ isConnected: false })
  client.send('nonsense\n')
  client.end()
  run()
  t.equal(client.received.toString(), 'error\n')
  t.ok(client.hasFin)
  t.ok(upstream.isClosed)
  t.same(ends, ['PARSER_ERROR/LINE_INVALID'])
})

t.test('a client that does not read its answers is not read', async (t) => {
  const { client, downstream, run } = openLineRelay({ limits: { maxUnreadAnswerBytes: 100 } })
  client.window = 0
  client.send('deny\n'.repeat(10_000), 5)
  run()
  t.ok(downstream.queuedBytes <= 107, `${downstream.queuedBytes} bytes queued`)
  const unread = client.unreadBytes
  t.ok(unread > 49_000)
  client.read(1_000_000)
  run()
  t.equal(client.unreadBytes, 0)
  t.equal(client.received.length, 70_000)
})

for (const [line, code] of [
  ['throw', 'PARSER_THREW'],
  ['cheat', 'PARSER_BROKE_CONTRACT'],
] as const) {
  t.test(`a parser that misbehaves closes its connection: ${code}`, async (t) => {
    const { client, server, run, ends } = openLineRelay()
    client.send(`allow\n${line}\nallow\n`)
    client.end()
    run()
    t.same(ends, [`PARSER_ERROR/${code}`])
    t.equal(server.received.toString(), 'allow\n')
    t.ok(server.hasReset)
  })
}

t.test('bytes that a parser never consumes are bounded', async (t) => {
  class Hoarder implements ProtocolParser {
    receive(): void {}
    end(): void {}
    wants(): boolean {
      return true
    }
    close(): void {}
  }
  const { client, run, ends } = openMemoryRelay({
    parser: () => new Hoarder(),
    limits: { maxRetainedBytes: 10_000 },
  })
  client.send(Buffer.alloc(20_000), 100)
  client.end()
  run()
  t.same(ends, ['PARSER_ERROR/RETAINED_TOO_LARGE'])
})

t.test('retained bytes come again with those behind them, in a bounded number of copies', async (t) => {
  const seen: number[] = []
  class Collector implements ProtocolParser {
    readonly #steps: Steps
    constructor(steps: Steps) {
      this.#steps = steps
    }
    receive(direction: FlowDirection, _buffer: Buffer, start: number, end: number): void {
      seen.push(end - start)
      if (end - start === 5000) this.#steps.pass(direction, 5000)
    }
    end(direction: FlowDirection): void {
      this.#steps.finish(direction)
    }
    wants(): boolean {
      return true
    }
    close(): void {}
  }
  const { client, server, run } = openMemoryRelay({ parser: (steps) => new Collector(steps) })
  const sent = Buffer.from(Array.from({ length: 5000 }, (_, i) => i & 0xff))
  client.send(sent, 1)
  run()
  t.equal(seen.length, 5000)
  t.ok(seen.every((bytes, i) => bytes === i + 1))
  t.ok(server.received.equals(sent))
})

t.test('a parser may limit how long it waits', async (t) => {
  let deadlineMs = Number.POSITIVE_INFINITY
  class Impatient extends LineParser implements ExpiringParser {
    readonly #own: Steps
    constructor(steps: Steps) {
      super(steps)
      this.#own = steps
    }
    get deadlineMs(): number {
      return deadlineMs
    }
    expire(): void {
      this.#own.inject(REPLY, Buffer.from('too slow\n'))
      this.#own.error('HEAD_TIMEOUT')
    }
  }
  const { client, network, run, ends } = openMemoryRelay({ parser: (steps) => new Impatient(steps) })
  network.advance(1_000_000)
  deadlineMs = 1_060_000
  client.send('allow')
  run()
  deadlineMs = 1_010_000
  client.send(' me')
  run()
  network.advance(9_900)
  t.same(ends, [])
  deadlineMs = 1_020_000
  network.advance(200)
  t.same(ends, [], 'moved meanwhile')
  network.advance(10_000)
  t.equal(client.received.toString(), 'too slow\n')
  client.end()
  run()
  t.same(ends, ['PARSER_ERROR/HEAD_TIMEOUT'])
})

t.test('the parser is closed once, last, however the connection ends', async (t) => {
  for (const end of ['finish', 'reset', 'abort', 'refuse'] as const) {
    const { client, server, relay, run, parser, ends } = openLineRelay({ isConnected: end !== 'refuse' })
    client.send('allow\nhalf')
    run()
    if (end === 'abort') relay.abort('SHUTDOWN')
    else if (end === 'reset') server.reset()
    else if (end === 'refuse') server.reset('ECONNREFUSED')
    else {
      client.end()
      server.end()
    }
    run()
    t.equal(ends.length, 1, end)
    t.equal(parser.closes, 1, end)
    t.equal(parser.callsAfterClose, 0, end)
  }
})
