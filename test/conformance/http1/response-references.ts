// Other HTTP/1.x parsers, as comparisons: what response to a GET do they see in the same bytes?
import { request } from 'node:http'
import { Duplex } from 'node:stream'
import { HTTPParser } from 'http-parser-js'

/** The first final response. */
export interface ParsedResponse {
  readonly status: number
  /** Decoded. Latin-1. */
  readonly body: string
}

/** undefined: refused, or not complete when the connection ends. */
export type ResponseParser = (
  bytes: Buffer,
) => ParsedResponse | undefined | Promise<ParsedResponse | undefined>

/** http-parser-js, a port of Node's old parser. */
export const parseByHttpParserJs: ResponseParser = (bytes) => {
  const parser = new HTTPParser(HTTPParser.RESPONSE)
  let [status, body] = [0, '']
  let done: ParsedResponse | undefined
  parser[HTTPParser.kOnHeadersComplete] = ({ statusCode }) => {
    if (done === undefined) [status, body] = [statusCode, '']
    // It leaves to its caller which answers have no body.
    return Number(statusCode === 204 || statusCode === 304)
  }
  parser[HTTPParser.kOnBody] = (chunk, offset, length) => {
    body += chunk.toString('latin1', offset, offset + length)
  }
  parser[HTTPParser.kOnMessageComplete] = () => {
    if (status >= 200) done ??= { status, body }
  }
  try {
    if (typeof parser.execute(bytes) === 'number') parser.finish()
  } catch {
    // what was complete before the offence counts
  }
  return done
}

/** Node's client on llhttp. Nothing may follow the response: to a client that sent one request it is an error. */
export const parseByNode: ResponseParser = (bytes) =>
  new Promise((resolve) => {
    const socket = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() })
    const sent = request({ createConnection: () => socket, path: '/', headers: { host: 'a' } })
    sent.on('error', () => resolve(undefined))
    sent.on('response', (message) => {
      let body = ''
      message.setEncoding('latin1')
      message.on('data', (chunk: string) => (body += chunk))
      message.on('error', () => resolve(undefined))
      message.on('end', () => resolve({ status: message.statusCode ?? 0, body }))
    })
    sent.on('upgrade', () => resolve(undefined))
    // What ends with the connection is handed out behind this.
    sent.on('close', () => setImmediate(resolve, undefined))
    sent.end()
    socket.push(bytes)
    socket.push(null)
  })
