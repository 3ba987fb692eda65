// Whatever the two peers do, in any order: nothing throws, bytes arrive in order, memory is bounded, and the
// relay ends once when both are done.
import fc from 'fast-check'
import t from 'tap'
import { LineParser } from '../../helpers/line-parser.ts'
import { openMemoryRelay, type MemoryRelay } from '../../helpers/memory-relay.ts'

const CHUNK_BYTES = 500
const side = fc.constantFrom('client', 'server')
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ send: fc.integer({ min: 1, max: 3000 }), side }) },
  { weight: 6, arbitrary: fc.record({ read: fc.integer({ min: 0, max: 2000 }), side }) },
  { weight: 6, arbitrary: fc.constant('run' as const) },
  { weight: 2, arbitrary: fc.record({ advanceMs: fc.integer({ min: 1, max: 4000 }) }) },
  { weight: 1, arbitrary: fc.record({ end: side }) },
  { weight: 1, arbitrary: fc.record({ reset: side }) },
  { weight: 1, arbitrary: fc.constantFrom('accept' as const, 'refuse' as const, 'abort' as const) },
)

class Peers {
  readonly pair: MemoryRelay
  readonly sent = { client: '', server: '' }
  readonly got = { client: '', server: '' }
  readonly #text: (bytes: number) => string
  readonly #isOver = { client: false, server: false }
  #isAnswered = false

  constructor(pair: MemoryRelay, text: (bytes: number) => string) {
    this.pair = pair
    this.#text = text
    pair.client.window = 700
    pair.server.window = 700
  }

  perform(step: typeof action extends fc.Arbitrary<infer Action> ? Action : never): void {
    const { pair } = this
    if (step === 'run') pair.run()
    else if (step === 'abort') pair.relay.abort('SHUTDOWN')
    else if (step === 'accept') this.#answer(() => pair.server.accept())
    else if (step === 'refuse') this.#answer(() => pair.server.reset('ECONNREFUSED'))
    else if ('advanceMs' in step) pair.network.advance(step.advanceMs)
    else if ('send' in step) this.#send(step.side, step.send)
    else if ('read' in step) this.read(step.side, step.read)
    else if ('end' in step) this.#finish(step.end, () => pair[step.end].end())
    else this.#finish(step.reset, () => pair[step.reset].reset())
  }

  /** Both sides do what well-behaved peers do in the end. */
  conclude(): void {
    this.#answer(() => this.pair.server.accept())
    for (const name of ['client', 'server'] as const) this.#finish(name, () => this.pair[name].end())
    for (let i = 0; i < 100; i++) {
      this.pair.run()
      this.read('client', 10_000)
      this.read('server', 10_000)
    }
    this.pair.network.advance(3_700_000)
    this.pair.network.advance(3_700_000)
  }

  read(name: 'client' | 'server', windowBytes: number): void {
    this.got[name] += this.pair[name].read(windowBytes).toString('latin1')
  }

  #send(name: 'client' | 'server', bytes: number): void {
    if (this.#isOver[name] || (name === 'server' && !this.#isAnswered)) return
    const text = this.#text(bytes)
    this.sent[name] += text
    this.pair[name].send(text, CHUNK_BYTES)
  }

  #finish(name: 'client' | 'server', finish: () => void): void {
    if (this.#isOver[name] || (name === 'server' && !this.#isAnswered)) return
    this.#isOver[name] = true
    finish()
  }

  #answer(answer: () => void): void {
    if (this.#isAnswered) return
    this.#isAnswered = true
    answer()
  }
}

t.test('without a parser', async () => {
  let next = 0
  const text = (bytes: number): string =>
    Array.from({ length: bytes }, () => String.fromCharCode(97 + (next++ % 26))).join('')
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (steps) => {
      const peers = new Peers(openMemoryRelay({ isConnected: false }), text)
      const { pair, sent, got } = peers
      for (const step of steps) {
        peers.perform(step)
        if (pair.upstream.queuedBytes > CHUNK_BYTES || pair.downstream.queuedBytes > CHUNK_BYTES) return false
      }
      peers.conclude()
      const isInOrder = sent.client.startsWith(got.server) && sent.server.startsWith(got.client)
      const isWhole = sent.client === got.server && sent.server === got.client
      return pair.ends.length === 1 && isInOrder && (isWhole || pair.ends[0] !== 'FINISHED')
    }),
    { numRuns: 1000 },
  )
})

t.test('with a parser', async () => {
  const lines = ['allow x\n', 'allow y\n', 'deny\n', 'deny\n', 'hold\n', 'release\n', 'quit\n', 'nonsense\n']
  let next = 1
  const text = (bytes: number): string => {
    let all = ''
    while (all.length < bytes) {
      next = (next * 1_103_515_245 + 12_345) & 0x7fffffff
      // The last two end the connection: seldom.
      all += lines[next % (next % 61 === 0 ? 8 : 6)] ?? ''
    }
    return all
  }
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (steps) => {
      let parser: LineParser | undefined
      const pair = openMemoryRelay({
        isConnected: false,
        parser: (all) => (parser = new LineParser(all)),
        limits: { maxUnreadAnswerBytes: 1000 },
      })
      const peers = new Peers(pair, text)
      for (const step of steps) {
        peers.perform(step)
        if (pair.upstream.queuedBytes > 4000 || pair.downstream.queuedBytes > 4000) return false
      }
      peers.conclude()
      return pair.ends.length === 1 && parser?.closes === 1 && parser.callsAfterClose === 0
    }),
    { numRuns: 1000 },
  )
})
