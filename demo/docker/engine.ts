// The engine by its command line.
import { type ChildProcess, spawn } from 'node:child_process'

export class DemoError extends Error {}

export interface Output {
  readonly code: number
  readonly stdout: string
  /** Both streams, as they came. */
  readonly text: string
}

const running = new Set<ChildProcess>()

/** What runs now fails. */
export function interrupt(): void {
  for (const child of running) child.kill('SIGTERM')
}

/** Runs to the end, whatever that is. @throws DemoError when there is no such command */
export function attempt(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Output> {
  const [file = '', ...args] = command
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true, // Ctrl-C is for the demo alone, which then tidies up.
    })
    running.add(child)
    let stdout = ''
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
      text += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    child.on('error', (error) => reject(new DemoError(`${file}: ${error.message}`)))
    child.on('close', (code) => {
      running.delete(child)
      resolve({ code: code ?? -1, stdout: stdout.trim(), text: text.trim() })
    })
  })
}

/** @returns what it printed. @throws DemoError with what it said when it fails */
export async function run(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { code, stdout, text } = await attempt(command, env)
  if (code !== 0) throw new DemoError(`\`${command.join(' ')}\` ended with ${code}\n${text.slice(-4_000)}`)
  return stdout
}

export function docker(...args: string[]): Promise<string> {
  return run(['docker', ...args])
}

/** @throws DemoError that says what is missing */
export async function requireEngine(): Promise<void> {
  const { code, text } = await attempt(['docker', 'version']).catch(() => {
    throw new DemoError(
      'the command `docker` is missing: install Docker, on Debian `apt-get install docker.io`',
    )
  })
  if (code === 0) return
  const reason = text.split('\n').at(-1) ?? ''
  throw new DemoError(
    /permission denied/i.test(text)
      ? `this user may not use the Docker engine: run it with sudo (${reason})`
      : `no Docker engine answers: start it, on Debian \`systemctl start docker\`, or set DOCKER_HOST (${reason})`,
  )
}

/** Engines that are older than CAP_BPF have CAP_SYS_ADMIN for it. */
export async function bpfCapability(image: string): Promise<'BPF' | 'SYS_ADMIN'> {
  const { code, stdout, text } = await attempt(['docker', 'create', '--cap-add', 'BPF', image])
  if (code === 0) await docker('rm', stdout)
  return code !== 0 && text.includes('unknown capability') ? 'SYS_ADMIN' : 'BPF'
}
