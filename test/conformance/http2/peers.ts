// Random HTTP/2 peers for a session in memory, and what a real peer would make of what it gets.
import {
  CONTINUATION,
  DATA,
  END_HEADERS,
  END_STREAM,
  HAS_PRIORITY,
  HEADERS,
  PADDED,
  SETTINGS,
} from '../../../src/l7rules/http2/frames.ts'
import { HpackDecoder } from '../../../src/l7rules/http2/hpack/decoder.ts'
import {
  block,
  CLIENT_PREFACE,
  data,
  dynamic,
  type Fields,
  frame,
  framesOf,
  headers,
  inserted,
  ping,
  rst,
  SERVER_PREFACE,
  settings,
  SETTINGS_ACK,
  windowUpdate,
} from './wire.ts'

/** Dependency and weight of a HEADERS frame (RFC 9113 §6.2). */
const PRIORITY_BYTES = 5

/** Header blocks of one sender: literals, inserts and references to what was inserted. */
export class RandomBlocks {
  private readonly random: () => number
  private count = 0

  constructor(random: () => number) {
    this.random = random
  }

  block(fields: Fields): Buffer {
    const parts: Buffer[] = []
    if (this.random() < 0.03) {
      // Emptied and as large as before.
      parts.push(Buffer.from([0x20, 0x3f, 0xe1, 0x1f]))
      this.count = 0
    }
    parts.push(block(fields))
    for (let extra = this.below(3); extra > 0; extra--) {
      if (this.random() < 0.5 && this.count > 0) parts.push(dynamic(this.below(this.count)))
      else {
        parts.push(inserted(`x-${this.below(5)}`, 'v'.repeat(this.below(40))))
        // Small enough that nothing is evicted among the newest.
        this.count = Math.min(this.count + 1, 40)
      }
    }
    return Buffer.concat(parts)
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit)
  }
}

/** A block in one frame or several, padded or not. */
export function randomHeaders(random: () => number, id: number, bytes: Buffer, endsStream: boolean): Buffer {
  const end = endsStream ? END_STREAM : 0
  if (random() < 0.7) return headers(id, bytes, end)
  if (random() < 0.5) {
    const padding = Math.floor(random() * 9)
    const payload = Buffer.concat([Buffer.from([padding]), bytes, Buffer.alloc(padding)])
    return frame(HEADERS, END_HEADERS | PADDED | end, id, payload)
  }
  const cut = Math.floor(random() * bytes.length)
  return Buffer.concat([
    frame(HEADERS, end, id, bytes.subarray(0, cut)),
    frame(CONTINUATION, END_HEADERS, id, bytes.subarray(cut)),
  ])
}

const PATHS = ['/ok', '/deny', '/ok//x', '/deny/%61', '/%64eny', '/ok?q', '/a/../deny', '/../x']

/** A client and its server that keep to the rules, most of the time. */
export class RandomPeers {
  private readonly random: () => number
  private readonly clientBlocks: RandomBlocks
  private readonly serverBlocks: RandomBlocks
  private nextId = 1
  /** Streams that the client has not ended. */
  private readonly sending: number[] = []
  /** Streams that reached the server and wait for their answer; and whether that has begun. */
  private readonly due = new Map<number, boolean>()
  private lastServed = 0

  constructor(random: () => number) {
    this.random = random
    this.clientBlocks = new RandomBlocks(random)
    this.serverBlocks = new RandomBlocks(random)
  }

  clientPreface(): Buffer {
    return CLIENT_PREFACE
  }

  serverPreface(): Buffer {
    return Buffer.concat([SERVER_PREFACE, SETTINGS_ACK])
  }

  clientTurn(): Buffer {
    const { random } = this
    const dice = random()
    if (dice < 0.5 || this.sending.length === 0) return this.request()
    const id = this.sending[this.below(this.sending.length)]!
    const isLast = random() < 0.3
    if (isLast || dice > 0.9) this.sending.splice(this.sending.indexOf(id), 1)
    if (dice > 0.95) {
      this.due.delete(id)
      return rst(id)
    }
    if (dice > 0.9) return randomHeaders(random, id, this.clientBlocks.block([['x-trailer', 'y']]), true)
    if (dice > 0.85) return Buffer.concat([ping(), windowUpdate(0, 1 + this.below(9)), windowUpdate(id, 5)])
    return data(id, Buffer.alloc(this.below(60)), isLast ? END_STREAM : 0)
  }

  /** @param toServer what the server got since its last turn. */
  serverTurn(toServer: Buffer): Buffer {
    const { random } = this
    for (const { type, id } of framesOf(toServer)) {
      // Later ones are trailers.
      if (type !== HEADERS || id <= this.lastServed) continue
      this.lastServed = id
      this.due.set(id, false)
    }
    const parts: Buffer[] = []
    for (const [id, isBegun] of this.due) {
      if (random() < 0.3) continue
      if (!isBegun && random() < 0.2) {
        parts.push(randomHeaders(random, id, this.serverBlocks.block([[':status', '103']]), false))
      }
      const isLast = random() < 0.5
      if (isBegun) parts.push(data(id, Buffer.alloc(this.below(60)), isLast ? END_STREAM : 0))
      else {
        parts.push(randomHeaders(random, id, this.serverBlocks.block([[':status', '200']]), isLast))
        this.due.set(id, true)
      }
      if (isLast) this.due.delete(id)
      else if (random() < 0.1) {
        parts.push(rst(id))
        this.due.delete(id)
      }
    }
    if (random() < 0.1) parts.push(ping(), settings([3, 100]))
    return Buffer.concat(parts)
  }

  private request(): Buffer {
    const { random } = this
    const id = this.nextId
    this.nextId += random() < 0.1 ? 4 : 2
    const endsStream = random() < 0.5
    if (!endsStream) this.sending.push(id)
    const path = PATHS[this.below(PATHS.length)]!
    const isGrpc = random() < 0.2
    const fields: Fields = [
      [':method', isGrpc ? 'POST' : 'GET'],
      [':scheme', 'http'],
      [':authority', 'a.example'],
      [':path', path],
      ...(isGrpc ? ([['content-type', 'application/grpc']] as const) : []),
    ]
    return randomHeaders(random, id, this.clientBlocks.block(fields), endsStream)
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit)
  }
}

export interface ReceivedBlock {
  readonly id: number
  readonly fields: Fields
}

/**
 * What a receiver with an HPACK decoder of its own understands of all that it got; a last frame may be cut off.
 * Throws where it would end the connection.
 */
export function understand(bytes: Buffer): ReceivedBlock[] {
  const decoder = new HpackDecoder({ maxListBytes: 65_536, maxFields: 256 })
  const result: ReceivedBlock[] = []
  let fragments: Buffer[] = []
  let isWithin = false
  const frames = framesOf(whole(bytes))
  if (frames[0] !== undefined && frames[0].type !== SETTINGS) throw new Error('no SETTINGS first')
  for (const { type, flags, id, payload } of frames) {
    if (isWithin !== (type === CONTINUATION)) throw new Error('a header block is broken off')
    if (type !== HEADERS && type !== CONTINUATION) {
      if (type === DATA && id === 0) throw new Error('DATA on stream 0')
      continue
    }
    const isFirst = type === HEADERS
    const padding = isFirst && (flags & PADDED) !== 0 ? payload[0]! : -1
    const fragment = padding < 0 ? payload : payload.subarray(1, payload.length - padding)
    fragments.push(isFirst && (flags & HAS_PRIORITY) !== 0 ? fragment.subarray(PRIORITY_BYTES) : fragment)
    isWithin = (flags & END_HEADERS) === 0
    if (isWithin) continue
    const joined = Buffer.concat(fragments)
    fragments = []
    if (!decoder.decode(joined, 0, joined.length))
      throw new Error(`the block of stream ${id} cannot be decoded`)
    result.push({ id, fields: decoder.fields.map(({ name, value }) => [name, value] as const) })
  }
  return result
}

/** Without a last frame that is cut off. */
export function whole(bytes: Buffer): Buffer {
  let i = bytes.subarray(0, 3).toString() === 'PRI' ? 24 : 0
  while (i + 9 <= bytes.length && i + 9 + bytes.readUIntBE(i, 3) <= bytes.length)
    i += 9 + bytes.readUIntBE(i, 3)
  return bytes.subarray(0, Math.min(i, bytes.length))
}
