// systemd as init, on a copy-on-write view of this machine's file system, in the network of a node: for units as they are.
import { type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { cleanEnvironment, type CommandOptions, type CommandResult, runCommand } from './command.ts'
import { type NodeNamespace } from './node-namespace.ts'
import { waitFor } from './wait.ts'

const BOOT_TIMEOUT_MS = 60_000
const END_TIMEOUT_MS = 20_000
/** What nspawn leaves of cgroups when no systemd runs it. */
const CGROUPS = ['/sys/fs/cgroup/unified', '/sys/fs/cgroup/systemd', '/sys/fs/cgroup'] as const

/**
 * In a mount namespace of its own, so that all of it goes with the machine. Its bpffs is empty.
 * $1: files that lie over those of this machine; $2: a folder to mount things on; then nspawn's arguments.
 */
const BOOT = `
layer=$1 work=$2; shift 2
mount -t tmpfs tmpfs "$work"
cp -a "$layer" "$work/layer"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$work/layer:/,upperdir=$work/upper,workdir=$work/work" "$work/root"
mount -t bpf bpf /sys/fs/bpf
exec systemd-nspawn --directory="$work/root" "$@"
`

interface Teardown {
  teardown(handler: () => Promise<void>): void
}

export class SystemdMachine {
  readonly #nspawn: ChildProcess
  readonly #leader: number

  private constructor(nspawn: ChildProcess, leader: number) {
    this.#nspawn = nspawn
    this.#leader = leader
  }

  /** @param layer files that the machine has beside, or instead of, those of this machine */
  static async boot(t: Teardown, node: NodeNamespace, layer: string): Promise<SystemdMachine> {
    const work = join(node.workDir, 'machine')
    mkdirSync(work, { recursive: true })
    const nspawn = node.spawn(
      [
        ...['unshare', '--mount', '--propagation=slave', 'sh', '-e', '-c', BOOT, 'sh', layer, work],
        ...[
          `--network-namespace-path=${node.path}`,
          '--bind=/sys/fs/bpf',
          `--bind=${layer}/etc/weir:/etc/weir`,
        ],
        ...[
          '--capability=all',
          '--system-call-filter=bpf',
          '--register=no',
          '--keep-unit',
          '--link-journal=no',
        ],
        ...[`--machine=${node.name.slice(0, 32)}`, '--console=pipe', '--boot', 'systemd.unit=basic.target'],
      ],
      // Settings can be written, as on a machine; nspawn's containers have them read-only.
      { detached: true, env: { ...cleanEnvironment(), SYSTEMD_NSPAWN_API_VFS_WRITABLE: 'yes' } },
    )
    let output = ''
    for (const stream of [nspawn.stdout, nspawn.stderr])
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()))
    const ended = once(nspawn, 'exit')
    let leader = -1
    t.teardown(async () => {
      process.kill(leader < 0 ? (nspawn.pid ?? -1) : leader, 'SIGKILL') // the end of systemd is that of the machine
      await ended
      await waitFor(removeCgroups, { what: 'cgroups of nspawn to be empty', timeoutMs: END_TIMEOUT_MS })
    })
    leader = await waitFor(() => initOf(nspawn), { what: 'systemd', timeoutMs: BOOT_TIMEOUT_MS })
    const machine = new SystemdMachine(nspawn, leader)
    await waitFor(() => machine.#hasBooted(), { what: 'systemd to be up', timeoutMs: BOOT_TIMEOUT_MS }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${output}`)
      },
    )
    return machine
  }

  async #hasBooted(): Promise<boolean> {
    if (this.#nspawn.exitCode !== null) throw new Error('systemd-nspawn has ended')
    const { stdout } = await this.exec(['systemctl', 'is-active', 'basic.target'], { check: false })
    return stdout.toString().trim() === 'active'
  }

  exec(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    const enter = ['nsenter', `--target=${this.#leader}`, '--mount', '--uts', '--ipc', '--net', '--pid', '--']
    // The test runner tells Node.js to load modules that the machine need not have.
    return runCommand([...enter, 'env', '--unset=NODE_OPTIONS', ...command], options)
  }

  /** Of a unit, e.g. `MainPID`. */
  async property(unit: string, name: string): Promise<string> {
    const { stdout } = await this.exec(['systemctl', 'show', '--value', `--property=${name}`, unit])
    return stdout.toString().trim()
  }
}

/** The child that has become systemd. */
function initOf({ pid, exitCode }: ChildProcess): number | undefined {
  if (exitCode !== null) throw new Error(`systemd-nspawn ended with ${exitCode}`)
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean)
  return children.map(Number).find((child) => readFileSync(`/proc/${child}/comm`, 'utf8') === 'systemd\n')
}

/** True when none is left. With those that systemd has made in them, from the innermost out. */
function removeCgroups(): boolean {
  const made = CGROUPS.flatMap((root) => ['payload', 'supervisor'].map((name) => join(root, name)))
  for (const path of made) if (existsSync(path)) removeTree(path)
  return true
}

/** A cgroup goes by rmdir, whatever files it shows. @throws Error while it has processes */
function removeTree(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) removeTree(join(path, entry.name))
  rmdirSync(path)
}
