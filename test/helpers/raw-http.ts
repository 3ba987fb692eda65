// An HTTP/1.1 client that sends what a test writes and tells what came back, response by response.
import { once } from 'node:events'
import { type Socket } from 'node:net'
import { Mailbox } from './events.ts'
import { type Namespace } from './namespace.ts'
import { PATIENCE_MS } from './wait.ts'
import { connected, type Destination, type DialOptions } from './tcp.ts'

export interface RawResponse {
  readonly status: number
  readonly head: string
  readonly body: string
}

export class RawHttpClient {
  readonly socket: Socket
  /** How the connection ended: `end` for FIN, else the errno name. */
  readonly ended: Promise<string>
  readonly #responses = new Mailbox<RawResponse>()
  #bytes = ''

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data: Buffer) => this.#receive(data))
    this.ended = Promise.race([
      once(socket, 'end').then(() => 'end'),
      once(socket, 'close').then(() => 'close'),
    ]).catch((error: unknown) => (error as NodeJS.ErrnoException).code ?? String(error))
  }

  static async open(
    from: Namespace,
    to: Destination,
    options: DialOptions & { readonly timeoutMs?: number } = {},
  ): Promise<RawHttpClient> {
    return new RawHttpClient(await connected(from, to, options))
  }

  /** One `GET` for each path, in one write. */
  get(...paths: readonly string[]): void {
    this.socket.write(paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: server\r\n\r\n`).join(''))
  }

  /** The next one in order; only those with Content-Length are understood. Rejects when there is none. */
  async response(): Promise<RawResponse> {
    let timer: NodeJS.Timeout | undefined
    const isLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no response within ${PATIENCE_MS} ms`)), PATIENCE_MS)
      void this.ended.then((how) => reject(new Error(`no response before ${how}`)))
    })
    try {
      return await Promise.race([this.#responses.take(), isLate])
    } finally {
      clearTimeout(timer)
    }
  }

  close(): void {
    this.socket.destroy()
  }

  #receive(data: Buffer): void {
    this.#bytes += data.toString('latin1')
    for (;;) {
      const headEnd = this.#bytes.indexOf('\r\n\r\n') + 4
      if (headEnd < 4) return
      const head = this.#bytes.slice(0, headEnd)
      const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0)
      if (this.#bytes.length < headEnd + length) return
      const body = this.#bytes.slice(headEnd, headEnd + length)
      this.#bytes = this.#bytes.slice(headEnd + length)
      this.#responses.push({ status: Number(head.split(' ')[1]), head, body })
    }
  }
}
