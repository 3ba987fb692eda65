// HPACK against the examples of RFC 7541 Appendix C, against Node's own encoder and decoder, and against bombs.
import { type EventEmitter, once } from 'node:events'
import http2 from 'node:http2'
import { Duplex } from 'node:stream'
import t, { type Test } from 'tap'
import { HpackDecoder } from '../../../../src/l7rules/http2/hpack/decoder.ts'
import { BlockWriter } from '../../../../src/l7rules/http2/hpack/encoder.ts'
import { BAD_NAME, BAD_VALUE, FINE } from '../../../../src/l7rules/http2/hpack/field.ts'
import {
  CONTINUATION,
  END_HEADERS,
  HAS_PRIORITY,
  headerFrames,
  HEADERS,
  PADDED,
  PREFACE,
  SETTINGS,
  u24,
} from '../../../../src/l7rules/http2/frames.ts'
import { seededRandom } from '../../../conformance/http1/random.ts'

type Pair = [name: string, value: string]

const newDecoder = (): HpackDecoder => new HpackDecoder({ maxListBytes: 65_536, maxFields: 128 })
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

/** undefined: refused. */
function decode(decoder: HpackDecoder, block: Buffer): Pair[] | undefined {
  const shifted = Buffer.concat([Buffer.from([0xff]), block, Buffer.from([0xff])])
  if (!decoder.decode(shifted, 1, 1 + block.length)) return undefined
  return decoder.fields.map(({ name, value }): Pair => [name, value])
}

const GET: Pair[] = [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', '/'],
  [':authority', 'www.example.com'],
]
const REQUESTS: readonly Pair[][] = [
  GET,
  [...GET, ['cache-control', 'no-cache']],
  [
    [':method', 'GET'],
    [':scheme', 'https'],
    [':path', '/index.html'],
    [':authority', 'www.example.com'],
    ['custom-key', 'custom-value'],
  ],
]
const RESPONSES: readonly Pair[][] = [
  [
    [':status', '302'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '307'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:21 GMT'],
    ['location', 'https://www.example.com'],
  ],
  [
    [':status', '200'],
    ['cache-control', 'private'],
    ['date', 'Mon, 21 Oct 2013 20:13:22 GMT'],
    ['location', 'https://www.example.com'],
    ['content-encoding', 'gzip'],
    ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
  ],
]
/** A size update to 256 bytes, which the examples of C.5 and C.6 presuppose. */
const TO_256 = '3fe101'

const EXAMPLES: readonly {
  name: string
  blocks: readonly string[]
  lists: readonly Pair[][]
  tableBytes: readonly number[]
}[] = [
  {
    name: 'C.2.1 literal with indexing',
    blocks: ['400a637573746f6d2d6b65790d637573746f6d2d686561646572'],
    lists: [[['custom-key', 'custom-header']]],
    tableBytes: [55],
  },
  {
    name: 'C.2.2 literal without indexing',
    blocks: ['040c2f73616d706c652f70617468'],
    lists: [[[':path', '/sample/path']]],
    tableBytes: [0],
  },
  {
    name: 'C.2.3 literal never indexed',
    blocks: ['100870617373776f726406736563726574'],
    lists: [[['password', 'secret']]],
    tableBytes: [0],
  },
  { name: 'C.2.4 indexed', blocks: ['82'], lists: [[[':method', 'GET']]], tableBytes: [0] },
  {
    name: 'C.3 requests',
    blocks: [
      '828684410f7777772e6578616d706c652e636f6d',
      '828684be58086e6f2d6361636865',
      '828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565',
    ],
    lists: REQUESTS,
    tableBytes: [57, 110, 164],
  },
  {
    name: 'C.4 requests, Huffman',
    blocks: [
      '828684418cf1e3c2e5f23a6ba0ab90f4ff',
      '828684be5886a8eb10649cbf',
      '828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf',
    ],
    lists: REQUESTS,
    tableBytes: [57, 110, 164],
  },
  {
    name: 'C.5 responses with eviction',
    blocks: [
      `${TO_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54` +
        '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      '4803333037c1c0bf',
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153' +
        '444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
    ],
    lists: RESPONSES,
    tableBytes: [222, 222, 215],
  },
  {
    name: 'C.6 responses with eviction, Huffman',
    blocks: [
      `${TO_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
      '4883640effc1c0bf',
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960' +
        'd5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
    ],
    lists: RESPONSES,
    tableBytes: [222, 222, 215],
  },
]

for (const { name, blocks, lists, tableBytes } of EXAMPLES) {
  t.test(`RFC 7541 ${name}`, async (t) => {
    const decoder = newDecoder()
    for (const [i, block] of blocks.entries()) {
      t.same(decode(decoder, hex(block)), lists[i])
      t.equal(decoder.tableBytes, tableBytes[i])
    }
  })
}

t.test('what is not well-formed is refused', async (t) => {
  const cases: readonly (readonly [what: string, block: string])[] = [
    ['index 0', '80'],
    ['index behind the tables', 'be'],
    ['name index behind the tables', '7f00'],
    ['integer without end', 'ff'],
    ['integer with needless bytes', 'ff8080808000'],
    ['integer above all bounds', 'ffffffffff7f'],
    ['length behind the block', '000a61'],
    ['value missing', '000161'],
    ['name missing', '00'],
    ['size update above the limit', '3fe21f'],
    ['size update behind a field', '8220'],
    ['Huffman: EOS', '000161' + '84ffffffff'],
    ['Huffman: padding of eight bits', '000161' + '8207ff'],
    ['Huffman: padding with zeros', '000161' + '8118'],
  ]
  for (const [what, block] of cases) t.equal(decode(newDecoder(), hex(block)), undefined, what)
  t.same(decode(newDecoder(), hex('000161' + '811f')), [['a', 'a']], 'Huffman: padding of three ones')
  t.same(decode(newDecoder(), hex('3fe11f82')), [[':method', 'GET']], 'size update to the limit')
})

t.test('what is wrong with a name or a value is known', async (t) => {
  const decoder = newDecoder()
  const faultOf = (name: string, value: string): number => {
    const writer = new BlockWriter()
    writer.field(name, value)
    t.ok(decode(decoder, writer.block()))
    return decoder.fields[0]!.fault
  }
  for (const name of ['a', 'x-y_z', "!#$%&'*+-.^_`|~09"]) t.equal(faultOf(name, 'v'), FINE, name)
  for (const name of ['', 'A', 'x-Y', 'a b', 'a:', 'a\0', 'ä']) t.equal(faultOf(name, 'v'), BAD_NAME, name)
  for (const value of ['', 'a b', '\xff', 'a\tb']) t.equal(faultOf('a', value), FINE, value)
  for (const value of [' a', 'a ', '\ta', 'a\r', 'a\nb', '\0', '\x7f'])
    t.equal(faultOf('a', value), BAD_VALUE)
  t.equal(faultOf('content-length', '1\n'), BAD_VALUE)
})

/** A block of literals, with and without insertion, and references to either table; a name is `n` and a digit. */
function randomBlock(random: () => number, tableCount: number): Buffer {
  const letter = (): number => 0x61 + Math.floor(random() * 26)
  const fields = Array.from({ length: 1 + Math.floor(random() * 4) }, () => {
    const pick = random()
    if (pick < 0.2) return [0x82 + Math.floor(random() * 13)]
    if (pick < 0.3 && tableCount > 0) return [0xbe + Math.floor(random() * Math.min(tableCount, 40))]
    const prefix = [0x40, 0x40, 0x40, 0x00, 0x10][Math.floor(random() * 5)]!
    return [prefix, 2, 0x6e, 0x30 + Math.floor(random() * 10), 2, letter(), letter()]
  })
  return Buffer.from(fields.flat())
}

t.test('blocks that were seen before mean the same, and change the table the same way', async (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = seededRandom(seed)
    const first = newDecoder()
    const blocks: Buffer[] = []
    const expected: unknown[] = []
    let inserted = 0
    while (blocks.length < 60) {
      const block = randomBlock(random, inserted)
      const pairs = decode(first, block)
      if (pairs === undefined) break
      inserted = Math.round(first.tableBytes / 36)
      blocks.push(block)
      expected.push([pairs, first.hasChangedTable, first.tableBytes])
    }
    // All of it was decoded anew; now from memory, in which the second time puts it.
    for (const again of [1, 2, 3]) {
      const decoder = newDecoder()
      const got = blocks.map((block) => [decode(decoder, block), decoder.hasChangedTable, decoder.tableBytes])
      t.strictSame(got, expected, `seed ${seed}, time ${again}`)
    }
  }
})

t.test('a limit counts for a block from memory, too', async (t) => {
  const block = hex('400261610161400262620162')
  const wide = newDecoder()
  for (let i = 0; i < 3; i++) t.same(decode(wide, block)?.length, 2)
  const narrow = new HpackDecoder({ maxListBytes: 65_536, maxFields: 1 })
  t.same(decode(narrow, block)?.length, 1)
  t.equal(narrow.isTooLarge, true)
  t.equal(narrow.tableBytes, 70)
})

t.test('a limit that was lowered asks for a size update', async (t) => {
  const decoder = newDecoder()
  t.ok(decode(decoder, hex(EXAMPLES[0]!.blocks[0]!)))
  decoder.setMaxTableBytes(100)
  t.equal(decode(decoder, hex('82')), undefined, 'missing')
  t.ok(decode(decoder, hex('3f4582')), 'to 100')
  t.equal(decoder.smallestUpdate, 100)
  t.same(decode(decoder, hex('be')), [['custom-key', 'custom-header']])
  decoder.setMaxTableBytes(0)
  decoder.setMaxTableBytes(4096)
  t.ok(decode(decoder, hex('203fe11f')), 'emptied, then as large as before')
  t.same([decoder.smallestUpdate, decoder.lastUpdate], [0, 4096])
  t.equal(decode(decoder, hex('be')), undefined, 'emptied')
})

t.test('a bomb is decoded to its end and not kept', async (t) => {
  const decoder = newDecoder()
  const writer = new BlockWriter()
  writer.field('x', 'y'.repeat(3900))
  const insert = writer.block()
  insert[0] = 0x40
  t.ok(decode(decoder, insert))
  const bomb = Buffer.alloc(60_000, 0xbe)
  const startedMs = performance.now()
  t.ok(decode(decoder, Buffer.concat([bomb, hex('4001610162')])))
  t.ok(performance.now() - startedMs < 5_000, 'a few ms, or many seconds if all were kept')
  t.equal(decoder.isTooLarge, true)
  t.ok(decoder.fields.length < 20)
  t.same(decode(decoder, hex('be')), [['a', 'b']], 'inserts behind the limit count')
  t.equal(decoder.isTooLarge, false)
})

t.test('crumbs of a cookie count as one field', async (t) => {
  const writer = new BlockWriter()
  for (let i = 0; i < 300; i++) writer.field('cookie', `c=${i}`)
  const decoder = newDecoder()
  t.equal(decode(decoder, writer.block())?.length, 300)
  t.equal(decoder.isTooLarge, false)
  for (let i = 0; i < 128; i++) writer.field('x', '')
  t.ok(decode(decoder, writer.block()))
  t.equal(decoder.isTooLarge, true)
})

// === against Node ===

/** Node's types do not know the raw headers. */
function onStreams(
  server: http2.Http2Server,
  listener: (stream: http2.ServerHttp2Stream, raw: readonly string[]) => void,
): void {
  const emitter: EventEmitter = server
  emitter.on('stream', (stream: http2.ServerHttp2Stream, _headers: unknown, _flags: unknown, raw: string[]) =>
    listener(stream, raw),
  )
}

/** Two ends of a wire in memory. */
function wire(onBytes: (bytes: Buffer) => void): [Duplex, Duplex] {
  const ends: Duplex[] = []
  const end = (other: number): Duplex =>
    new Duplex({
      read: () => undefined,
      write(chunk: Buffer, _encoding, done) {
        if (other === 1) onBytes(chunk)
        ends[other]!.push(chunk)
        done()
      },
      final(done) {
        ends[other]!.push(null)
        done()
      },
    })
  ends.push(end(1), end(0))
  return [ends[0]!, ends[1]!]
}

/** Header blocks in bytes that begin with a frame. */
function blocksIn(bytes: Buffer): Buffer[] {
  const blocks: Buffer[] = []
  let open: Buffer[] = []
  for (let i = 0; i + 9 <= bytes.length; i += 9 + u24(bytes, i)) {
    const [type, flags] = [bytes[i + 3]!, bytes[i + 4]!]
    if (type !== HEADERS && type !== CONTINUATION) continue
    let payload = bytes.subarray(i + 9, i + 9 + u24(bytes, i))
    if (type === HEADERS && (flags & PADDED) !== 0)
      payload = payload.subarray(1, payload.length - payload[0]!)
    if (type === HEADERS && (flags & HAS_PRIORITY) !== 0) payload = payload.subarray(5)
    open.push(payload)
    if ((flags & END_HEADERS) === 0) continue
    blocks.push(Buffer.concat(open))
    open = []
  }
  return blocks
}

const NAMES = ['x-a', 'x-b', 'accept', 'user-agent', 'x-long-name-of-a-field', 'if-match', 'via']

function randomHeaders(random: () => number): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let count = Math.floor(random() * 7); count > 0; count--) {
    const name = NAMES[Math.floor(random() * NAMES.length)]!
    const alphabet = random() < 0.5 ? 'abcdefghij0123456789' : '0aeio\x80\xe4\xff\xc3~|{}\\<>"'
    const length = Math.floor(random() ** 3 * 200)
    headers[name] = Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]!).join('')
  }
  return headers
}

for (const headerTableSize of [0, 200, 4096, 65_536]) {
  t.test(`decodes what Node encodes, table of ${headerTableSize} bytes`, async (t) => {
    let sent = Buffer.alloc(0)
    const [near, far] = wire((bytes) => (sent = Buffer.concat([sent, bytes])))
    const server = http2.createServer({ settings: { headerTableSize } })
    const received: Pair[][] = []
    onStreams(server, (stream, raw) => {
      received.push(raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1]!] as Pair] : [])))
      stream.respond({ ':status': 200 }, { endStream: true })
    })
    server.emit('connection', far)
    const client = http2.connect('http://a.example', { createConnection: () => near })
    await once(client, 'remoteSettings')
    const random = seededRandom(7 + headerTableSize)
    for (let i = 0; i < 200; i++) {
      const stream = client.request({ ':path': `/${Math.floor(random() * 5)}`, ...randomHeaders(random) })
      stream.resume()
      await once(stream, 'close')
    }
    // Each byte that Node lets through, within a string that is shorter by Huffman.
    for (let byte = 0x21; byte < 0x100; byte++) {
      if (byte === 0x7f) continue
      const stream = client.request({ 'x-byte': `${'a'.repeat(40)}${String.fromCharCode(byte)}a` })
      stream.resume()
      await once(stream, 'close')
    }
    client.close()
    const decoder = newDecoder()
    decoder.setMaxTableBytes(headerTableSize)
    // Updated or not: Node may say nothing about a limit that it does not use.
    decoder.mustUpdate = false
    const decoded = blocksIn(sent.subarray(PREFACE.length)).map((block) => decode(decoder, block))
    t.equal(decoded.length, 422)
    t.same(decoded, received)
  })
}

function requestsOfNode(t: Test, blocks: readonly Buffer[]): Promise<Pair[][]> {
  return new Promise((resolve) => {
    const received: Pair[][] = []
    const [near, far] = wire(() => undefined)
    near.resume()
    const server = http2.createServer()
    onStreams(server, (stream, raw) => {
      received.push(raw.flatMap((name, i) => (i % 2 === 0 ? [[name, raw[i + 1]!] as Pair] : [])))
      stream.on('error', () => undefined)
      if (received.length === blocks.length) resolve(received)
    })
    server.on('sessionError', (error) => t.fail(String(error)))
    server.emit('connection', far)
    near.write(PREFACE)
    near.write(Buffer.from([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]))
    for (const [i, block] of blocks.entries()) near.write(headerFrames(2 * i + 1, block, true))
  })
}

t.test('Node decodes what is encoded here', async (t) => {
  const random = seededRandom(11)
  const writer = new BlockWriter()
  const lists = Array.from({ length: 90 }, (_, i): Pair[] => [
    [':method', ['GET', 'POST', 'PUT'][i % 3]!],
    [':scheme', i % 2 === 0 ? 'http' : 'https'],
    [':authority', 'a.example'],
    [':path', i % 4 === 0 ? '/' : `/${'p'.repeat(i * 300)}`],
    ...Object.entries(randomHeaders(random)),
    ['accept-encoding', i % 2 === 0 ? 'gzip, deflate' : 'br'],
  ])
  const blocks = lists.map((list, i) => {
    writer.reset()
    for (const [name, value] of list) writer.field(name, value, i % 5 === 0)
    return writer.block()
  })
  const small = blocks
    .map((block, i) => ({ block, list: lists[i]! }))
    .filter(({ block }) => block.length < 20_000)
  t.same(
    await requestsOfNode(
      t,
      small.map(({ block }) => block),
    ),
    small.map(({ list }) => list),
  )
  const decoder = newDecoder()
  for (const { block, list } of small) t.same(decode(decoder, block), list)
  t.equal(decoder.hasChangedTable, false)
})

t.test('a field that must never be indexed stays so', async (t) => {
  const decoder = newDecoder()
  t.ok(decode(decoder, hex('100870617373776f726406736563726574')))
  const [field] = decoder.fields
  t.equal(field?.isNeverIndexed, true)
  const writer = new BlockWriter()
  writer.field(field!.name, field!.value, field!.isNeverIndexed)
  writer.field('authorization', 'x', true)
  t.equal(writer.block().toString('hex'), '100870617373776f7264067365637265741f080178')
})
