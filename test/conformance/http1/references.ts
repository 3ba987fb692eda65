// Other HTTP/1.x parsers, as comparisons: what requests do they see in the same bytes?
import { createServer, type IncomingMessage } from 'node:http'
import { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { HTTPParser } from 'http-parser-js'

export interface ParsedRequest {
  readonly method: string
  readonly target: string
  /** Decoded. Latin-1. */
  body: string
  isComplete: boolean
}

export interface Parsed {
  readonly requests: ParsedRequest[]
  isRejected: boolean
}

/** http-parser-js, a port of Node's old parser. Upgrades are not followed. */
export function parseByHttpParserJs(bytes: Buffer): Parsed {
  const parsed: Parsed = { requests: [], isRejected: false }
  const parser = new HTTPParser(HTTPParser.REQUEST)
  parser[HTTPParser.kOnHeadersComplete] = (info) => {
    parsed.requests.push({
      method: HTTPParser.methods[info.method]!,
      target: info.url,
      body: '',
      isComplete: false,
    })
  }
  parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
    parsed.requests.at(-1)!.body += chunk.toString('latin1', offset, offset + length)
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    parsed.requests.at(-1)!.isComplete = true
  }
  try {
    parsed.isRejected = typeof parser.execute(bytes) !== 'number'
  } catch {
    parsed.isRejected = true
  }
  return parsed
}

/** Node's server on llhttp, with its defaults but larger heads. It never answers, so it parses all it gets. */
export async function parseByNode(bytes: Buffer): Promise<Parsed> {
  const parsed: Parsed = { requests: [], isRejected: false }
  const server = createServer({ maxHeaderSize: 128 * 1024 })
  server.maxHeadersCount = 0
  const see = (message: IncomingMessage): ParsedRequest => {
    const request = { method: message.method ?? '', target: message.url ?? '', body: '', isComplete: false }
    parsed.requests.push(request)
    return request
  }
  const onRequest = (message: IncomingMessage): void => {
    const request = see(message)
    message.setEncoding('latin1')
    message.on('data', (chunk: string) => (request.body += chunk))
    message.on('end', () => (request.isComplete = true))
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('checkExpectation', onRequest)
  const onTunnel = (message: IncomingMessage): void => {
    see(message).isComplete = true
  }
  server.on('upgrade', onTunnel)
  server.on('connect', onTunnel)
  // Left open, so that the bodies before the offence are still handed out.
  server.on('clientError', () => (parsed.isRejected = true))
  const socket = new Duplex({
    read: () => undefined,
    // It writes only to refuse: without Host, for example.
    write: (_chunk, _encoding, done) => {
      parsed.isRejected = true
      done()
    },
  })
  socket.on('error', () => (parsed.isRejected = true))
  server.emit('connection', socket)
  socket.push(bytes)
  for (let turn = 0; turn < 4; turn++) await nextTurn()
  socket.destroy()
  return parsed
}
