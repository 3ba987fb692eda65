// Node's HTTP/2 client with its sockets in a namespace.
import http2 from 'node:http2'
import { type Namespace } from './namespace.ts'
import { connected, type Destination } from './tcp.ts'

export interface Http2Answer {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly trailers: http2.IncomingHttpHeaders
  readonly body: Buffer
  readonly rstCode: number
}

export async function connectHttp2(
  from: Namespace,
  to: Destination,
  settings: http2.Settings = {},
): Promise<http2.ClientHttp2Session> {
  const socket = await connected(from, to)
  const authority = to.host.includes(':') ? `[${to.host}]` : to.host
  return http2.connect(`http://${authority}:${to.port}`, { createConnection: () => socket, settings })
}

export function request(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Http2Answer> {
  const stream = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) stream.end(body)
  return answerTo(stream)
}

export function answerTo(stream: http2.ClientHttp2Stream): Promise<Http2Answer> {
  return new Promise((resolve, reject) => {
    let headers: http2.IncomingHttpHeaders = {}
    let trailers: http2.IncomingHttpHeaders = {}
    const chunks: Buffer[] = []
    stream.on('response', (received) => (headers = received))
    stream.on('trailers', (received: http2.IncomingHttpHeaders) => (trailers = received))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('error', reject)
    stream.on('close', () =>
      resolve({
        status: Number(headers[':status'] ?? 0),
        headers,
        trailers,
        body: Buffer.concat(chunks),
        rstCode: stream.rstCode,
      }),
    )
  })
}
