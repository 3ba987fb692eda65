// Fuzz targets beside other tests: each in a process of its own that gives way to them.
import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'
import { ROOT } from './steps.mjs'

const NICENESS = 10

/** @param {number} seconds */
export function fuzzEnvironment(seconds) {
  return { ...process.env, FUZZ_SECONDS: String(seconds) }
}

/**
 * Run test files of dist/test/fuzz at the same time, each for so long, and count files.
 * @param {readonly string[]} files relative to the root
 * @param {number} seconds
 * @param {(line: string) => void} print called when all have ended, so that lines do not mix with those of others
 * @returns {Promise<() => {passed: number, failed: number}>} what to call for the report
 */
export async function fuzz(files, seconds, print) {
  const results = await Promise.all(files.map((file) => run(file, seconds)))
  return () => {
    for (const { file, code, output } of results) {
      print(`${code === 0 ? 'pass' : 'FAIL'}  ${file}  ${seconds} s`)
      for (const line of code === 0 ? comments(output) : output.split('\n')) print(`        ${line}`)
    }
    const failed = results.filter(({ code }) => code !== 0).length
    return { passed: results.length - failed, failed }
  }
}

/** Never rejects. */
function run(file, seconds) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file], { cwd: ROOT, env: fuzzEnvironment(seconds) })
    if (child.pid !== undefined) setPriority(child.pid, NICENESS)
    let output = ''
    const gather = (chunk) => (output += chunk)
    child.stdout.setEncoding('utf8').on('data', gather)
    child.stderr.setEncoding('utf8').on('data', gather)
    child.on('error', (error) => resolve({ file, code: 1, output: error.message }))
    child.on('close', (code) => resolve({ file, code, output }))
  })
}

/** What the target has to say about itself. */
function comments(output) {
  return output.split('\n').flatMap((line) => /^\s+# (?!Subtest: |time=|\{)(.*)$/.exec(line)?.[1] ?? [])
}
