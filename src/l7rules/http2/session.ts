// One HTTP/2 connection with prior knowledge (RFC 9113 §3.3), frame by frame: streams that are allowed pass as they
// come, others are answered here, and neither peer's flow control or header tables notice.
//
// Decisions that the RFC leaves to us:
// - What is forwarded is what was judged. A path that is not in normal form, or headers that a rule edits, have the
//   header block encoded anew. So are all blocks after one that changed the client's dynamic table and was
//   not forwarded: docs/adr/0011-hpack-after-denial.md.
// - A denied stream is never opened at the server; the next higher one closes it there (§5.1.1). It is answered, reset
//   with NO_ERROR if the client has not ended it, and leaves nothing behind here: late frames of any stream that is
//   over are swallowed, DATA with credit on the connection's window.
// - Our DATA takes from a window that the client gave its server. The server's WINDOW_UPDATE gets smaller by that
//   much; until then, DATA of the server that would not fit waits. Denials have no body when there is no room.
// - Malformed requests get RST_STREAM; what HTTP/1.1 refuses with a status gets that status.
// - SETTINGS pass, with push turned off and header tables of at most 64 KiB. PRIORITY and frames of unknown types
//   are checked and dropped.
// - Connection errors: GOAWAY to the client with our code as debug data, if no DATA of the server is under way;
//   upstream is aborted.
import { type FlowDirection, ORIGINAL, type ProtocolParser, REPLY } from '../parser.ts'
import { ClientFrames } from './client-frames.ts'
import { Connection, type Http2Options } from './connection.ts'
import { PREFACE } from './frames.ts'
import { ServerFrames } from './server-frames.ts'

export class Http2Session implements ProtocolParser {
  private readonly connection: Connection
  private readonly client: ClientFrames
  private readonly server: ServerFrames
  private hasPreface = false
  /** The server is gone: what still comes has nowhere to go. */
  private isOver = false

  constructor(options: Http2Options) {
    this.connection = new Connection(options)
    this.client = new ClientFrames(this.connection)
    this.server = new ServerFrames(this.connection)
  }

  /** Of streams that are open at both ends. */
  get streamCount(): number {
    return this.connection.streams.count
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number, nowMs: number): void {
    const { connection } = this
    if (connection.isDead) return
    connection.nowMs = nowMs
    if (this.isOver) {
      if (end > start) connection.drop(direction, end - start)
      return
    }
    if (direction === REPLY) {
      this.server.read(buffer, start, end)
      return
    }
    let from = start
    if (!this.hasPreface) {
      if (!this.preface(buffer, start, end)) return
      from += PREFACE.length
    }
    this.client.read(buffer, from, end)
  }

  wants(direction: FlowDirection): boolean {
    return this.isOver || this.connection.wants(direction)
  }

  end(direction: FlowDirection, nowMs: number): void {
    const { connection } = this
    if (connection.isDead) return
    connection.nowMs = nowMs
    if (direction === REPLY) {
      connection.abandon('HTTP_UPSTREAM_CLOSED')
      this.isOver = true
      connection.finish(REPLY)
    }
    connection.finish(ORIGINAL)
  }

  close(nowMs: number): void {
    const { connection } = this
    if (connection.isDead) return
    connection.nowMs = nowMs
    connection.abandon('HTTP_CONNECTION_LOST')
    connection.isDead = true
  }

  /** When the header block that is arriving must be complete. */
  get deadlineMs(): number {
    return this.connection.isDead || this.isOver ? Number.POSITIVE_INFINITY : this.client.deadlineMs
  }

  expire(nowMs: number): void {
    if (nowMs < this.deadlineMs) return
    this.connection.nowMs = nowMs
    this.connection.fail(ORIGINAL, 'HTTP2_BLOCK_TIMEOUT')
  }

  private preface(b: Buffer, start: number, end: number): boolean {
    const length = Math.min(PREFACE.length, end - start)
    if (PREFACE.compare(b, start, start + length, 0, length) !== 0) {
      this.connection.fail(ORIGINAL, 'HTTP2_BAD_PREFACE')
      return false
    }
    if (length < PREFACE.length) return false
    this.hasPreface = true
    this.connection.pass(ORIGINAL, PREFACE.length)
    return true
  }
}
