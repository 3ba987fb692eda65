// Access-log records into a file, a pipe or standard output, without ever waiting for it.
import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { WeirError, errorMessage } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { MAX_QUEUED_BYTES } from './access-log-limits.ts'
import type { RecordSink } from './access-log.ts'

/** PIPE_BUF: writers of one pipe do not mix up writes up to this size. */
const PIPE_ATOMIC_BYTES = 4096
/** What waits is written together, up to this. */
const CHUNK_BYTES = 512 * 1024
/** In front of a chunk: room for the newline that ends half a record. */
const LEAD_BYTES = 1
const RETRY_MS = 10
const FILE_MODE = 0o640
const NEWLINE = 0x0a
const STDOUT = 1

interface Target {
  readonly fd: number
  readonly isPipe: boolean
}

/** The bytes are `buffer[start, end)`. */
interface Chunk {
  readonly buffer: Buffer
  start: number
  end: number
}

export interface FileSinkOptions {
  /** File or named pipe, appended to and made if missing; `-` = standard output. */
  readonly target: string
  readonly log: Logger
  /** Bytes that may wait for a slow disk or reader; more are dropped and counted. */
  readonly maxQueuedBytes?: number
}

/**
 * Several workers may share the target: whole lines go out per write (files: O_APPEND; pipes: up to 4096
 * bytes, longer lines may mix with those of others).
 */
export class FileSink implements RecordSink {
  readonly #options: FileSinkOptions
  readonly #maxQueuedBytes: number
  #target: Target
  readonly #queue: Chunk[] = []
  /** To be filled again: V8 answers 64 MiB of fresh buffers with a full collection. */
  #spare: Buffer | undefined
  #queuedBytes = 0
  #isWriting = false
  #wantsReopen = false
  /** The last byte that reached the target was not a newline. */
  #endsInMiddle = false
  #isFailing = false
  #retry: NodeJS.Timeout | undefined
  #onIdle: (() => void) | undefined
  lost = 0

  /** @throws WeirError CONFIG_INVALID when the target cannot be opened. */
  constructor(options: FileSinkOptions) {
    this.#options = options
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES
    try {
      this.#target = openTarget(options.target)
    } catch (error) {
      throw new WeirError('CONFIG_INVALID', `--access-log ${options.target}: ${errorMessage(error)}`, {
        cause: error,
        mend: 'name a file in a directory that exists, or - for standard output',
      })
    }
  }

  write(ndjson: Buffer, records: number): void {
    if (this.#queuedBytes + ndjson.length > this.#maxQueuedBytes) {
      this.#lose(records, 'the target is slow')
      return
    }
    const chunk = this.#chunkFor(ndjson.length)
    ndjson.copy(chunk.buffer, chunk.end)
    chunk.end += ndjson.length
    this.#queuedBytes += ndjson.length
    this.#pump()
  }

  reopen(): void {
    this.#wantsReopen = true
    if (!this.#isWriting) this.#reopenIfDue()
  }

  async close(timeoutMs: number): Promise<void> {
    if (this.#queue.length > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs)
        this.#onIdle = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    for (const chunk of this.#queue.splice(0)) this.#lose(unwritten(chunk), 'closed before it was written')
    clearTimeout(this.#retry)
    if (!this.#isWriting) closeTarget(this.#target)
  }

  /** The last one if it has room, is not under way, and goes where this goes. */
  #chunkFor(bytes: number): Chunk {
    const last = this.#queue.at(-1)
    const isUnderWay = this.#isWriting && this.#queue.length === 1
    if (last !== undefined && !isUnderWay && !this.#wantsReopen && last.buffer.length - last.end >= bytes) {
      return last
    }
    const size = Math.max(CHUNK_BYTES, bytes + LEAD_BYTES)
    let buffer = this.#spare
    if (buffer === undefined || buffer.length < size) buffer = Buffer.allocUnsafeSlow(size)
    else this.#spare = undefined
    const chunk = { buffer, start: LEAD_BYTES, end: LEAD_BYTES }
    this.#queue.push(chunk)
    return chunk
  }

  #pump(): void {
    while (!this.#isWriting && this.#retry === undefined) {
      const chunk = this.#queue[0]
      if (chunk === undefined) return this.#onIdle?.()
      if (this.#endsInMiddle && chunk.start === LEAD_BYTES) this.#startOnNewLine(chunk)
      if (this.#target.isPipe) this.#writePipe(chunk)
      else this.#writeFile(chunk)
    }
  }

  /** A disk may stall any write, so the thread pool does it. */
  #writeFile(chunk: Chunk): void {
    this.#isWriting = true
    const { buffer, start, end } = chunk
    write(this.#target.fd, buffer, start, end - start, null, (error, written) => {
      this.#isWriting = false
      if (error === null) this.#advance(chunk, written)
      else this.#fail(chunk, error)
      this.#reopenIfDue()
      this.#pump()
    })
  }

  /** The descriptor does not block, so the call costs a copy and no more. */
  #writePipe(chunk: Chunk): void {
    try {
      const length = pieceEnd(chunk) - chunk.start
      this.#advance(chunk, writeSync(this.#target.fd, chunk.buffer, chunk.start, length))
      this.#reopenIfDue()
    } catch (error) {
      this.#fail(chunk, error as NodeJS.ErrnoException)
    }
  }

  #advance(chunk: Chunk, written: number): void {
    chunk.start += written
    this.#queuedBytes -= written
    this.#endsInMiddle = chunk.buffer[chunk.start - 1] !== NEWLINE
    if (chunk.start < chunk.end) return
    this.#drop(chunk)
    if (!this.#isFailing || this.#queue.length > 0) return
    this.#isFailing = false
    this.#options.log.info({ target: this.#options.target, lost: this.lost }, 'access log works again')
  }

  #fail(chunk: Chunk, error: NodeJS.ErrnoException): void {
    if (error.code === 'EAGAIN') {
      this.#retry = setTimeout(() => {
        this.#retry = undefined
        this.#pump()
      }, RETRY_MS)
      return
    }
    const records = unwritten(chunk)
    this.#drop(chunk)
    this.#lose(records, error.message)
  }

  /** After half a record, so that the next one is not glued to it. */
  #startOnNewLine(chunk: Chunk): void {
    chunk.start = 0
    chunk.buffer[0] = NEWLINE
    this.#queuedBytes++
  }

  #drop(chunk: Chunk): void {
    this.#queue.shift()
    this.#queuedBytes -= chunk.end - chunk.start
    if (chunk.buffer.length === CHUNK_BYTES) this.#spare = chunk.buffer
  }

  /** Logged once until the target has caught up: a full disk must not fill the log as well. */
  #lose(records: number, reason: string): void {
    this.lost += records
    if (this.#isFailing) return
    this.#isFailing = true
    this.#options.log.error({ target: this.#options.target, reason }, 'access log drops records')
  }

  /** A line that is half written is finished where it began. */
  #reopenIfDue(): void {
    const isWithinLine = this.#endsInMiddle && (this.#queue[0]?.start ?? 0) > LEAD_BYTES
    if (!this.#wantsReopen || isWithinLine) return
    this.#wantsReopen = false
    const old = this.#target
    try {
      this.#target = openTarget(this.#options.target)
    } catch (error) {
      this.#options.log.error(
        { target: this.#options.target, error: errorMessage(error) },
        'access log not reopened',
      )
      return
    }
    this.#endsInMiddle = false
    closeTarget(old)
  }
}

/**
 * Opened anew even for standard output: O_NONBLOCK on the inherited descriptor would change it for all
 * processes that share it. It matters for pipes only; without a reader it makes opening one fail, not hang.
 */
function openTarget(target: string): Target {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_NONBLOCK
  let fd: number
  if (target === '-') {
    try {
      fd = openSync(`/proc/self/fd/${STDOUT}`, flags)
    } catch {
      fd = STDOUT // a socket, as under systemd: cannot be opened
    }
  } else {
    fd = openSync(target, flags | constants.O_CREAT, FILE_MODE)
  }
  return { fd, isPipe: fstatSync(fd).isFIFO() && fd !== STDOUT }
}

function closeTarget({ fd }: Target): void {
  if (fd !== STDOUT) closeSync(fd)
}

/** End of the whole lines that a pipe takes as one; of the one line if it is longer. */
function pieceEnd({ buffer, start, end }: Chunk): number {
  if (end - start <= PIPE_ATOMIC_BYTES) return end
  const lastNewline = buffer.lastIndexOf(NEWLINE, start + PIPE_ATOMIC_BYTES - 1)
  return lastNewline >= start ? lastNewline + 1 : buffer.indexOf(NEWLINE, start) + 1
}

/** Records of which the last byte is not out yet. */
function unwritten({ buffer, start, end }: Chunk): number {
  const bytes = buffer.subarray(Math.max(start, LEAD_BYTES), end)
  let count = 0
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++
  return count
}
