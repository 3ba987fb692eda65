// WebSocket (RFC 6455) in a few lines: a server that echoes text, and a client, for short messages.
import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import { type Socket } from 'node:net'
import { Mailbox } from './events.ts'
import { type Namespace } from './namespace.ts'
import { connected, type Destination, listenIn } from './tcp.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const TEXT = 0x81
const CLOSE = 0x88
const MASKED = 0x80
const MAX_SHORT_BYTES = 125

const acceptOf = (key: string): string => createHash('sha1').update(`${key}${GUID}`).digest('base64')

interface Message {
  readonly opcode: number
  readonly payload: Buffer
}

/** Payload up to 125 bytes. */
function frame(opcode: number, payload: Buffer, isFromClient: boolean): Buffer {
  if (payload.length > MAX_SHORT_BYTES) throw new Error('only short frames')
  if (!isFromClient) return Buffer.concat([Buffer.of(opcode, payload.length), payload])
  const mask = randomBytes(4)
  return Buffer.concat([Buffer.of(opcode, MASKED | payload.length), mask, masked(payload, mask)])
}

function masked(payload: Buffer, mask: Buffer): Buffer {
  return Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]!))
}

/** Calls back for each whole frame, however the bytes are split. */
function readFrames(socket: Socket, onMessage: (message: Message) => void): void {
  let bytes = Buffer.alloc(0)
  socket.on('data', (data: Buffer) => {
    bytes = Buffer.concat([bytes, data])
    for (;;) {
      if (bytes.length < 2) return
      const isMasked = (bytes[1]! & MASKED) !== 0
      const start = isMasked ? 6 : 2
      const end = start + (bytes[1]! & ~MASKED)
      if (bytes.length < end) return
      const payload = bytes.subarray(start, end)
      onMessage({ opcode: bytes[0]!, payload: isMasked ? masked(payload, bytes.subarray(2, 6)) : payload })
      bytes = bytes.subarray(end)
    }
  })
}

/** Text comes back; a close is answered, then FIN. Other requests get 200. */
export async function startWebSocketEcho(pod: Namespace, port: number): Promise<http.Server> {
  const server = http.createServer((_request, response) => response.end('no websocket'))
  server.on('upgrade', (request: http.IncomingMessage, socket: Socket) => {
    const accept = acceptOf(request.headers['sec-websocket-key'] ?? '')
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    readFrames(socket, ({ opcode, payload }) => {
      socket.write(frame(opcode, payload, false))
      if (opcode === CLOSE) socket.end()
    })
  })
  return listenIn(pod, server, port)
}

export class WebSocketClient {
  readonly socket: Socket
  readonly #messages = new Mailbox<Message>()

  private constructor(socket: Socket) {
    this.socket = socket
  }

  /** @throws Error with the first line of the answer when it is not the right 101 */
  static async open(from: Namespace, to: Destination, path: string): Promise<WebSocketClient> {
    const socket = await connected(from, to)
    const client = new WebSocketClient(socket)
    const key = randomBytes(16).toString('base64')
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ws.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    const head = await readHead(socket)
    if (!head.startsWith('HTTP/1.1 101 ') || !head.includes(acceptOf(key))) {
      socket.destroy()
      throw new Error(head.split('\r\n')[0])
    }
    readFrames(socket, client.#messages.push)
    return client
  }

  async echo(text: string): Promise<string> {
    this.socket.write(frame(TEXT, Buffer.from(text), true))
    return (await this.#messages.take()).payload.toString()
  }

  /** @returns the opcode of the answer */
  async close(): Promise<number> {
    this.socket.write(frame(CLOSE, Buffer.alloc(0), true))
    const { opcode } = await this.#messages.take()
    this.socket.end()
    return opcode
  }
}

/** The server sends nothing behind its 101 unasked. */
async function readHead(socket: Socket): Promise<string> {
  let head = ''
  for await (const data of socket.iterator({ destroyOnReturn: false })) {
    head += (data as Buffer).toString('latin1')
    if (head.includes('\r\n\r\n')) break
  }
  return head
}
