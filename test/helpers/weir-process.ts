// A weir of its own in a node's namespace: started, told new policies, killed.
import { type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { stringify } from 'yaml'
import { packageRoot } from '../../src/lib/paths.ts'
import { cleanEnvironment, type CommandOptions, type CommandResult, runCommand } from './command.ts'
import { isRunning } from './namespace.ts'
import { type NodeNamespace, type Pod } from './node-namespace.ts'
import { PATIENCE_MS, waitFor } from './wait.ts'

/** The executable of the product. */
export const MAIN = join(packageRoot(), 'dist', 'src', 'main.js')
const EXECUTABLE = [process.execPath, '--enable-source-maps', MAIN]

/** An entry of the endpoints file. */
export interface EndpointFileEntry {
  readonly name: string
  readonly namespace?: string
  readonly labels: Readonly<Record<string, string>>
  readonly device: string
  readonly addresses: readonly string[]
}

export interface WeirOptions {
  readonly endpoints?: readonly EndpointFileEntry[] | string
  /** File name in the policies folder -> YAML text or something to be written as YAML. */
  readonly policies?: Readonly<Record<string, unknown>>
  /** Default `run` with the files above. */
  readonly command?: readonly string[]
  /** A command that ends by executing what follows it. */
  readonly wrapper?: readonly string[]
  /** Another weir than the one of this repository; for `cli`, too. */
  readonly executable?: readonly string[]
  /** More arguments, e.g. `--workers 2`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Default true: `start` resolves when the line with msg "ready" was logged. */
  readonly waitReady?: boolean
}

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly [field: string]: unknown
}

export function endpointOf(pod: Pod, labels: Readonly<Record<string, string>>): EndpointFileEntry {
  return { name: pod.podName, labels, device: pod.device, addresses: [pod.v4, pod.v6] }
}

export class WeirProcess {
  readonly node: NodeNamespace
  readonly process: ChildProcess
  /** What it logged on standard error so far; lines that are not JSON come as {level: 0, msg: line}. */
  readonly log: LogLine[] = []
  readonly endpointsFile: string
  readonly policiesDir: string
  readonly #executable: readonly string[]

  private constructor(node: NodeNamespace, options: WeirOptions) {
    this.node = node
    this.#executable = options.executable ?? EXECUTABLE
    this.endpointsFile = join(node.workDir, 'endpoints.yaml')
    this.policiesDir = join(node.workDir, 'policies')
    mkdirSync(this.policiesDir, { recursive: true })
    if (options.endpoints !== undefined) this.writeEndpoints(options.endpoints)
    for (const [file, policy] of Object.entries(options.policies ?? {})) this.writePolicy(file, policy)
    const command = options.command ?? [
      'run',
      '--endpoints',
      this.endpointsFile,
      '--policies',
      this.policiesDir,
    ]
    const all = [...command, '--state-dir', node.stateDir, ...(options.args ?? [])]
    this.process = node.spawn([...(options.wrapper ?? []), ...this.#executable, ...all], {
      env: { ...cleanEnvironment(), ...options.env },
      // Ctrl-C in the terminal of the caller is for the caller alone, which then stops it.
      detached: true,
    })
    this.process.stdout?.resume()
    if (this.process.stderr === null) throw new Error('weir was spawned without a pipe for its log')
    createInterface({ input: this.process.stderr }).on('line', (line) => this.log.push(readLogLine(line)))
  }

  static async start(node: NodeNamespace, options: WeirOptions): Promise<WeirProcess> {
    const weir = new WeirProcess(node, options)
    if (options.waitReady ?? true) await weir.waitForLog((line) => line.msg === 'ready', { what: 'ready' })
    return weir
  }

  get pid(): number {
    return this.process.pid ?? -1
  }

  /** Resolves with the first line, past or future, that fits. Rejects when weir ends before. */
  async waitForLog(
    fits: (line: LogLine) => boolean,
    { what, timeoutMs = PATIENCE_MS }: { readonly what: string; readonly timeoutMs?: number },
  ): Promise<LogLine> {
    let found: LogLine | undefined
    const isOver = await waitFor(
      () => {
        found = this.log.find(fits)
        return found !== undefined || this.hasEnded
      },
      { what: `weir to log: ${what}`, timeoutMs },
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.logText()}`)
    })
    if (found === undefined)
      throw new Error(`weir ended before it logged ${what} (${String(isOver)})\n${this.logText()}`)
    return found
  }

  /** Replaced in one step, as an editor or a config map does it. */
  writeEndpoints(endpoints: readonly EndpointFileEntry[] | string): void {
    replaceFile(this.endpointsFile, endpoints)
  }

  writePolicy(file: string, policy: unknown): void {
    replaceFile(join(this.policiesDir, file), policy)
  }

  removePolicy(file: string): void {
    rmSync(join(this.policiesDir, file))
  }

  /** `weir ARGS --state-dir ...` in the node. Rejects when it fails, unless `check` is false. */
  cli(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return this.node.exec([...this.#executable, ...args, '--state-dir', this.node.stateDir], options)
  }

  /** `weir ARGS -o json`, parsed: one value, or, with NDJSON, use `flows`. */
  async json(...args: string[]): Promise<unknown> {
    const { stdout } = await this.cli([...args, '-o', 'json'])
    return JSON.parse(stdout.toString()) as unknown
  }

  /** `weir observe -o json`: the last records, oldest first. */
  async flows<T>(last = 100): Promise<T[]> {
    const { stdout } = await this.cli(['observe', '-o', 'json', '--last', String(last)])
    return stdout
      .toString()
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T)
  }

  get hasEnded(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null
  }

  /** SIGTERM, and wait for the end. @returns the exit code */
  async stop(): Promise<number | null> {
    this.process.kill('SIGTERM')
    await this.waitForEnd()
    return this.process.exitCode
  }

  /**
   * SIGKILL at once to all processes of this instance (adopted workers, too), or to those that run one
   * command (`run`, `agent`, `proxy`): nothing of them can clean up. @returns the pids
   */
  async kill9(command?: string): Promise<number[]> {
    const pids = this.processes()
      .filter((running) => command === undefined || running.command === command)
      .map((running) => running.pid)
    for (const pid of pids) killIfThere(pid)
    await waitFor(() => !pids.some(isRunning), { what: 'killed processes to vanish' })
    return pids
  }

  /** Living processes of this instance, by the command that they run. */
  processes(): { readonly pid: number; readonly command: string }[] {
    return this.node.pids().flatMap((pid) => {
      const argv = commandLineOf(pid)
      const command = argv[argv.indexOf(MAIN) + 1]
      const isOurs = argv.includes(MAIN) && argv.includes(this.node.stateDir)
      return isOurs && command !== undefined ? [{ pid, command }] : []
    })
  }

  async waitForEnd(timeoutMs = PATIENCE_MS): Promise<void> {
    await waitFor(() => this.hasEnded, { what: `weir (pid ${this.pid}) to end`, timeoutMs }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}\n${this.logText()}`)
      },
    )
  }

  logText(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n')
  }
}

/** A command that needs no running instance, e.g. `cleanup`. */
export function weirCli(
  node: NodeNamespace,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return node.exec([...EXECUTABLE, ...args, '--state-dir', node.stateDir], options)
}

/** Fits lines about an endpoint on that device. */
export function tellsOfDevice(msg: string, device: string): (line: LogLine) => boolean {
  return (line) => line.msg === msg && (line['devices'] as readonly string[]).includes(device)
}

/** The same outside of any namespace, without `--state-dir`. */
export function weirCommand(args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  return runCommand([process.execPath, MAIN, ...args], options)
}

function replaceFile(path: string, content: unknown): void {
  const text = typeof content === 'string' ? content : stringify(content)
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
}

function readLogLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return { level: 0, msg: line }
  }
}

function commandLineOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return [] // it has ended in between
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended in between
  }
}
