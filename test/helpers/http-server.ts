// A real HTTP server in a pod that says what reached it: method, path, headers, digest of the body.
import { createHash } from 'node:crypto'
import http from 'node:http'
import { type AddressInfo } from 'node:net'
import { type Namespace } from './namespace.ts'
import { clientOf, listenIn } from './tcp.ts'

/** What the server received, and what it answers as JSON. */
export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly bodyBytes: number
  readonly bodySha256: string
  readonly client: { readonly address: string; readonly port: number }
  /** Counts connections from 0: equal for requests that shared one. */
  readonly connection: number
}

export interface HttpServerOptions {
  readonly port?: number
  /** Answers other than the echo, by path. */
  readonly files?: Readonly<Record<string, Buffer>>
  /** Full control over the answer; return false to get the default one. */
  readonly handle?: (request: ReceivedRequest, response: http.ServerResponse) => boolean
}

export interface HttpServer {
  readonly server: http.Server
  /** In order of their completion. */
  readonly requests: ReceivedRequest[]
  /** Connections accepted so far. */
  connections(): number
  close(): void
}

export async function startHttpServer(pod: Namespace, options: HttpServerOptions = {}): Promise<HttpServer> {
  const { port = 80, files = {}, handle } = options
  const requests: ReceivedRequest[] = []
  const numbers = new WeakMap<object, number>()
  let connections = 0
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const hash = createHash('sha256')
    let bodyBytes = 0
    request.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length
      hash.update(chunk)
    })
    request.on('end', () => {
      const received: ReceivedRequest = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: request.headers,
        bodyBytes,
        bodySha256: hash.digest('hex'),
        client: clientOf(request.socket),
        connection: numbers.get(request.socket) ?? -1,
      }
      requests.push(received)
      if (handle?.(received, response) === true) return
      const file = files[received.path]
      if (file === undefined)
        response.setHeader('content-type', 'application/json').end(JSON.stringify(received))
      else response.end(file)
    })
  })
  server.on('connection', (connection) => numbers.set(connection, connections++))
  await listenIn(pod, server, port)
  return {
    server,
    requests,
    connections: () => connections,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

export function portOf(server: http.Server): number {
  return (server.address() as AddressInfo).port
}
