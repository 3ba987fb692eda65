// docker/Dockerfile, built and run by a real engine with the flags that docs/operations.md names, in their words.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { packageRoot } from '../../../src/lib/paths.ts'
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
    const once = (...args: string[]): Promise<string> =>
      engine.docker('run', '--rm', ...flags.filter((flag) => !NAMED.includes(flag)), 'weir', ...args)

    t.test('it is not privileged, and the machine is fit for it', async (t) => {
      t.notOk(flags.includes('--privileged'))
      t.match(await once('doctor'), /capabilities +ok/)
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
      t.match(await once('cleanup'), /nothing of Weir is left/)
      t.equal(await status(other, addresses[0]!, '/ok'), 200, 'and then all is open')
    })
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
