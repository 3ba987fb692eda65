// kcat (librdkafka) in a namespace: as a client, and as the mock cluster of librdkafka.
import net from 'node:net'
import { type CommandOptions, type CommandResult } from './command.ts'
import { type Namespace } from './namespace.ts'
import { type Pod } from './node-namespace.ts'
import { dial, listenIn } from './tcp.ts'
import { waitFor } from './wait.ts'

const KCAT_TIMEOUT_MS = 60_000

export interface KcatResult extends CommandResult {
  readonly out: string
  readonly timeMs: number
}

/** Never rejects for how kcat ends. */
export async function kcat(
  from: Namespace,
  server: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<KcatResult> {
  const startedMs = performance.now()
  const result = await from.exec(['kcat', '-b', server, ...args], {
    check: false,
    timeoutMs: KCAT_TIMEOUT_MS,
    ...options,
  })
  return { ...result, out: result.stdout.toString(), timeMs: performance.now() - startedMs }
}

export interface MockCluster {
  /** Where a client in the client's pod finds it. */
  readonly server: string
  close(): void
}

/**
 * A mock cluster of one broker in `pod`, for clients in `client`. It listens on and tells clients of 127.0.0.1 only, so
 * connections there are carried from the client's pod to `port` of the mock's pod, through the network between them.
 */
export async function startMockCluster(pod: Pod, client: Pod, port: number): Promise<MockCluster> {
  // Not every build of kcat has `-M`, but each can be a producer that brings its own cluster and waits for input.
  const command = ['kcat', '-P', '-b', 'none', '-t', 'unused', '-X', 'test.mock.num.brokers=1']
  const child = pod.spawn(command, { stdio: ['pipe', 'ignore', 'pipe'], detached: true })
  let messages = ''
  child.stderr?.on('data', (chunk: Buffer) => (messages += chunk.toString()))
  const address = /replaced with 127\.0\.0\.1:(\d+)/
  const mockPort = Number(
    await waitFor(() => address.exec(messages)?.[1], { what: 'the mock cluster of kcat', timeoutMs: 30_000 }),
  )
  const front = await listenIn(client, forwarder(client, { host: pod.v4, port }), mockPort)
  const back = await listenIn(pod, forwarder(pod, { host: '127.0.0.1', port: mockPort }), port)
  return {
    server: `127.0.0.1:${mockPort}`,
    close() {
      for (const server of [front, back]) server.close()
      child.kill('SIGKILL')
    },
  }
}

/** Accepts anything and carries it on. */
function forwarder(from: Namespace, to: { readonly host: string; readonly port: number }): net.Server {
  return net.createServer({ allowHalfOpen: true }, (socket) => {
    const onward = dial(from, to)
    for (const [source, sink] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      source.on('error', () => sink.destroy())
      source.pipe(sink)
    }
  })
}
