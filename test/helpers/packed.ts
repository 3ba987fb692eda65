// The npm package as users get it: packed, and installed in an empty folder.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { packageRoot } from '../../src/lib/paths.ts'
import { cleanEnvironment, runCommand } from './command.ts'

const PACK_TIMEOUT_MS = 120_000
const INSTALL_TIMEOUT_MS = 120_000

interface LockEntry {
  readonly dev?: boolean
  readonly [field: string]: unknown
}

interface Lock {
  readonly packages: Readonly<Record<string, LockEntry>>
}

/** `npm pack`, which builds first. @returns path of the file */
export function pack(directory: string): Promise<string> {
  return packWith(['--foreground-scripts=false'], directory)
}

/** Of what is built already, as it is where tests run. */
export function packBuilt(directory: string): Promise<string> {
  return packWith(['--ignore-scripts'], directory)
}

async function packWith(options: readonly string[], directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true })
  const command = ['pack', ...options, '--pack-destination', directory]
  const { stdout } = await npm(command, packageRoot(), PACK_TIMEOUT_MS)
  return join(directory, stdout.toString().trim())
}

/** Paths in the package. */
export async function contentsOf(tarball: string): Promise<string[]> {
  const { stdout } = await runCommand(['tar', '--list', '--gzip', '--file', tarball])
  return stdout
    .toString()
    .split('\n')
    .filter(Boolean)
    .map((path) => path.replace(/^package\//, ''))
}

/**
 * Install the file as the only dependency of an empty project. Versions of its dependencies are those of
 * package-lock.json, so that npm finds in its cache what it has installed for the tests; dev dependencies are left out.
 * @returns path of the command `weir`
 */
export async function install(tarball: string, directory: string): Promise<string> {
  mkdirSync(directory, { recursive: true })
  const lock = JSON.parse(readFileSync(join(packageRoot(), 'package-lock.json'), 'utf8')) as Lock
  const { '': root = {}, ...locked } = lock.packages
  const needed = Object.entries(locked).filter(([, { dev = false }]) => !dev)
  const { devDependencies: _, ...published } = root
  const project = { name: 'user', version: '1.0.0', dependencies: { weir: `file:${tarball}` } }
  const packages = {
    '': project,
    ...Object.fromEntries(needed),
    'node_modules/weir': { ...published, resolved: `file:${tarball}` },
  }
  writeFileSync(join(directory, 'package.json'), JSON.stringify(project))
  writeFileSync(join(directory, 'package-lock.json'), JSON.stringify({ ...lock, ...project, packages }))
  await npm(['ci', '--prefer-offline', '--no-audit', '--no-fund'], directory, INSTALL_TIMEOUT_MS)
  return join(directory, 'node_modules', '.bin', 'weir')
}

/** The packed file with its dependencies inside, for machines that reach no registry. @returns path of the file */
export async function packWithDependencies(directory: string): Promise<string> {
  const tarball = await packBuilt(directory)
  await runCommand(['tar', '--extract', '--gzip', '--file', tarball, '--directory', directory])
  const folder = join(directory, 'package')
  for (const file of ['package-lock.json', '.npmrc'])
    copyFileSync(join(packageRoot(), file), join(folder, file))
  const options = ['--omit=dev', '--prefer-offline', '--no-audit', '--no-fund']
  await npm(['ci', ...options], folder, INSTALL_TIMEOUT_MS)
  await runCommand(['tar', '--create', '--gzip', '--file', tarball, '--directory', directory, 'package'])
  return tarball
}

/** The settings of the npm that runs the tests are about another project. */
function npm(args: readonly string[], cwd: string, timeoutMs: number): ReturnType<typeof runCommand> {
  const env = Object.fromEntries(
    Object.entries(cleanEnvironment()).filter(([name]) => !/^(npm_|INIT_CWD$)/.test(name)),
  )
  return runCommand(['npm', ...args], { cwd, env, timeoutMs })
}
