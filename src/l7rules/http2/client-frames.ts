// The client's direction: requests are judged and pass, or are answered here; everything that belongs to a stream
// which the server does not know, or knows no longer, is swallowed.
import { ORIGINAL, REPLY } from '../parser.ts'
import { HTTP_CODES, type HttpCode } from '../http1/codes.ts'
import { DENIED_STATUS } from '../http1/deny.ts'
import { type HeaderEdit } from '../header-edits.ts'
import { type Verdict } from '../verdict.ts'
import { type Answer, answerFrames, denialsOf, GRPC_DENIED, refusalOf } from './answers.ts'
import { BlockMemo } from './block-memo.ts'
import { Budget } from './budget.ts'
import { type Http2Code, NO_ERROR } from './codes.ts'
import { type Connection, errorOf } from './connection.ts'
import { FRAME_HEADER_BYTES, MAX_WINDOW_BYTES, headerFrames, rstStream, windowUpdate } from './frames.ts'
import { FrameReader } from './frame-reader.ts'
import { BlockWriter } from './hpack/encoder.ts'
import { type Field, PATH } from './hpack/field.ts'
import { LATE_ALLOWANCE } from './allowances.ts'
import { MAX_REMEMBERED_BLOCKS, MAX_STREAMS, MAX_WINDOW_DEBT_BYTES } from './limits.ts'
import { Http2Request, trailersCode } from './request.ts'
import { MALFORMED, newRecord } from './stream.ts'

const WINDOW_UPDATE_BYTES = FRAME_HEADER_BYTES + 4
const writer = new BlockWriter()

export class ClientFrames extends FrameReader {
  /** Forgotten when the dynamic table changes: a block that refers to it means something else then. */
  private readonly requests = new BlockMemo<Http2Request>(MAX_REMEMBERED_BLOCKS)
  private readonly late = new Budget(LATE_ALLOWANCE)
  /** Of requests that never become a stream. */
  private readonly record = newRecord()
  /**
   * The server's dynamic table is not the client's any more, because it did not get a block that changed the
   * latter: from now on it gets blocks that need no table. See docs/adr/0011-hpack-after-denial.md.
   */
  private hasDiverged = false
  // Size updates that the server has to see in front of its next block; -1: none.
  private dueSmallest = -1
  private dueLast = -1

  constructor(connection: Connection) {
    super(connection, ORIGINAL)
  }

  protected forget(): void {
    this.requests.clear()
  }

  // === HEADERS ===

  protected headers(id: number, bytes: number): number {
    const { connection, block } = this
    // RFC 9113 §5.1.1: clients open odd streams, each higher than all before.
    if (id % 2 === 0) return this.fail('HTTP2_BAD_STREAM_ID')
    if (id > connection.lastId) return this.request(id, bytes)
    const stream = connection.streams.get(id)
    if (stream === undefined) {
      if (connection.streams.hasEnded(id)) return this.fail('HTTP2_STREAM_CLOSED')
    } else if (stream.isClientDone) return this.fail('HTTP2_STREAM_CLOSED')
    if (!this.decoder.decode(block.buffer, block.start, block.end)) return this.fail('HTTP2_BAD_BLOCK')
    this.noteChanges()
    if (stream === undefined) return this.isLate() ? this.withhold(bytes) : this.fail('HTTP2_LATE_FLOOD')
    stream.record.requestBytes += bytes
    let code: Http2Code | HttpCode | '' = block.endsStream ? '' : 'HTTP2_BAD_TRAILERS'
    code ||= trailersCode(this.decoder.fields, this.decoder.isTooLarge)
    if (code === '' && stream.contentRest > 0) code = 'HTTP2_LENGTH_MISMATCH'
    if (code !== '') {
      this.withhold(bytes)
      connection.refuseStream(stream, code)
      return bytes
    }
    this.forward(id, bytes, this.decoder.fields, undefined, undefined)
    connection.endSide(ORIGINAL, stream)
    return bytes
  }

  private request(id: number, bytes: number): number {
    const { connection, block } = this
    connection.lastId = id
    const request = this.readRequest()
    if (request === undefined) return this.fail('HTTP2_BAD_BLOCK')
    if (block.dependsOnItself) return this.refuse(id, bytes, request, 'HTTP2_SELF_DEPENDENCY')
    if (request.code !== '') return this.refuse(id, bytes, request, request.code)
    if (block.endsStream && request.contentLength > 0) {
      return this.refuse(id, bytes, request, 'HTTP2_LENGTH_MISMATCH')
    }
    if (connection.streams.count >= MAX_STREAMS) {
      return this.refuse(id, bytes, request, 'HTTP2_TOO_MANY_STREAMS')
    }
    const verdict = connection.options.judge(request)
    if (!verdict.allowed) {
      return request.isPlainConnect
        ? this.refuse(id, bytes, request, 'HTTP_CONNECT_NOT_ALLOWED', verdict)
        : this.deny(id, bytes, request, verdict)
    }
    this.open(id, bytes, request, verdict)
    return bytes
  }

  private readRequest(): Http2Request | undefined {
    const { block, decoder } = this
    if (!decoder.mustUpdate) {
      const known = this.requests.find(block.buffer, block.start, block.end)
      if (known !== undefined) {
        decoder.hasChangedTable = false
        return known
      }
    }
    if (!decoder.decode(block.buffer, block.start, block.end)) return undefined
    this.noteChanges()
    const { settings, options } = this.connection
    const { allowsExtendedConnect } = settings[REPLY]
    const { fields, isTooLarge } = decoder
    const request = new Http2Request(fields, isTooLarge, allowsExtendedConnect, options.encodedSlash)
    if (!decoder.hasChangedTable && request.code === '') {
      this.requests.add(block.buffer, block.start, block.end, request)
    }
    return request
  }

  private noteChanges(): void {
    if (this.decoder.hasChangedTable) this.requests.clear()
  }

  private open(id: number, bytes: number, request: Http2Request, verdict: Verdict): void {
    const { connection, block } = this
    connection.lastServerId = id
    const stream = connection.streams.begin(id)
    const { record } = stream
    record.method = request.method
    record.path = request.path
    record.host = request.host
    record.verdict = verdict
    record.requestBytes = bytes
    record.startedMs = connection.nowMs
    if (request.isGrpc) record.grpcStatus = -1
    if (!request.isTunnel) stream.contentRest = request.contentLength
    const path = request.isPathRewritten ? request.path : undefined
    this.forward(id, bytes, request.fields, path, verdict.edits)
    if (block.endsStream) connection.endSide(ORIGINAL, stream)
  }

  // === what is not forwarded ===

  private deny(id: number, bytes: number, request: Http2Request, verdict: Verdict): number {
    const { full, bare, grpc } = denialsOf(this.connection.options.deniedBody)
    if (request.isGrpc) this.answer(id, bytes, request, grpc, grpc, NO_ERROR)
    else this.answer(id, bytes, request, full, bare, NO_ERROR)
    const { record } = this
    record.status = request.isGrpc ? 200 : DENIED_STATUS
    record.grpcStatus = request.isGrpc ? GRPC_DENIED : undefined
    record.verdict = verdict
    record.error = ''
    this.report()
    return bytes
  }

  private refuse(
    id: number,
    bytes: number,
    request: Http2Request,
    code: Http2Code | HttpCode,
    verdict = MALFORMED,
  ): number {
    const { record, connection } = this
    if (code in HTTP_CODES) {
      const { full, bare } = refusalOf(code as HttpCode)
      this.answer(id, bytes, request, full, bare, NO_ERROR)
      record.status = HTTP_CODES[code as HttpCode].status
    } else {
      this.withhold(bytes)
      this.describe(bytes, request)
      connection.inject(REPLY, rstStream(id, errorOf(code)))
      record.status = 0
    }
    record.grpcStatus = undefined
    record.verdict = verdict
    record.error = code
    this.report()
    if (!(code in HTTP_CODES)) connection.countReset()
    return bytes
  }

  private answer(
    id: number,
    bytes: number,
    request: Http2Request,
    full: Answer,
    bare: Answer,
    error: number,
  ): void {
    const { connection, block } = this
    this.withhold(bytes)
    this.describe(bytes, request)
    const answer = request.isHead || this.hasRoomFor(full.body.length) ? full : bare
    const sent = request.isHead ? 0 : answer.body.length
    connection.serverWindow -= sent
    connection.windowDebt += sent
    const frames = answerFrames(id, answer, request.isHead)
    connection.inject(REPLY, frames)
    // RFC 9113 §8.1: the answer does not need the rest of the request.
    if (!block.endsStream) connection.inject(REPLY, rstStream(id, error))
    this.record.responseBytes = frames.length
    this.record.respondedMs = connection.nowMs
  }

  /** Our data must fit into what the client lets its server send, of which the server knows nothing. */
  private hasRoomFor(bytes: number): boolean {
    const { connection } = this
    return (
      bytes <= connection.serverWindow &&
      bytes <= connection.settings[ORIGINAL].minWindowBytes &&
      connection.windowDebt + bytes <= MAX_WINDOW_DEBT_BYTES
    )
  }

  private describe(bytes: number, request: Http2Request): void {
    const { record } = this
    record.method = request.method
    record.path = request.path
    record.host = request.host
    record.requestBytes = bytes
    record.responseBytes = 0
    record.respondedMs = 0
    record.startedMs = this.connection.nowMs
    record.endedMs = this.connection.nowMs
  }

  private report(): void {
    const { record } = this
    this.connection.options.onExchange(record)
    record.method = ''
    record.path = ''
    record.host = ''
  }

  // === header blocks on their way ===

  /** The server does not get the block that was just decoded. */
  private withhold(bytes: number): number {
    this.diverge()
    return this.dropWhole(bytes)
  }

  private diverge(): void {
    const { decoder } = this
    if (!decoder.hasChangedTable) return
    this.hasDiverged = true
    if (decoder.lastUpdate < 0) return
    this.dueSmallest =
      this.dueSmallest < 0 ? decoder.smallestUpdate : Math.min(this.dueSmallest, decoder.smallestUpdate)
    this.dueLast = decoder.lastUpdate
  }

  /** As it came, if that means the same to the server; else re-encoded. */
  private forward(
    id: number,
    bytes: number,
    fields: readonly Field[],
    path: string | undefined,
    edits: readonly HeaderEdit[] | undefined,
  ): void {
    const { connection, block } = this
    if (!this.hasDiverged && path === undefined && edits === undefined) {
      connection.pass(ORIGINAL, bytes)
      return
    }
    this.withhold(bytes)
    writer.reset()
    if (this.dueLast >= 0) {
      if (this.dueSmallest < this.dueLast) writer.sizeUpdate(this.dueSmallest)
      writer.sizeUpdate(this.dueLast)
      this.dueSmallest = -1
      this.dueLast = -1
    }
    const removed = edits?.filter(({ removes }) => removes).map(({ name }) => name) ?? []
    for (const { name, value, kind, isNeverIndexed } of fields) {
      if (removed.includes(name)) continue
      writer.field(name, kind === PATH && path !== undefined ? path : value, isNeverIndexed)
    }
    for (const { name, adds } of edits ?? []) for (const value of adds) writer.field(name, value)
    connection.inject(ORIGINAL, headerFrames(id, writer.block(), block.endsStream))
  }

  // === other frames ===

  protected data(id: number, length: number, content: number, endsStream: boolean): number {
    const { connection } = this
    const stream = connection.streams.get(id)
    if (id > connection.lastId || id % 2 === 0) return this.fail('HTTP2_IDLE_STREAM')
    if (stream === undefined ? connection.streams.hasEnded(id) : stream.isClientDone) {
      return this.fail('HTTP2_STREAM_CLOSED')
    }
    if (length > connection.clientWindow) return this.fail('HTTP2_WINDOW_EXCEEDED')
    connection.clientWindow -= length
    if (stream === undefined) {
      if (!this.isLate()) return this.fail('HTTP2_LATE_FLOOD')
      return this.swallow(length)
    }
    stream.clientWindow -= length
    if (connection.settings[REPLY].maxWindowBytes + stream.clientWindow < 0) {
      return this.fail('HTTP2_WINDOW_EXCEEDED')
    }
    stream.record.requestBytes += FRAME_HEADER_BYTES + length
    if (stream.contentRest >= 0) {
      stream.contentRest -= content
      if (stream.contentRest < 0 || (endsStream && stream.contentRest > 0)) {
        if (!connection.refuseStream(stream, 'HTTP2_LENGTH_MISMATCH')) return -1
        return this.swallow(length)
      }
    }
    return this.stream(length, false, endsStream ? id : 0)
  }

  /** The server gets no DATA, so the client gets its credit from here. */
  private swallow(length: number): number {
    this.connection.credit(length)
    return this.stream(length, true)
  }

  protected reset(id: number): number {
    const { connection } = this
    if (id > connection.lastId || id % 2 === 0) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (!connection.countReset()) return -1
    if (stream === undefined) return this.dropWhole(WINDOW_UPDATE_BYTES)
    if (!stream.isServerDone) stream.record.error = 'HTTP2_CLIENT_RESET'
    connection.settle(stream, false)
    return this.passWhole(WINDOW_UPDATE_BYTES)
  }

  protected windowUpdate(id: number, increment: number): number {
    const { connection } = this
    if (id === 0) return this.connectionWindow(increment)
    if (id > connection.lastId || id % 2 === 0) return this.fail('HTTP2_IDLE_STREAM')
    const stream = connection.streams.get(id)
    if (stream === undefined) {
      return this.isLate() ? this.dropWhole(WINDOW_UPDATE_BYTES) : this.fail('HTTP2_LATE_FLOOD')
    }
    stream.serverWindow += increment
    const window = connection.settings[ORIGINAL].minWindowBytes + stream.serverWindow
    if (increment > 0 && window <= MAX_WINDOW_BYTES) return this.passWhole(WINDOW_UPDATE_BYTES)
    this.dropWhole(WINDOW_UPDATE_BYTES)
    connection.refuseStream(stream, increment === 0 ? 'HTTP2_ZERO_INCREMENT' : 'HTTP2_WINDOW_OVERFLOW')
    return WINDOW_UPDATE_BYTES
  }

  /** Credit for data of ours is not for the server, which never sent it. */
  private connectionWindow(increment: number): number {
    const { connection } = this
    if (increment === 0) return this.fail('HTTP2_ZERO_INCREMENT')
    connection.serverWindow += increment
    if (connection.serverWindow > MAX_WINDOW_BYTES) return this.fail('HTTP2_WINDOW_OVERFLOW')
    connection.isServerHeld = false
    const kept = Math.min(connection.windowDebt, increment)
    if (kept === 0) return this.passWhole(WINDOW_UPDATE_BYTES)
    connection.windowDebt -= kept
    this.dropWhole(WINDOW_UPDATE_BYTES)
    if (increment > kept) connection.inject(ORIGINAL, windowUpdate(0, increment - kept))
    return WINDOW_UPDATE_BYTES
  }

  protected selfDependency(id: number): void {
    const stream = this.connection.streams.get(id)
    if (stream !== undefined) this.connection.refuseStream(stream, 'HTTP2_SELF_DEPENDENCY')
  }

  /** A frame on a stream that is over here, and maybe not yet for the client. */
  private isLate(): boolean {
    return this.late.take(this.connection.nowMs)
  }
}
