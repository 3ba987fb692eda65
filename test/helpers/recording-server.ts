// A real HTTP server in a pod that notes every request from its first line on, complete or not.
import http from 'node:http'
import { type Namespace } from './namespace.ts'
import { listenIn } from './tcp.ts'

export interface SeenRequest {
  readonly method: string
  /** As it came. */
  readonly target: string
  readonly host: string
  readonly fields: http.IncomingHttpHeaders
  /** Latin-1, decoded from chunks. */
  body: string
  isComplete: boolean
}

export interface RecordingServer {
  /** In order of their first line. */
  readonly seen: SeenRequest[]
  close(): void
}

/** Answers every complete request with 200 and its target. */
export async function startRecordingServer(pod: Namespace, port: number): Promise<RecordingServer> {
  const seen: SeenRequest[] = []
  const note = (message: http.IncomingMessage): SeenRequest => {
    const { method = '', url = '', headers } = message
    const request = {
      ...{ method, target: url, host: headers.host ?? '', fields: headers },
      ...{ body: '', isComplete: false },
    }
    seen.push(request)
    return request
  }
  const server = http.createServer({ keepAliveTimeout: 60_000 }, (message, response) => {
    const request = note(message)
    message.on('data', (chunk: Buffer) => (request.body += chunk.toString('latin1')))
    message.on('error', () => undefined)
    message.on('end', () => {
      request.isComplete = true
      response.end(`${request.method} ${request.target}`)
    })
  })
  server.on('connect', (message: http.IncomingMessage, socket: NodeJS.WritableStream) => {
    note(message).isComplete = true
    socket.end('HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\n\r\n')
  })
  await listenIn(pod, server, port)
  return {
    seen,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
