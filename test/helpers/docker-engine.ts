// A real Docker engine of a test's own, inside a node: its bridges, veths and iptables rules are those of the node's
// network namespace, its mounts those of a mount namespace of its own, its files in the node's folder.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { cleanEnvironment, type CommandOptions, type CommandResult, runCommand, runSync } from './command.ts'
import { killNow, Namespace } from './namespace.ts'
import { type NodeNamespace } from './node-namespace.ts'
import { waitFor } from './wait.ts'

/** What containers of tests are made of: busybox alone, so that no registry is needed. */
export const IMAGE = 'weir-test/busybox'
const APPLETS = ['sh', 'sleep', 'nc', 'nslookup', 'ip']
const BUSYBOX = '/bin/busybox'
/** Longer than any test; and an end, should something survive one. */
const LIFE_SECONDS = 600
const START_TIMEOUT_MS = 30_000
const BUILD_TIMEOUT_MS = 200_000

interface Teardown {
  teardown(handler: () => unknown): void
}

export interface RunOptions {
  /** Default: the engine's own bridge. */
  readonly network?: string
  readonly labels?: Readonly<Record<string, string>>
  /** More arguments of `docker run`. */
  readonly args?: readonly string[]
  /** Default: sleep. */
  readonly command?: readonly string[]
}

/** The network namespace of a container that runs; processes of the test in it see the machine's own files. */
export class Container extends Namespace {
  readonly id: string
  readonly pid: number

  constructor(name: string, id: string, pid: number) {
    super(name)
    this.id = id
    this.pid = pid
  }

  override get path(): string {
    return `/proc/${this.pid}/ns/net`
  }
}

export class DockerEngine {
  readonly node: NodeNamespace
  readonly #dir: string
  readonly #cgroup: string
  readonly #args: readonly string[]
  #process: ChildProcess | undefined
  #holder: ChildProcess | undefined

  private constructor(node: NodeNamespace, args: readonly string[]) {
    this.node = node
    this.#args = args
    this.#dir = join(node.workDir, 'docker')
    this.#cgroup = node.name
    for (const folder of ['data', 'exec', 'cli']) mkdirSync(join(this.#dir, folder), { recursive: true })
    // Not the machine's.
    writeFileSync(join(this.#dir, 'daemon.json'), '{}\n')
  }

  /** Gone when the test `t` ends, with its containers. `args`: more of dockerd. */
  static async start(t: Teardown, node: NodeNamespace, args: readonly string[] = []): Promise<DockerEngine> {
    const engine = new DockerEngine(node, args)
    // t.teardown does not run when tap ends a file that takes too long.
    const onExit = (): void => engine.destroy()
    process.once('exit', onExit)
    t.teardown(() => {
      process.removeListener('exit', onExit)
      engine.destroy()
    })
    await engine.start()
    await engine.#importImage()
    return engine
  }

  get socket(): string {
    return join(this.#dir, 'docker.sock')
  }

  /** Again, after `kill`. Resolves when it answers. */
  async start(): Promise<void> {
    const log = openSync(join(this.#dir, 'log'), 'a')
    const dockerd = [
      'dockerd',
      ...['--config-file', join(this.#dir, 'daemon.json')],
      ...['--data-root', join(this.#dir, 'data'), '--exec-root', join(this.#dir, 'exec')],
      ...['--pidfile', join(this.#dir, 'pid'), '-H', `unix://${this.socket}`],
      ...['--cgroup-parent', `/${this.#cgroup}`, '--shutdown-timeout', '1'],
      ...this.#args,
    ]
    const path = `/usr/local/sbin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}`
    const mounts = `--mount=/proc/${await this.#mountNamespace()}/ns/mnt`
    this.#process = this.node.spawn(['nsenter', mounts, '--', ...dockerd], {
      stdio: ['ignore', log, log],
      env: { ...cleanEnvironment(), PATH: path },
      detached: true,
    })
    closeSync(log)
    await waitFor(async () => (await this.#run(['version'], { check: false })).code === 0, {
      what: 'the Docker engine to answer',
      timeoutMs: START_TIMEOUT_MS,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.logText()}`)
    })
  }

  /** A process that keeps the mounts of the engine, which those of its containers hang on, when it is killed. */
  async #mountNamespace(): Promise<number> {
    if (this.#holder === undefined) {
      // Places that no option of the engine moves elsewhere.
      const mounts = ['/run/docker', '/run/containerd']
        .map((place) => `mkdir -p ${place} && mount -t tmpfs none ${place}`)
        .join(' && ')
      const script = `${mounts} && echo ready && exec sleep ${LIFE_SECONDS}`
      const holder = this.node.spawn(['unshare', '--mount', 'sh', '-ec', script])
      await once(holder.stdout!, 'data')
      this.#holder = holder
    }
    return this.#holder.pid ?? -1
  }

  /** SIGKILL, to its containerd, too: its containers live on. Resolves when both are gone. */
  kill(): void {
    killNow(this.#process?.pid ?? -1)
    const pidFile = join(this.#dir, 'exec', 'containerd', 'containerd.pid')
    if (!existsSync(pidFile)) return
    killNow(Number(readFileSync(pidFile, 'utf8')))
    // The next engine would take one that is dead and not reaped yet for alive, and wait for it in vain.
    rmSync(pidFile)
  }

  /** `docker ARGS`. @returns what it printed, without the last line's end. Rejects when it fails. */
  async docker(...args: string[]): Promise<string> {
    return (await this.#run(args)).stdout.toString().trimEnd()
  }

  /** `docker build ARGS`, with the builder that needs no plugin. @returns what it printed. Rejects when it fails. */
  async build(...args: string[]): Promise<string> {
    const options = { timeoutMs: BUILD_TIMEOUT_MS, environment: { DOCKER_BUILDKIT: '0' } }
    return (await this.#run(['build', ...args], options)).stdout.toString()
  }

  /** `docker run -d`. Resolves when the container runs. */
  async run(name: string, options: RunOptions = {}): Promise<Container> {
    const { network, labels = {}, args = [], command = ['sleep', String(LIFE_SECONDS)] } = options
    await this.docker(
      ...['run', '-d', '--name', name, ...args],
      ...(network === undefined ? [] : ['--network', network]),
      ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
      ...[IMAGE, ...command],
    )
    return this.container(name)
  }

  async container(name: string): Promise<Container> {
    const [id = '', pid = ''] = (await this.docker('inspect', '-f', '{{.Id}} {{.State.Pid}}', name)).split(
      ' ',
    )
    return new Container(name, id, Number(pid))
  }

  /** Its addresses on a network. */
  async addressesOf(name: string, network = 'bridge'): Promise<{ v4: string; v6: string }> {
    const settings = `(index .NetworkSettings.Networks ${JSON.stringify(network)})`
    const format = `{{${settings}.IPAddress}} {{${settings}.GlobalIPv6Address}}`
    const [v4 = '', v6 = ''] = (await this.docker('inspect', '-f', format, name)).split(' ')
    return { v4, v6 }
  }

  /** A bridge network with IPv4 and IPv6. `number` makes its addresses differ from others'. */
  async addNetwork(name: string, number: number, args: readonly string[] = []): Promise<void> {
    const v6 = ['--ipv6', '--subnet', `fd00:d0c:${number}::/64`]
    await this.docker('network', 'create', '--subnet', `172.31.${number}.0/24`, ...v6, ...args, name)
  }

  logText(): string {
    return readFileSync(join(this.#dir, 'log'), 'utf8').split('\n').slice(-30).join('\n')
  }

  /** Containers, engine, cgroups; files go with the node. Fine to call twice. */
  destroy(): void {
    for (const pid of this.#containerPids()) killNow(pid)
    for (const pid of this.node.pids()) killNow(pid)
    for (const parent of cgroupRoots()) removeCgroup(join(parent, this.#cgroup))
  }

  /** First processes of containers: children of the shims, in namespaces of their own. */
  #containerPids(): number[] {
    return this.node.pids().flatMap((pid) => {
      if (!read(`/proc/${pid}/cmdline`).includes('containerd-shim')) return []
      const threads = list(`/proc/${pid}/task`)
      return threads.flatMap((thread) => {
        return read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number)
      })
    })
  }

  async #importImage(): Promise<void> {
    const root = join(this.#dir, 'image')
    mkdirSync(join(root, 'bin'), { recursive: true })
    copyFileSync(BUSYBOX, join(root, 'bin', 'busybox'))
    for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet))
    const archive = join(this.#dir, 'image.tar')
    runSync(['tar', '-C', root, '-cf', archive, '.'])
    await this.docker('import', archive, IMAGE)
  }

  #run(
    args: readonly string[],
    { environment = {}, ...options }: CommandOptions & { readonly environment?: NodeJS.ProcessEnv } = {},
  ): Promise<CommandResult> {
    const env = {
      ...cleanEnvironment(),
      ...environment,
      DOCKER_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: join(this.#dir, 'cli'),
    }
    return runCommand(['docker', ...args], { env, timeoutMs: 60_000, ...options })
  }
}

/** Of cgroups version 2, and of each hierarchy of version 1. */
function cgroupRoots(): string[] {
  const root = '/sys/fs/cgroup'
  return [root, ...list(root).map((name) => join(root, name))]
}

/** Only folders can be removed there, and only once their processes are gone for good. */
function removeCgroup(path: string): void {
  if (!existsSync(path)) return
  for (const name of list(path)) removeCgroup(join(path, name))
  for (let attempt = 0; attempt < 100; attempt++) {
    try {
      rmdirSync(path)
      return
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'EBUSY') return
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
