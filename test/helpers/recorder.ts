// Writes down what a socket of the core tells its handler.
import type { Socket, SocketHandler } from '../../src/proxy/io/types.ts'

export class Recorder implements SocketHandler {
  /** `connect`, `data` (once for consecutive reads), `end`, `drain`, `hangup`, `error ECONNRESET`, in order. */
  readonly events: string[] = []
  received = Buffer.alloc(0)
  onReceived: () => void = () => undefined
  readonly #socket: Socket

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setHandler(this)
  }

  has(event: string): boolean {
    return this.events.includes(event)
  }

  onConnect(): void {
    this.#push('connect')
  }

  onData(buffer: Buffer, start: number, end: number): void {
    this.received = Buffer.concat([this.received, buffer.subarray(start, end)])
    if (this.events.at(-1) !== 'data') this.#push('data')
    this.onReceived()
  }

  onEnd(): void {
    this.#push('end')
  }

  onDrain(): void {
    this.#push('drain')
  }

  onHangup(): void {
    this.#push('hangup')
  }

  onError(errno: string): void {
    this.#push(`error ${errno}`)
  }

  #push(event: string): void {
    if (this.#socket.isClosed && !event.startsWith('error')) this.events.push('AFTER CLOSE')
    this.events.push(event)
  }
}
