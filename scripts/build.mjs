// Build everything that is made from sources: proto types, TypeScript, BPF objects. All into src/gen and dist/.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildBpf } from './build-bpf.mjs'
import { performSteps, printFailure, ROOT, run } from './lib/steps.mjs'

export function buildSteps() {
  return [
    { name: 'types of proto files', action: buildProto },
    { name: 'TypeScript', action: buildTypeScript },
    { name: 'BPF programs', action: buildBpf },
  ]
}

async function buildProto() {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  if (scripts['build:proto'] === undefined) return 'none'
  await run(['npm', 'run', '--silent', 'build:proto'])
}

async function buildTypeScript() {
  await run([process.execPath, join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--pretty', 'false'], {
    mend: 'the lines above are the messages of tsc',
  })
  removeOrphans(join(ROOT, 'dist', 'src'), join(ROOT, 'src'))
}

/** What tsc made of sources that no longer exist: it would get into the package. */
function removeOrphans(output, sources) {
  for (const name of readdirSync(output, { recursive: true })) {
    const source = /^(.*)\.js(\.map)?$/.exec(name)?.[1]
    if (source !== undefined && !existsSync(join(sources, `${source}.ts`))) rmSync(join(output, name))
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await performSteps(buildSteps())
  } catch (error) {
    printFailure(error)
    process.exit(1)
  }
}
