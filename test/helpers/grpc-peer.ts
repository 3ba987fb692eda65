// A gRPC server or client of grpc-js as a process of its own, because grpc-js makes its own sockets: run in a
// namespace. `serve PORT` prints "ready"; `call HOST:PORT` prints one JSON object of what happened (GrpcReport).
// Messages are bytes; there is no schema.
import { once } from 'node:events'
import grpc from '@grpc/grpc-js'

export interface GrpcReport {
  /** Of the parallel calls: status code -> how many. */
  readonly unary: Readonly<Record<string, number>>
  /** Calls whose answer was not what it should be. */
  readonly mismatches: number
  readonly deniedMessage: string
  readonly largeBytes: number
  readonly serverStreamed: number
  readonly clientStreamed: number
  readonly bidiEchoed: number
  /** Most messages that were written before the peer had read as many, of a peer that reads slowly. */
  readonly bidiAhead: number
  readonly deniedBidi: { readonly code: number; readonly message: string }
  /** A unary call that went on beside everything that was denied. */
  readonly afterwards: number
}

const UNARY_CALLS = 1_000
const STREAMED = 3_000
const LARGE_BYTES = 20_000_000
const MESSAGE_BYTES = 8_192

const bytes = (value: Buffer): Buffer => value
const method = (
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): grpc.MethodDefinition<Buffer, Buffer> => ({
  path: `/test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: bytes,
  requestDeserialize: bytes,
  responseSerialize: bytes,
  responseDeserialize: bytes,
})
const SERVICE = {
  unary: method('Unary', false, false),
  secret: method('Secret', false, false),
  download: method('Download', false, true),
  upload: method('Upload', true, false),
  chat: method('Chat', true, true),
  secretChat: method('SecretChat', true, true),
}
const OPTIONS = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 }

async function serve(port: number): Promise<void> {
  const server = new grpc.Server(OPTIONS)
  const unary: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    if (call.request.toString() === 'fail') callback({ code: grpc.status.NOT_FOUND, details: 'as asked' })
    else callback(null, call.request)
  }
  const chat: grpc.handleBidiStreamingCall<Buffer, Buffer> = (call) => {
    call.on('data', (message: Buffer) => {
      if (call.write(message)) return
      call.pause()
      call.once('drain', () => call.resume())
    })
    call.on('end', () => call.end())
  }
  server.addService(SERVICE, {
    unary,
    secret: unary,
    download: (call: grpc.ServerWritableStream<Buffer, Buffer>) => {
      void (async () => {
        for (let i = 0; i < STREAMED; i++) {
          if (!call.write(Buffer.alloc(MESSAGE_BYTES, i))) await once(call, 'drain')
        }
        call.end()
      })()
    },
    upload: (call: grpc.ServerReadableStream<Buffer, Buffer>, callback: grpc.sendUnaryData<Buffer>) => {
      let count = 0
      call.on('data', () => count++)
      call.on('end', () => callback(null, Buffer.from(String(count))))
    },
    chat,
    secretChat: chat,
  })
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`[::]:${port}`, grpc.ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  console.log('ready')
}

class EchoClient extends grpc.Client {
  unary(
    name: 'unary' | 'secret',
    request: Buffer,
  ): Promise<{ code: number; message: string; answer: Buffer }> {
    const { path } = SERVICE[name]
    return new Promise((resolve) => {
      this.makeUnaryRequest(path, bytes, bytes, request, (error, answer) =>
        resolve({
          code: error?.code ?? 0,
          message: error?.details ?? '',
          answer: answer ?? Buffer.alloc(0),
        }),
      )
    })
  }

  chat(path: string): grpc.ClientDuplexStream<Buffer, Buffer> {
    return this.makeBidiStreamRequest(path, bytes, bytes)
  }
}

async function call(target: string): Promise<GrpcReport> {
  const client = new EchoClient(target, grpc.credentials.createInsecure(), OPTIONS)
  const unary: Record<string, number> = {}
  let mismatches = 0
  let deniedMessage = ''
  await Promise.all(
    Array.from({ length: UNARY_CALLS }, async (_, i) => {
      const request = Buffer.from(i % 3 === 2 ? 'fail' : `call ${i} ${'x'.repeat(i)}`)
      const { code, message, answer } = await client.unary(i % 3 === 1 ? 'secret' : 'unary', request)
      unary[code] = (unary[code] ?? 0) + 1
      if (code === 7) deniedMessage = message
      const expected = [0, 7, 5][i % 3]
      if (code !== expected || (code === 0 && !answer.equals(request))) mismatches++
    }),
  )
  const large = await client.unary('unary', Buffer.alloc(LARGE_BYTES, 7))

  let serverStreamed = 0
  const download = client.makeServerStreamRequest(SERVICE.download.path, bytes, bytes, Buffer.alloc(0))
  for await (const _message of download as AsyncIterable<Buffer>) {
    serverStreamed++
    // Slower than the server.
    if (serverStreamed % 300 === 0) await new Promise((resolve) => setTimeout(resolve, 20))
  }

  const uploaded = new Promise<number>((resolve, reject) => {
    const upload = client.makeClientStreamRequest(SERVICE.upload.path, bytes, bytes, (error, answer) =>
      error === null ? resolve(Number(answer?.toString())) : reject(error),
    )
    void (async () => {
      for (let i = 0; i < STREAMED; i++) {
        if (!upload.write(Buffer.alloc(MESSAGE_BYTES))) await once(upload, 'drain')
      }
      upload.end()
    })()
  })
  const clientStreamed = await uploaded
  const bidi = await chatSlowly(client)
  const deniedBidi = await new Promise<GrpcReport['deniedBidi']>((resolve) => {
    const stream = client.chat(SERVICE.secretChat.path)
    stream.on('error', (error: grpc.ServiceError) => resolve({ code: error.code, message: error.details }))
    stream.on('data', () => undefined)
    for (let i = 0; i < 50; i++) stream.write(Buffer.alloc(MESSAGE_BYTES))
  })
  const { code: afterwards } = await client.unary('unary', Buffer.from('afterwards'))
  client.close()
  return {
    unary,
    mismatches,
    deniedMessage,
    largeBytes: large.answer.length,
    serverStreamed,
    clientStreamed,
    ...bidi,
    deniedBidi,
    afterwards,
  }
}

/** Writes as fast as it may; reads slowly. */
async function chatSlowly(client: EchoClient): Promise<{ bidiEchoed: number; bidiAhead: number }> {
  const stream = client.chat(SERVICE.chat.path)
  let [written, bidiEchoed, bidiAhead] = [0, 0, 0]
  const writing = (async () => {
    for (; written < STREAMED; written++) {
      bidiAhead = Math.max(bidiAhead, written - bidiEchoed)
      if (!stream.write(Buffer.alloc(MESSAGE_BYTES))) await once(stream, 'drain')
    }
    stream.end()
  })()
  for await (const _message of stream as AsyncIterable<Buffer>) {
    bidiEchoed++
    if (bidiEchoed < 20) await new Promise((resolve) => setTimeout(resolve, 25))
  }
  await writing
  return { bidiEchoed, bidiAhead }
}

const [mode, argument = ''] = process.argv.slice(2)
if (process.argv[1] === import.meta.filename) {
  if (mode === 'serve') await serve(Number(argument))
  else console.log(JSON.stringify(await call(argument)))
}
