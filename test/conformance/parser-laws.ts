// The laws of src/l7rules/parser.ts as a checker for any protocol: a relay in memory that offers bytes as
// the contract says, counts what becomes of them, and compares runs over different splits of one script.
import { isDeepStrictEqual } from 'node:util'
import {
  ORIGINAL,
  REPLY,
  type FlowDirection,
  type ProtocolParser,
  type Steps,
} from '../../src/l7rules/parser.ts'

/** What is under test. `observed`: what the parser reported besides steps, such as records; compared too. */
export interface Subject {
  readonly parser: ProtocolParser
  readonly observed: readonly unknown[]
}
export type SubjectFactory<S extends Subject = Subject> = (steps: Steps) => S

/** What happens to a connection, in order. Bytes are offered in one piece or, by a split, in many. */
export type ScriptEvent =
  | { readonly direction: FlowDirection; readonly bytes: Uint8Array }
  | { readonly direction: FlowDirection; readonly bytes: 'end' }
export type Script = readonly ScriptEvent[]

/** Lengths of the pieces of `length` bytes; they add up to it. */
export type Split = (length: number) => readonly number[]

export const inOnePiece: Split = (length) => [length]
export const byteByByte: Split = (length) => new Array<number>(length).fill(1)

/** Pieces of random length, small ones preferred. `random` returns a number of [0, 1). */
export function atRandom(random: () => number): Split {
  return (length) => {
    const pieces: number[] = []
    for (let rest = length; rest > 0; rest -= pieces.at(-1)!) {
      const longest = random() < 0.5 ? 3 : rest
      pieces.push(Math.min(rest, 1 + Math.floor(random() * longest)))
    }
    return pieces
  }
}

export class LawBroken extends Error {
  override readonly name = 'LawBroken'
}

interface Flow {
  /** Unconsumed bytes, as the relay retains them. */
  retained: Buffer
  /** The parser did not want the direction when it was last asked. */
  isBlocked: boolean
  isEnded: boolean
  isEndTold: boolean
  isFinished: boolean
  received: number
  passed: number
  dropped: number
  /** What the receiver of the direction gets. */
  readonly output: Buffer[]
  /** Steps of this direction, neighbours of a kind merged. */
  readonly log: [step: string, bytes: number][]
}

function newFlow(): Flow {
  return {
    retained: Buffer.alloc(0),
    isBlocked: false,
    isEnded: false,
    isEndTold: false,
    isFinished: false,
    received: 0,
    passed: 0,
    dropped: 0,
    output: [],
    log: [],
  }
}

/** One connection: a parser between two peers. Throws LawBroken at once when the parser breaks the contract. */
export class MemoryConnection<S extends Subject = Subject> implements Steps {
  readonly subject: S
  errorCode = ''
  /** What the parser is told. */
  nowMs = 1_000
  private readonly flows = [newFlow(), newFlow()] as const
  private readonly maxRetainedBytes: number
  private active: { direction: FlowDirection; buffer: Buffer; position: number; end: number } | undefined

  constructor(make: SubjectFactory<S>, maxRetainedBytes = Number.POSITIVE_INFINITY) {
    this.subject = make(this)
    this.maxRetainedBytes = maxRetainedBytes
  }

  /** Everything that the receiver of `direction` got. */
  output(direction: FlowDirection): Buffer {
    return Buffer.concat(this.flows[direction].output)
  }

  isFinished(direction: FlowDirection): boolean {
    return this.flows[direction].isFinished
  }

  /** Bytes of `direction` that were neither passed nor dropped. */
  retained(direction: FlowDirection): number {
    return this.flows[direction].retained.length
  }

  /** Bytes arrive, in pieces. The other direction is offered its retained bytes after the last piece. */
  send(direction: FlowDirection, bytes: Uint8Array | string, split: Split = inOnePiece): void {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    let start = 0
    for (const length of split(buffer.length)) {
      this.arrive(direction, buffer.subarray(start, start + length))
      start += length
    }
    this.reoffer()
  }

  end(direction: FlowDirection): void {
    this.flows[direction].isEnded = true
    this.reoffer()
  }

  close(): void {
    this.subject.parser.close(this.nowMs)
  }

  /** What must be equal however the input was split. */
  outcome(): unknown {
    return {
      error: this.errorCode,
      flows: this.flows.map(({ log, retained, isFinished, output }) => ({
        log,
        retained: retained.toString('latin1'),
        isFinished,
        output: Buffer.concat(output).toString('latin1'),
      })),
      observed: this.subject.observed,
    }
  }

  // === Steps ===

  pass(direction: FlowDirection, bytes: number): void {
    const flow = this.consume('pass', direction, bytes)
    flow.passed += bytes
    const { buffer, position } = this.active!
    if (flow.isFinished) throw new LawBroken(`pass of ${bytes} bytes after finish(${direction})`)
    flow.output.push(Buffer.from(buffer.subarray(position - bytes, position)))
  }

  drop(direction: FlowDirection, bytes: number): void {
    this.consume('drop', direction, bytes).dropped += bytes
  }

  inject(direction: FlowDirection, data: Uint8Array): void {
    const flow = this.flows[direction]
    this.mustBeAlive('inject')
    if (flow.isFinished) throw new LawBroken(`inject after finish(${direction})`)
    flow.output.push(Buffer.from(data))
    this.log(flow, 'inject', data.length)
  }

  finish(direction: FlowDirection): void {
    const flow = this.flows[direction]
    this.mustBeAlive('finish')
    if (flow.isFinished) throw new LawBroken(`finish(${direction}) twice`)
    flow.isFinished = true
    this.log(flow, 'finish', 0)
  }

  error(code: string): void {
    this.mustBeAlive('error')
    if (code === '') throw new LawBroken('error without code')
    this.errorCode = code
    for (const flow of this.flows) this.log(flow, `error ${code}`, 0)
  }

  private isOver(): boolean {
    return this.errorCode !== ''
  }

  private mustBeAlive(step: string): void {
    if (this.errorCode !== '') throw new LawBroken(`${step} after error ${this.errorCode}`)
  }

  private log(flow: Flow, step: string, bytes: number): void {
    const last = flow.log.at(-1)
    if (last?.[0] === step && step !== 'inject') last[1] += bytes
    else flow.log.push([step, bytes])
  }

  private consume(step: string, direction: FlowDirection, bytes: number): Flow {
    this.mustBeAlive(step)
    const active = this.active
    if (active?.direction !== direction) throw new LawBroken(`${step} outside of receive(${direction})`)
    const available = active.end - active.position
    if (!Number.isInteger(bytes) || bytes <= 0 || bytes > available) {
      throw new LawBroken(`${step} of ${bytes} bytes where ${available} are unconsumed`)
    }
    active.position += bytes
    const flow = this.flows[direction]
    this.log(flow, step, bytes)
    return flow
  }

  // === offering ===

  private arrive(direction: FlowDirection, bytes: Uint8Array): void {
    const flow = this.flows[direction]
    flow.received += bytes.length
    flow.retained = Buffer.concat([flow.retained, bytes])
    if (this.isOver()) return
    if (this.subject.parser.wants(direction)) this.offer(direction)
    else flow.isBlocked = true
  }

  /** In a buffer that is used again afterwards and in which the bytes stand somewhere else each time. */
  private offer(direction: FlowDirection): void {
    const flow = this.flows[direction]
    const before = flow.retained.length
    if (before === 0) return
    const start = 1 + (flow.received % 7)
    const buffer = Buffer.alloc(start + before + 3, 0xaa)
    flow.retained.copy(buffer, start)
    this.active = { direction, buffer, position: start, end: start + before }
    this.subject.parser.receive(direction, buffer, start, start + before, this.nowMs)
    flow.retained = Buffer.from(buffer.subarray(this.active.position, this.active.end))
    this.active = undefined
    buffer.fill(0x55)
    if (flow.passed + flow.dropped + flow.retained.length !== flow.received) {
      throw new LawBroken('passed + dropped + retained is not what was received')
    }
    if (this.isOver() || !this.subject.parser.wants(direction)) return
    if (flow.retained.length > this.maxRetainedBytes) {
      throw new LawBroken(`wants more of ${direction} with ${flow.retained.length} bytes retained`)
    }
  }

  /** Until nothing moves: whoever was blocked and wants again gets what was retained, then its end. */
  private reoffer(): void {
    for (let isMoving = true; isMoving;) {
      isMoving = false
      for (const direction of [ORIGINAL, REPLY] as const) {
        const flow = this.flows[direction]
        if (this.isOver()) return
        const wasBlocked = flow.isBlocked
        flow.isBlocked = !this.subject.parser.wants(direction)
        if (flow.isBlocked) continue
        if (wasBlocked && flow.retained.length > 0) {
          this.offer(direction)
          isMoving = true
        } else if (flow.isEnded && !flow.isEndTold) {
          flow.isEndTold = true
          this.subject.parser.end(direction, this.nowMs)
          isMoving = true
        }
      }
    }
  }
}

/** Run a script over one split and close the connection at its end. */
export function run(
  make: SubjectFactory,
  script: Script,
  split: Split,
  maxRetainedBytes?: number,
): MemoryConnection {
  const connection = new MemoryConnection(make, maxRetainedBytes)
  for (const { direction, bytes } of script) {
    if (bytes === 'end') connection.end(direction)
    else connection.send(direction, bytes, split)
  }
  connection.close()
  return connection
}

/**
 * Check all laws on one script: none is broken on the way, and other splits lead to the same outcome.
 * @throws LawBroken with both outcomes, or whatever the parser threw.
 */
export function checkLaws(
  make: SubjectFactory,
  script: Script,
  splits: readonly Split[],
  maxRetainedBytes?: number,
): MemoryConnection {
  const whole = run(make, script, inOnePiece, maxRetainedBytes)
  for (const split of splits) {
    const other = run(make, script, split, maxRetainedBytes)
    if (!isDeepStrictEqual(whole.outcome(), other.outcome())) {
      const show = (connection: MemoryConnection): string => JSON.stringify(connection.outcome(), null, 1)
      throw new LawBroken(`outcome depends on the split\nwhole: ${show(whole)}\nsplit: ${show(other)}`)
    }
  }
  return whole
}
