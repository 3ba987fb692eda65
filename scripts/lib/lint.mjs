// The checks that need no running code. Each one counts as one test.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { findClang } from './debian.mjs'
import { elapsed, printFailure, ROOT, run, StepError } from './steps.mjs'

const CODE_FOLDERS = ['src', 'test', 'demo', 'bench']

const CHECKS = [
  {
    name: 'eslint',
    check: () => bin('eslint', '.', '--max-warnings=0'),
    mend: 'npx eslint . --fix mends some',
  },
  {
    name: 'prettier',
    check: () => bin('prettier', '--check', '--log-level=warn', '.'),
    mend: 'npm run format',
  },
  { name: 'clang-format', check: clangFormat, mend: 'npm run format' },
  {
    name: 'dependency direction',
    check: () =>
      bin(
        'depcruise',
        ...CODE_FOLDERS.filter(hasFiles),
        '--config',
        '.dependency-cruiser.cjs',
        '-T',
        'err-long',
      ),
    mend: 'the line under each error says where the code belongs',
  },
]

/** @param {(line: string) => void} print @returns {Promise<{passed: number, failed: number}>} */
export async function lint(print) {
  const results = await Promise.all(CHECKS.map(perform))
  for (const { name, time, error } of results) {
    print(`${error ? 'FAIL' : 'pass'}  ${name}  ${time}`)
    if (error) printFailure(error, print)
  }
  const failed = results.filter((result) => result.error).length
  return { passed: results.length - failed, failed }
}

async function perform({ name, check, mend }) {
  const startedMs = performance.now()
  try {
    await check()
    return { name, time: elapsed(startedMs) }
  } catch (error) {
    if (error instanceof StepError && error.mend === '') error.mend = mend
    return { name, time: elapsed(startedMs), error }
  }
}

function bin(name, ...args) {
  return run([join(ROOT, 'node_modules', '.bin', name), ...args])
}

function bpfSources() {
  return readdirSync(join(ROOT, 'bpf'), { recursive: true }).filter((file) => /\.[ch]$/.test(file))
}

function clangFormat() {
  return runClangFormat('--dry-run', '--Werror')
}

/** @param {string[]} flags e.g. `-i` */
export function runClangFormat(...flags) {
  const tool = findClang('clang-format')
  if (tool === undefined) throw new StepError('clang-format is missing', { mend: 'npm run setup -- --tests' })
  return run([tool, ...flags, ...bpfSources().map((file) => join('bpf', file))])
}

/** dependency-cruiser refuses folders that hold nothing that it knows. */
function hasFiles(folder) {
  const path = join(ROOT, folder)
  return existsSync(path) && readdirSync(path, { recursive: true }).some((file) => file.endsWith('.ts'))
}
