// A real gRPC server behind every proxy, and a call as h2load sends it.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { untilUp } from './child.ts'
import { onOthersCore } from './pinning.ts'
import { GRPC } from './rules.ts'

export async function startGrpcServer(pod: Namespace): Promise<void> {
  const program = join(packageRoot(), 'dist', 'test', 'helpers', 'grpc-peer.js')
  const command = [process.execPath, program, 'serve', String(GRPC.port)]
  const child = pod.spawn(onOthersCore(command), { detached: true })
  let out = ''
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()))
  await untilUp(child, `the gRPC server in ${pod.name}`, () => out.includes('ready'))
}

/** Arguments of h2load that make its requests unary calls. */
export function unaryCall(directory: string): string[] {
  const file = join(directory, 'message')
  // RFC-less, but fixed: not compressed, length, message.
  writeFileSync(file, Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, 'x')]))
  return ['--data', file, '--header', 'content-type: application/grpc', '--header', 'te: trailers']
}
