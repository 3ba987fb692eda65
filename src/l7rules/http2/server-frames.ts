// The server's direction: all of it passes as it comes. Responses are followed as far as records, stream states and
// windows need it; what else may be wrong with them is the client's to refuse.
import { ORIGINAL, REPLY } from '../parser.ts'
import { BlockMemo } from './block-memo.ts'
import { type Connection } from './connection.ts'
import { FRAME_HEADER_BYTES, MAX_WINDOW_BYTES } from './frames.ts'
import { FrameReader, STOP } from './frame-reader.ts'
import { type Field, GRPC_STATUS, STATUS } from './hpack/field.ts'
import { MAX_REMEMBERED_BLOCKS } from './limits.ts'

const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + 4

interface Meaning {
  /** 0: none. */
  readonly status: number
  /** -1: none. */
  readonly grpcStatus: number
}

export class ServerFrames extends FrameReader {
  /** Forgotten when the dynamic table changes. */
  private readonly meanings = new BlockMemo<Meaning>(MAX_REMEMBERED_BLOCKS)

  constructor(connection: Connection) {
    super(connection, REPLY)
  }

  protected forget(): void {
    this.meanings.clear()
  }

  protected headers(id: number, bytes: number): number {
    const { connection, block } = this
    if (!this.isKnown(id)) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (stream?.isServerDone === true) return this.fail('HTTP2_STREAM_CLOSED')
    const meaning = this.readMeaning()
    if (meaning === undefined) return this.fail('HTTP2_BAD_BLOCK')
    // Of a stream that the client has reset. It must get the block, which may change its dynamic table.
    if (stream === undefined) return this.passWhole(bytes)
    const { record } = stream
    if (stream.isAnswered) {
      // Trailers (RFC 9113 §8.1).
      if (!block.endsStream || meaning.status !== 0) return this.fail('HTTP2_BAD_RESPONSE')
    } else {
      const { status } = meaning
      const isInterim = status < 200
      // RFC 9113 §8.6: there is no 101.
      if (status < 100 || status === 101 || (isInterim && block.endsStream))
        return this.fail('HTTP2_BAD_RESPONSE')
      if (!isInterim) {
        stream.isAnswered = true
        record.status = status
        record.respondedMs = connection.nowMs
      }
    }
    if (meaning.grpcStatus >= 0) record.grpcStatus = meaning.grpcStatus
    record.responseBytes += bytes
    connection.pass(REPLY, bytes)
    if (block.endsStream) connection.endSide(REPLY, stream)
    return bytes
  }

  private readMeaning(): Meaning | undefined {
    const { block, decoder } = this
    if (!decoder.mustUpdate) {
      const known = this.meanings.find(block.buffer, block.start, block.end)
      if (known !== undefined) return known
    }
    if (!decoder.decode(block.buffer, block.start, block.end)) return undefined
    const meaning = meaningOf(decoder.fields)
    if (decoder.hasChangedTable) this.meanings.clear()
    else this.meanings.add(block.buffer, block.start, block.end, meaning)
    return meaning
  }

  protected data(id: number, length: number, _content: number, endsStream: boolean): number {
    const { connection } = this
    if (!this.isKnown(id)) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (stream?.isServerDone === true) return this.fail('HTTP2_STREAM_CLOSED')
    if (length > connection.serverWindow) {
      if (length > connection.serverWindow + connection.windowDebt) return this.fail('HTTP2_WINDOW_EXCEEDED')
      // It cannot know of our data. The client's next WINDOW_UPDATE makes room.
      connection.isServerHeld = true
      return STOP
    }
    connection.serverWindow -= length
    if (stream !== undefined) {
      if (!stream.isAnswered) return this.fail('HTTP2_BAD_RESPONSE')
      stream.serverWindow -= length
      if (connection.settings[ORIGINAL].maxWindowBytes + stream.serverWindow < 0) {
        return this.fail('HTTP2_WINDOW_EXCEEDED')
      }
      stream.record.responseBytes += FRAME_HEADER_BYTES + length
    }
    return this.stream(length, false, endsStream ? id : 0)
  }

  protected reset(id: number): number {
    const { connection } = this
    if (!this.isKnown(id)) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (stream !== undefined) {
      // After a complete response it only says that the rest of the request is not needed (§8.1).
      if (!stream.isServerDone) stream.record.error = 'HTTP2_SERVER_RESET'
      connection.settle(stream, false)
    }
    return this.passWhole(WINDOW_UPDATE_BYTES)
  }

  protected windowUpdate(id: number, increment: number): number {
    const { connection } = this
    if (increment === 0) return this.fail('HTTP2_ZERO_INCREMENT')
    if (id === 0) {
      connection.clientWindow += increment
      if (connection.clientWindow > MAX_WINDOW_BYTES) return this.fail('HTTP2_WINDOW_OVERFLOW')
      return this.passWhole(WINDOW_UPDATE_BYTES)
    }
    if (!this.isKnown(id)) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (stream !== undefined) {
      stream.clientWindow += increment
      const window = connection.settings[REPLY].minWindowBytes + stream.clientWindow
      if (window > MAX_WINDOW_BYTES) return this.fail('HTTP2_WINDOW_OVERFLOW')
    }
    return this.passWhole(WINDOW_UPDATE_BYTES)
  }

  protected selfDependency(): void {
    // Dropped like all of its kind.
  }

  /** A stream that the server has been told of. */
  private isKnown(id: number): boolean {
    return id % 2 === 1 && id <= this.connection.lastServerId
  }
}

function meaningOf(fields: readonly Field[]): Meaning {
  let status = 0
  let grpcStatus = -1
  for (const { kind, value } of fields) {
    if (kind === STATUS) status = /^[1-9]\d\d$/.test(value) ? Number(value) : 0
    else if (kind === GRPC_STATUS && /^\d{1,3}$/.test(value)) grpcStatus = Number(value)
  }
  return { status, grpcStatus }
}
