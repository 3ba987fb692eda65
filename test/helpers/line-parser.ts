// A toy protocol that uses every step: lines from the client, lines from the server.
//
//   allow <text>   passes         deny <text>   is dropped and answered `denied`
//   hold           passes; the client's further lines wait until the server says `release`
//   quit           is answered `bye`, then the connection ends        bad   is answered `error`, then an error
//   last           passes, and is the last that the server gets
//   throw          throws         cheat         passes more than there is
import {
  ORIGINAL,
  REPLY,
  type FlowDirection,
  type ProtocolParser,
  type Steps,
} from '../../src/l7rules/parser.ts'

export const LINE_MAX_BYTES = 1024
const NEWLINE = 10

export class LineParser implements ProtocolParser {
  closes = 0
  ends: FlowDirection[] = []
  callsAfterClose = 0
  readonly #steps: Steps
  #isHeld = false

  constructor(steps: Steps) {
    this.#steps = steps
  }

  receive(direction: FlowDirection, buffer: Buffer, start: number, end: number): void {
    if (this.closes > 0) this.callsAfterClose++
    let at = start
    while (at < end && this.wants(direction)) {
      const newline = buffer.indexOf(NEWLINE, at)
      if (newline < 0 || newline >= end) {
        if (end - at > LINE_MAX_BYTES) this.#steps.error('LINE_TOO_LONG')
        return
      }
      const line = buffer.toString('latin1', at, newline)
      if (direction === ORIGINAL) this.#request(line, newline + 1 - at)
      else this.#response(line, newline + 1 - at)
      at = newline + 1
    }
  }

  end(direction: FlowDirection): void {
    this.ends.push(direction)
    this.#steps.finish(direction)
  }

  wants(direction: FlowDirection): boolean {
    return direction === REPLY || !this.#isHeld
  }

  close(): void {
    this.closes++
  }

  #request(line: string, bytes: number): void {
    const steps = this.#steps
    const [verb] = line.split(' ')
    switch (verb) {
      case 'allow':
        return steps.pass(ORIGINAL, bytes)
      case 'hold':
        this.#isHeld = true
        return steps.pass(ORIGINAL, bytes)
      case 'deny':
        steps.drop(ORIGINAL, bytes)
        return steps.inject(REPLY, Buffer.from('denied\n'))
      case 'quit':
        steps.drop(ORIGINAL, bytes)
        steps.inject(REPLY, Buffer.from('bye\n'))
        steps.finish(REPLY)
        return steps.finish(ORIGINAL)
      case 'last':
        steps.pass(ORIGINAL, bytes)
        return steps.finish(ORIGINAL)
      case 'throw':
        throw new Error('parser bug')
      case 'cheat':
        return steps.pass(ORIGINAL, bytes + 1_000_000)
      default:
        steps.inject(REPLY, Buffer.from('error\n'))
        return steps.error('LINE_INVALID')
    }
  }

  #response(line: string, bytes: number): void {
    this.#steps.pass(REPLY, bytes)
    if (line === 'release') this.#isHeld = false
  }
}
