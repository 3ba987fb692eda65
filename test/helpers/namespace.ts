// One network namespace: processes and sockets in it.
import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { cleanEnvironment, type CommandOptions, type CommandResult, runCommand, runSync } from './command.ts'

const CLONE_NEWNET = 0x4000_0000
const setns = koffi.load('libc.so.6').func('int setns(int fd, int nstype)') as (
  fd: number,
  type: number,
) => number

export class Namespace {
  readonly name: string

  constructor(name: string) {
    this.name = name
  }

  get path(): string {
    return `/run/netns/${this.name}`
  }

  /** @throws Error when a namespace of this name exists already */
  create(): void {
    runSync(['ip', 'netns', 'add', this.name])
  }

  /** `ip netns exec` would mount another /sys, without the pins of bpffs; nsenter leaves it alone. */
  command(command: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...command]
  }

  exec(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand(this.command(command), options)
  }

  execSync(command: readonly string[], input = ''): string {
    return runSync(this.command(command), input)
  }

  /** One `ip` process for many lines, e.g. `link set lo up`. */
  ip(...lines: string[]): void {
    this.execSync(['ip', '-batch', '-'], lines.join('\n') + '\n')
  }

  /** Keys as in /proc/sys with dots or slashes, e.g. `net.ipv4.ip_forward`. Only net.* belongs to the namespace. */
  sysctl(settings: Readonly<Record<string, string | number>>): void {
    const lines = Object.entries(settings).map(([key, value]) => {
      if (!key.startsWith('net.')) throw new Error(`${key} is not a setting of a network namespace`)
      return `echo ${value} > /proc/sys/${key.includes('/') ? key : key.replaceAll('.', '/')}`
    })
    this.execSync(['sh', '-e'], lines.join('\n') + '\n')
  }

  /** The child has the pid of the command itself. `destroy` kills it if it still runs then. */
  spawn(command: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const [file = '', ...args] = this.command(command)
    return spawn(file, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'], ...options })
  }

  /**
   * Run `action` with this thread inside the namespace. What it makes synchronously (sockets, children)
   * stays there; it must not await. See tcp.ts for sockets that are used by this process.
   */
  enter<T>(action: () => T): T {
    const home = openSync('/proc/thread-self/ns/net', 'r')
    const there = openSync(this.path, 'r')
    try {
      if (setns(there, CLONE_NEWNET) !== 0) throw new Error(`setns to ${this.name}: errno ${koffi.errno()}`)
      try {
        return action()
      } finally {
        // Anything else that this process did would happen in the wrong network.
        if (setns(home, CLONE_NEWNET) !== 0) process.abort()
      }
    } finally {
      closeSync(there)
      closeSync(home)
    }
  }

  pids(): number[] {
    if (!existsSync(this.path)) return []
    return runSync(['ip', 'netns', 'pids', this.name]).split('\n').filter(Boolean).map(Number)
  }

  /** Kill what runs in the namespace, then remove its name. Fine to call twice. */
  destroy(): void {
    for (const pid of this.pids()) killNow(pid)
    if (existsSync(this.path)) runSync(['ip', 'netns', 'del', this.name])
  }
}

/** SIGKILL, and wait (at most 2 s) until the process holds nothing any more. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    return // gone already
  }
  const deadline = performance.now() + 2_000
  while (isRunning(pid) && performance.now() < deadline)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
}

/** False for a zombie, too: it has given back its sockets and maps. */
export function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}/fd/0`) || existsSync(`/proc/${pid}/exe`)
}
