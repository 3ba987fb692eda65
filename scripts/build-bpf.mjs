// Compile bpf/*.bpf.c to dist/bpf/*.bpf.o. Nothing is done when no file under bpf/ is newer than the objects.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findClang, multiarch } from './lib/debian.mjs'
import { printFailure, ROOT, run, StepError } from './lib/steps.mjs'

const SOURCE = join(ROOT, 'bpf')
const OUTPUT = join(ROOT, 'dist', 'bpf')

/** @returns {Promise<string>} what was done */
export async function buildBpf() {
  const files = existsSync(SOURCE)
    ? readdirSync(SOURCE, { recursive: true }).map((file) => join(SOURCE, file))
    : []
  const newestMs = Math.max(0, ...files.map((file) => statSync(file).mtimeMs))
  const programs = files.filter((file) => file.endsWith('.bpf.c'))
  const objectOf = (program) => join(OUTPUT, basename(program, '.c') + '.o')
  const isStale = (program) =>
    !existsSync(objectOf(program)) || statSync(objectOf(program)).mtimeMs < newestMs
  const stale = programs.filter(isStale)
  mkdirSync(OUTPUT, { recursive: true })
  removeOrphans(programs.map(objectOf))
  if (stale.length === 0) return `${programs.length} up to date`
  const clang = findClang('clang')
  if (clang === undefined) throw new StepError('clang is missing', { mend: 'run `npm run setup`' })
  await Promise.all(stale.map((program) => compile(clang, program, objectOf(program))))
  return `${stale.length} of ${programs.length} compiled by ${basename(clang)}`
}

/** The object appears in one step, so that a reader never sees half of it. */
async function compile(clang, program, object) {
  const unfinished = `${object}.${process.pid}`
  const flags = ['-O2', '-g', '-target', 'bpf', '-Wall', '-Werror']
  const includes = ['-I', join(SOURCE, 'include'), '-I', `/usr/include/${multiarch()}`]
  try {
    await run([clang, ...flags, ...includes, '-c', program, '-o', unfinished], {
      mend: 'the text above is the message of clang',
    })
    renameSync(unfinished, object)
  } finally {
    rmSync(unfinished, { force: true })
  }
}

/** Objects of programs that no longer exist. */
function removeOrphans(objects) {
  for (const name of readdirSync(OUTPUT)) {
    const path = join(OUTPUT, name)
    if (name.endsWith('.bpf.o') && !objects.includes(path)) rmSync(path)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    console.log(`bpf: ${await buildBpf()}`)
  } catch (error) {
    printFailure(error)
    process.exit(1)
  }
}
