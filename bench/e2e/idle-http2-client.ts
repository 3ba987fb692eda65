// Opens HTTP/2 connections, or streams on some of them, and keeps them. For each number on standard input: so many
// more; answers with the number when all of them have got their response.
//
//   node idle-http2-client.js connections HOST PORT PATH          each makes one request, then does nothing
//   node idle-http2-client.js streams HOST PORT PATH CONNECTIONS  calls of a gRPC method that echoes: one message,
//                                                                 then nothing, and neither side ends the stream
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { createInterface } from 'node:readline'

const AT_A_TIME = 32
/** One byte, not compressed. */
const MESSAGE = Buffer.from([0, 0, 0, 0, 1, 120])
const [mode, host = '', port = '', path = '', connections = '1'] = process.argv.slice(2)

async function openConnection(): Promise<ClientHttp2Session> {
  const session = connect(`http://${host}:${port}`)
  session.on('close', () => fail(new Error('closed by the server')))
  session.on('error', fail)
  await once(session, 'connect')
  return session
}

async function openIdle(): Promise<void> {
  const session = await openConnection()
  const stream = session.request({ ':path': path })
  checkStatus(stream)
  await once(stream.resume(), 'close')
}

let sessions: readonly ClientHttp2Session[] = []
let opened = 0

async function openStream(): Promise<void> {
  const session = sessions[opened++ % sessions.length]!
  const stream = session.request(
    { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
    { endStream: false },
  )
  checkStatus(stream)
  stream.on('close', () => fail(new Error('the stream was closed by the server')))
  stream.write(MESSAGE)
  const [echo] = (await once(stream, 'data')) as [Buffer]
  if (!echo.equals(MESSAGE)) throw new Error(`the server sent ${echo.toString('hex')}`)
}

function checkStatus(stream: ClientHttp2Stream): void {
  stream.on('response', ({ ':status': status }) => {
    if (status !== 200) fail(new Error(`the answer is ${status}`))
  })
  stream.on('error', fail)
}

function fail(error: Error): void {
  console.error(error)
  process.exit(1)
}

if (mode === 'streams')
  sessions = await Promise.all(Array.from({ length: Number(connections) }, openConnection))
const openOne = mode === 'streams' ? openStream : openIdle
for await (const line of createInterface({ input: process.stdin })) {
  const count = Number(line)
  for (let done = 0; done < count; done += AT_A_TIME) {
    await Promise.all(Array.from({ length: Math.min(AT_A_TIME, count - done) }, openOne))
  }
  console.log(count)
}
process.exit(0)
