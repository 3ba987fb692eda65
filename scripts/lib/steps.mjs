// Running commands as named steps: one line each, with time; the output is kept and shown only on failure.
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
const TAIL_LINES = 40
/** Output is gathered and may be printed anywhere: no colours. */
const PLAIN = { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' }

/** A step that failed, with what the user can do about it. */
export class StepError extends Error {
  /** @param {string} message @param {{output?: string, mend?: string}} [details] */
  constructor(message, { output = '', mend = '' } = {}) {
    super(message)
    this.output = output
    this.mend = mend
  }
}

/**
 * Run a command to its end. Its output is gathered, not shown.
 * @param {string[]} command
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, mend?: string, onOutput?: (text: string) => void}} [options]
 * @returns {Promise<string>} standard output and error, interleaved
 */
export function run([file, ...args], { cwd = ROOT, env = PLAIN, mend = '', onOutput } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const gather = (chunk) => {
      output += chunk
      onOutput?.(chunk)
    }
    child.stdout.setEncoding('utf8').on('data', gather)
    child.stderr.setEncoding('utf8').on('data', gather)
    child.on('error', (error) => reject(new StepError(`${file}: ${error.message}`, { mend })))
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(output)
      const how = code === null ? `was ended by ${signal}` : `ended with code ${code}`
      const shown = [file, ...args].join(' ').replaceAll(`${ROOT}/`, '')
      reject(new StepError(`\`${shown}\` ${how}`, { output: output.replaceAll(`${ROOT}/`, ''), mend }))
    })
  })
}

/** @param {number} startedMs @returns {string} `12.3 s` since `startedMs` (performance.now) */
export function elapsed(startedMs) {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`
}

/**
 * Perform steps in order and say so: `[2/5] npm packages ... 12.3 s`. What a step returns is shown in
 * brackets. A failing step prints the end of its output and throws.
 * @param {{name: string, action: () => Promise<string | void> | string | void}[]} steps
 */
export async function performSteps(steps) {
  for (const [index, step] of steps.entries()) {
    process.stdout.write(`[${index + 1}/${steps.length}] ${step.name} ... `)
    const startedMs = performance.now()
    try {
      const note = await step.action()
      process.stdout.write(`${elapsed(startedMs)}${note ? ` (${note})` : ''}\n`)
    } catch (error) {
      process.stdout.write(`failed after ${elapsed(startedMs)}\n`)
      throw error
    }
  }
}

/**
 * Print a failure in full: what failed, the end of its output, what to do.
 * @param {unknown} error @param {(line: string) => void} [print]
 */
export function printFailure(error, print = console.error) {
  if (!(error instanceof StepError)) {
    print(error instanceof Error ? (error.stack ?? error.message) : String(error))
    return
  }
  const lines = error.output.trimEnd().split('\n')
  if (lines.length > TAIL_LINES) print(`... ${lines.length - TAIL_LINES} lines left out`)
  if (error.output !== '') print(lines.slice(-TAIL_LINES).join('\n'))
  print(`\nerror: ${error.message}`)
  if (error.mend !== '') print(`  what to do: ${error.mend}`)
}
