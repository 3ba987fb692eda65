// Child processes of tests: gathered output, exit codes, no traces of the test runner in their environment.
import { execFileSync, spawn } from 'node:child_process'

export interface CommandResult {
  /** undefined when a signal ended the process. */
  readonly code: number | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly stdout: Buffer
  readonly stderr: string
}

export interface CommandOptions {
  readonly input?: string | Buffer
  /** Reject unless the command ends with 0. Default true. */
  readonly check?: boolean
  /** Kill it after this time and reject. Default 30 s. */
  readonly timeoutMs?: number
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
}

/** The environment without what tap and coverage put into it: loaders that would slow down or alter what is tested. */
export function cleanEnvironment(): NodeJS.ProcessEnv {
  const isForeign = (name: string): boolean =>
    /^(NODE_OPTIONS|NODE_V8_COVERAGE|TAP|_TAPJS|TS_NODE)/.test(name)
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !isForeign(name)))
}

export function runCommand(command: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const { input, check = true, timeoutMs = 120_000, env = cleanEnvironment(), cwd = '.' } = options
  const [file = '', ...args] = command
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['pipe', 'pipe', 'pipe'] })
    const stdout: Buffer[] = []
    const stderr: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk))
    child.stdin.on('error', () => undefined) // the command need not read its input
    child.stdin.end(input)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      child.kill('SIGKILL')
    }, timeoutMs)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const result: CommandResult = {
        code: code ?? undefined,
        signal: signal ?? undefined,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString(),
      }
      if (isLate) reject(commandError(command, `not finished after ${timeoutMs} ms`, result))
      else if (check && code !== 0) reject(commandError(command, `ended with ${code ?? signal}`, result))
      else resolve(result)
    })
  })
}

/** For set-up and clean-up, which must be done before the next line. @throws Error with the command's stderr */
export function runSync(command: readonly string[], input = ''): string {
  const [file = '', ...args] = command
  return execFileSync(file, args, {
    input,
    encoding: 'utf8',
    env: cleanEnvironment(),
    stdio: ['pipe', 'pipe', 'pipe'],
  })
}

function commandError(command: readonly string[], how: string, { stdout, stderr }: CommandResult): Error {
  return new Error(
    `\`${command.join(' ')}\` ${how}\n${stdout.toString().slice(-2_000)}${stderr.slice(-4_000)}`,
  )
}
