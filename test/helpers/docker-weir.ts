// A weir that follows a Docker engine.
import { join } from 'node:path'
import { type Endpoint__Output } from '../../src/gen/weir/v1/Endpoint.ts'
import { type DockerEngine } from './docker-engine.ts'
import { waitFor } from './wait.ts'
import { type WeirOptions, WeirProcess } from './weir-process.ts'

interface WeirTest {
  teardown(handler: () => void): void
  passing(): boolean
  comment(message: string): void
}

/** Its log is shown if the test `t` fails. */
export async function startWeir(
  t: WeirTest,
  engine: DockerEngine,
  options: WeirOptions = {},
): Promise<WeirProcess> {
  const { node, socket } = engine
  const policies = join(node.workDir, 'policies')
  const command = ['run', '--docker', socket, '--policies', policies, '--workers', '1']
  const weir = await WeirProcess.start(node, { command, ...options })
  t.teardown(() => {
    if (!t.passing()) t.comment(`${weir.logText()}\n${engine.logText()}`)
  })
  return weir
}

/** As `weir endpoint list` shows it; undefined = it does not. */
export async function endpointNamed(weir: WeirProcess, name: string): Promise<Endpoint__Output | undefined> {
  const { endpoints } = (await weir.json('endpoint', 'list')) as { endpoints: Endpoint__Output[] }
  return endpoints.find((endpoint) => endpoint.name === name)
}

/** Resolves as soon as `weir endpoint list` shows it so. */
export async function endpointWhen(
  weir: WeirProcess,
  name: string,
  fits: (endpoint: Endpoint__Output | undefined) => boolean,
): Promise<Endpoint__Output | undefined> {
  let last: Endpoint__Output | undefined
  await waitFor(
    async () => {
      last = await endpointNamed(weir, name)
      return fits(last)
    },
    { what: `endpoint ${name} to change`, timeoutMs: 20_000 },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}; it is ${JSON.stringify(last)}\n${weir.logText()}`)
  })
  return last
}
