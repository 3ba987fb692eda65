// docker/Dockerfile, built and run by a real engine with the flags that docs/operations.md names, in their words; and the
// demo of docker/compose.yaml with that image.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { packageRoot } from '../../../src/lib/paths.ts'
import { cleanEnvironment } from '../../helpers/command.ts'
import { curl } from '../../helpers/curl.ts'
import { DockerEngine } from '../../helpers/docker-engine.ts'
import { startHttpServer } from '../../helpers/http-server.ts'
import { importImage } from '../../helpers/image-files.ts'
import { isRunning } from '../../helpers/namespace.ts'
import { fromPods, networkPolicy, onHttp } from '../../helpers/network-policy.ts'
import { NodeNamespace, urlOf } from '../../helpers/node-namespace.ts'
import { packWithDependencies } from '../../helpers/packed.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { waitFor } from '../../helpers/wait.ts'

const BASE = 'weir-test/base'
const SHIPS = 'weir-test/ships'
const ROWS = 10
const SLOW_MS = 60_000
const SHORT_MS = 500
const NAMED = ['-d', '--name', 'weir', '--restart', 'unless-stopped']

if (canRunPrivileged(t)) {
  t.test('image', async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node)
    await importImage(engine, BASE, { programs: ['node', 'ip', 'tc', 'nft'], libraries: ['libbpf.so.1'] })
    await build(engine)
    const flags = await documentedFlags(engine)
    const weir = (...args: string[]): Promise<string> => engine.docker('exec', 'weir', 'weir', ...args)
    const weirOnce = (...args: string[]): Promise<string> =>
      engine.docker('run', '--rm', ...flags.filter((flag) => !NAMED.includes(flag)), 'weir', ...args)

    t.test('it is not privileged, and the machine is fit for it', async (t) => {
      t.notOk(flags.includes('--privileged'))
      t.match(await weirOnce('doctor'), /capabilities +ok/)
    })

    t.test('it holds no compiler and nothing to build with', async (t) => {
      const shell = (script: string): Promise<string> =>
        engine.docker('run', '--rm', '--entrypoint', 'sh', 'weir', '-c', script)
      t.equal(await shell('for tool in clang gcc cc tsc npm; do command -v $tool; done; true'), '')
      const [beside, modules] = (await shell('ls /opt/weir; echo; ls /opt/weir/node_modules')).split('\n\n')
      t.notMatch(beside, /^(test|src|bpf)$/m)
      t.match(modules, /^koffi$/m)
      t.notMatch(modules, /^(typescript|tap|eslint)$/m)
    })

    t.test('a flag that is left out', async (t) => {
      const without = async (flag: RegExp): Promise<string> => {
        const kept = flags.filter((word, index) => !flag.test(word) && !flag.test(flags[index + 1] ?? ''))
        const command = ['run', '--rm', ...kept.filter((word) => !NAMED.includes(word)), 'weir']
        return engine.docker(...command).then(() => 'it runs', String)
      }
      mkdirSync(join(node.workDir, 'etc/policies'), { recursive: true })
      t.match(await without(/systempaths/), /KERNEL_UNSUPPORTED: .*\/proc\/sys\/net.*systempaths=unconfined/)
      t.match(await without(/docker\.sock/), /DOCKER_UNREACHABLE: .*docker\.sock/)
      t.match(await without(/\/etc\/weir/), /--policies.*\/etc\/weir\/policies/)
      t.match(await without(/NET_ADMIN/), /NOT_PRIVILEGED: weir lacks CAP_NET_ADMIN/)
    })

    t.test('it enforces policy on containers', async (t) => {
      const allow = { ingress: [{ ...fromPods('client'), ...onHttp(80, { path: '/ok' }) }] }
      writeFileSync(join(node.workDir, 'etc/policies/server.yaml'), stringify(networkPolicy('server', allow)))
      await engine.docker('run', ...flags, '--health-interval', '1s', 'weir')
      t.teardown(async () => {
        if (!t.passing()) t.comment(await engine.docker('logs', 'weir').catch(String))
      })
      const health = (): Promise<string> => engine.docker('inspect', '-f', '{{.State.Health.Status}}', 'weir')
      await waitFor(async () => (await health()) === 'healthy', {
        what: 'a healthy container',
        timeoutMs: SLOW_MS,
      })

      await engine.addNetwork('web', 1)
      const server = await engine.run('server', { network: 'web', labels: { app: 'server' } })
      const client = await engine.run('client', { network: 'web', labels: { app: 'client' } })
      const other = await engine.run('other', { network: 'web', labels: { app: 'other' } })
      const site = await startHttpServer(server, { port: 80 })
      t.teardown(() => site.close())
      const addresses = Object.values(await engine.addressesOf('server', 'web'))
      const status = async (from: typeof client, address: string, path: string): Promise<number> =>
        (await curl(from, urlOf(address, path), { connectTimeoutMs: SHORT_MS })).status
      const isEnforced = async (what: string): Promise<void> => {
        await waitFor(async () => (await status(client, addresses[0]!, '/ok')) === 200, {
          what,
          timeoutMs: SLOW_MS,
        })
        for (const address of addresses) {
          t.equal(await status(client, address, '/ok'), 200, `${what}: ${address}`)
          t.equal(await status(client, address, '/no'), 403, `${what}: ${address}`)
          t.equal(await status(other, address, '/ok'), 0, `${what}: ${address}`)
        }
      }
      await isEnforced('at first')
      t.match(await weir('endpoint', 'list'), /default\/server/)

      const started = JSON.parse(await weir('status', '-o', 'json')) as Status
      process.kill(started.pid, 'SIGKILL')
      await waitFor(() => !started.workers.some(({ pid }) => isRunning(pid)), {
        what: 'workers to end with their agent',
        timeoutMs: SLOW_MS,
      })
      await isEnforced('after a crash')

      await engine.docker('rm', '-f', 'weir')
      t.equal(
        await status(client, addresses[0]!, '/ok'),
        0,
        'without a proxy, ports under L7 policy are closed',
      )
      t.equal(await status(other, addresses[0]!, '/ok'), 0)
      t.match(await weirOnce('cleanup'), /nothing of Weir is left/)
      t.equal(await status(other, addresses[0]!, '/ok'), 200, 'and then all is open')
    })

    t.test('the demo', async (t) => {
      await importShips(engine)
      const nothingLeft = async (what: string): Promise<void> => {
        for (const kind of [
          ['ps', '-a'],
          ['network', 'ls'],
          ['volume', 'ls'],
        ])
          t.notMatch(await engine.docker(...kind), /weir-demo/, `${what}: ${kind.join(' ')}`)
        t.notMatch(node.execSync(['ip', 'link']), /weir0/, what)
        t.notOk(existsSync(node.bpffsDir), what)
      }

      const killed = startDemo(engine)
      await killed.says('Ctrl-C')
      killed.process.kill('SIGKILL')
      await killed.ended
      t.match(await engine.docker('ps'), /weir-demo-weir-1/, 'it cannot tidy up any more')

      const next = startDemo(engine, ['--once'])
      t.equal(await next.ended, 0, 'exit code')
      t.match(next.output(), /removed what an earlier demo had left/)
      t.match(next.output(), /Every outcome is right\./)
      t.equal(next.output().match(/ (kernel|proxy)$/gm)?.length, ROWS, 'each row says where it was decided')
      if (!t.passing()) t.comment(next.output())
      await nothingLeft('after the table')

      const interrupted = startDemo(engine)
      await interrupted.says('images and containers')
      interrupted.process.kill('SIGINT')
      t.equal(await interrupted.ended, 130)
      if (!t.passing()) t.comment(interrupted.output())
      await nothingLeft('after Ctrl-C')

      const blind = startDemo(engine, [], { DOCKER_HOST: 'unix:///nonexistent' })
      t.equal(await blind.ended, 1)
      t.match(blind.output(), /error: no Docker engine answers: .*unix:\/\/\/nonexistent/)
      node.ip('link add weir0 type veth peer name weir1', 'link set weir1 up', 'link set weir0 up')
      node.ip('address add 169.254.119.101/32 dev weir0')
      const second = startDemo(engine)
      t.equal(await second.ended, 1)
      t.match(second.output(), /error: Weir is at work on this machine already/)
    })
  })
}

interface Demo {
  readonly process: ChildProcess
  output(): string
  /** Resolves when it has printed this. */
  says(text: string): Promise<void>
  /** Exit code. */
  readonly ended: Promise<number | null>
}

/** `npm run demo:docker -- ARGS` without the set-up, in the network of the engine. */
function startDemo(engine: DockerEngine, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Demo {
  const { node, socket } = engine
  const script = join(packageRoot(), 'scripts', 'demo.mjs')
  const child = node.spawn([process.execPath, script, '--docker', '--no-setup', ...args], {
    env: {
      ...cleanEnvironment(),
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_SOCKET: socket,
      DOCKER_CONFIG: node.workDir,
      WEIR_IMAGE: 'weir',
      WEIR_STATE_DIR: node.stateDir,
      NGINX_IMAGE: SHIPS,
      CURL_IMAGE: SHIPS,
      ...env,
    },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
  const ended = once(child, 'close').then(() => child.exitCode)
  const says = async (text: string): Promise<void> => {
    await waitFor(() => output.includes(text) || child.exitCode !== null, { what: text, timeoutMs: SLOW_MS })
    if (!output.includes(text)) throw new Error(`the demo ended before it said "${text}":\n${output}`)
  }
  return { process: child, output: () => output, says, ended }
}

/** One image for all of them: nginx, curl, and a root that nginx can look up. */
async function importShips(engine: DockerEngine): Promise<void> {
  const { workDir } = engine.node
  writeFileSync(join(workDir, 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n')
  writeFileSync(join(workDir, 'group'), 'root:x:0:\n')
  await importImage(engine, SHIPS, {
    programs: ['nginx', 'curl'],
    files: { [join(workDir, 'passwd')]: 'etc/passwd', [join(workDir, 'group')]: 'etc/group' },
  })
}

interface Status {
  readonly pid: number
  readonly workers: readonly { readonly pid: number }[]
}

/** From a packed file with its dependencies, and a base image that lacks nothing: no registry is asked. */
async function build(engine: DockerEngine): Promise<void> {
  const context = join(engine.node.workDir, 'context')
  mkdirSync(context)
  const tarball = await packWithDependencies(join(engine.node.workDir, 'packed'))
  copyFileSync(tarball, join(context, basename(tarball)))
  const values = [`NODE_IMAGE=${BASE}`, `BASE_IMAGE=${BASE}`, `PACKAGE=${basename(tarball)}`]
  const dockerfile = join(packageRoot(), 'docker', 'Dockerfile')
  await engine.build(
    '-f',
    dockerfile,
    '-t',
    'weir',
    ...values.flatMap((value) => ['--build-arg', value]),
    context,
  )
}

/** Of `docker run`, without the name of the image; places of the host are those of the test. */
async function documentedFlags(engine: DockerEngine): Promise<string[]> {
  const text = readFileSync(join(packageRoot(), 'docs', 'operations.md'), 'utf8')
  const command = /^docker run (-d --name weir [^]*?) weir$/m.exec(text)?.[1]
  if (command === undefined) throw new Error('docs/operations.md has no `docker run -d --name weir ... weir`')
  const { node, socket } = engine
  const places: Readonly<Record<string, string>> = {
    '/sys/fs/bpf': node.bpffsDir,
    '/run/weir': node.stateDir,
    '/var/run/docker.sock': socket,
    '/etc/weir': join(node.workDir, 'etc'),
  }
  mkdirSync(node.bpffsDir)
  const flags = command.split(/[\s\\]+/).map((word) => {
    const [host = '', ...rest] = word.split(':')
    return rest.length === 0 ? word : [places[host] ?? host, ...rest].join(':')
  })
  return (await knowsBpf(engine)) ? flags : withoutBpf(flags)
}

/** As documented: engines of before CAP_BPF have CAP_SYS_ADMIN for it. */
function withoutBpf(flags: readonly string[]): string[] {
  return flags.flatMap((flag, index) => {
    if (flag === 'BPF') return 'SYS_ADMIN'
    return flag === 'PERFMON' || flags[index + 1] === 'PERFMON' ? [] : flag
  })
}

async function knowsBpf(engine: DockerEngine): Promise<boolean> {
  const attempt = engine.docker('run', '--rm', '--cap-add', 'BPF', BASE, 'true')
  return attempt.then(
    () => true,
    (error: unknown) => {
      if (String(error).includes('unknown capability')) return false
      throw error
    },
  )
}
