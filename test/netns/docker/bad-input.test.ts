// Sockets that are no Docker engine's, engines that are too old, containers that are in each other's way.
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { DockerEngine } from '../../helpers/docker-engine.ts'
import { endpointNamed, startWeir } from '../../helpers/docker-weir.ts'
import { NodeNamespace } from '../../helpers/node-namespace.ts'
import { statusOf } from '../../helpers/observed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { tryDial } from '../../helpers/tcp.ts'
import { WeirProcess } from '../../helpers/weir-process.ts'

const NOBODY = 65_534
/** Root that may not do everything, as in a container. */
const WITHOUT_OVERRIDE = ['setpriv', '--bounding-set', '-dac_override,-dac_read_search', '--']

if (canRunPrivileged(t)) {
  t.test('sockets', async (t) => {
    const node = NodeNamespace.forTest(t)
    const place = (name: string): string => join(node.workDir, name)
    mkdirSync(place('policies'))
    writeFileSync(place('file'), '')
    await listenOn(
      t,
      net.createServer((socket) => socket.end('220 mail ready\r\n')),
      place('mail'),
    )
    await listenOn(t, answering({ hello: 'world' }), place('web'))
    await listenOn(
      t,
      answering({ Version: '1.13.1', ApiVersion: '1.26', MinAPIVersion: '1.12' }),
      place('old'),
    )
    await listenOn(t, answering({}), place('forbidden'))
    chownSync(place('forbidden'), NOBODY, NOBODY)
    chmodSync(place('forbidden'), 0o600)
    const fail = async (socket: string, wrapper: readonly string[] = [], env = {}): Promise<string> => {
      const command = ['run', '--docker', place(socket), '--policies', place('policies')]
      const weir = await WeirProcess.start(node, { command, wrapper, env, waitReady: false })
      await weir.waitForEnd(30_000)
      t.equal(weir.process.exitCode, 1)
      return weir.logText()
    }
    const FAILURES: [string, RegExp, (readonly string[])?][] = [
      ['missing', /DOCKER_UNREACHABLE: .*missing: there is no such socket; start the engine/],
      ['file', /DOCKER_UNREACHABLE: .*file: nothing answers on it; start the engine/],
      ['forbidden', /DOCKER_UNREACHABLE: .*this process may not use it; run Weir as root/, WITHOUT_OVERRIDE],
      ['mail', /DOCKER_UNREACHABLE: .*is it the socket of a Docker engine/],
      [
        'web',
        /DOCKER_UNREACHABLE: .*web is not the socket of a Docker engine: GET \/version .*--docker SOCKET/,
      ],
      [
        'old',
        /DOCKER_UNSUPPORTED: .*engine 1.13.1 speaks API 1.26, 1.41 is needed; install Docker Engine 20.10/,
      ],
    ]
    for (const [socket, expected, wrapper] of FAILURES) t.match(await fail(socket, wrapper), expected, socket)
    t.notMatch(node.execSync(['ip', '-br', 'link']), /weir0/, 'nothing was set up')
  })

  t.test('with a real engine', async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node)
    const web = await engine.run('web')
    const policies = join(node.workDir, 'policies')
    const named = join(node.workDir, 'endpoints.yaml')
    mkdirSync(policies)

    t.test('without nft, unknown ports could not be closed: nothing is started', async (t) => {
      const tools = join(node.workDir, 'tools')
      mkdirSync(tools)
      for (const folder of ['/usr/sbin', '/usr/bin', '/sbin', '/bin']) linkAll(folder, tools, 'nft')
      const command = ['run', '--docker', engine.socket, '--policies', policies]
      const weir = await WeirProcess.start(node, { command, env: { PATH: tools }, waitReady: false })
      await weir.waitForEnd(30_000)
      t.match(weir.logText(), /KERNEL_UNSUPPORTED: close unknown ports of bridges: .*; install nftables/)
      t.notMatch(node.execSync(['ip', '-br', 'link']), /weir0/, 'nothing was set up')
    })

    t.test('beside an endpoints file, which goes first', async (t) => {
      const pod = node.addPod({ name: 'pod', v4: '10.244.0.9', v6: 'fd00:244::9' })
      const endpoint = (name: string): string =>
        JSON.stringify([{ name, labels: {}, device: pod.device, addresses: [pod.v4, pod.v6] }])
      writeFileSync(named, endpoint('web'))
      const args = ['--endpoints', named, '--docker', engine.socket, '--policies', policies]
      const weir = await startWeir(t, engine, { command: ['run', ...args, '--workers', '1'] })
      t.match(await endpointNamed(weir, 'web'), { addresses: [pod.v4, pod.v6], state: 'ready' })
      const { problems } = await statusOf(weir)
      t.match(problems.join('\n'), /container web is closed: the endpoints file has an endpoint of this name/)
      const { stdout } = await weir.cli(['endpoint', 'list'])
      t.match(stdout.toString(), /default\/web .* closed +closed +not-enforceable/)
      const { v4 } = await engine.addressesOf('web')
      t.equal(await tryDial(web, { host: pod.v4, port: 80 }, 300), 'timeout', `${v4} cannot talk`)

      writeFileSync(named, endpoint('pod'))
      await weir.waitForLog((line) => line['endpoint'] === 'default/web' || line.msg === 'policy in force', {
        what: 'the change',
      })
      t.equal(await dialUntilRefused(web, pod.v4), 'refused', 'both are open')
    })
  })
}

async function dialUntilRefused(from: Parameters<typeof tryDial>[0], host: string): Promise<string> {
  for (let attempt = 0; attempt < 20; attempt++) {
    const outcome = await tryDial(from, { host, port: 80 })
    if (outcome !== 'timeout') return outcome
  }
  return 'timeout'
}

function answering(value: unknown): http.Server {
  return http.createServer((_request, response) => response.end(JSON.stringify(value)))
}

async function listenOn(
  t: { teardown(handler: () => void): void },
  server: net.Server,
  path: string,
): Promise<void> {
  await new Promise<void>((resolve) => void server.listen(path, resolve))
  t.teardown(() => server.close())
}

/** Links to all programs of a folder but one. */
function linkAll(from: string, to: string, except: string): void {
  const known = new Set(readdirSync(to))
  for (const name of readdirSync(from)) {
    if (name !== except && !known.has(name)) symlinkSync(join(from, name), join(to, name))
  }
}
