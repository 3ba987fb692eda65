// Images of programs of this machine, with the libraries that they need: no registry is asked.
import { cpSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { runSync } from './command.ts'
import { type DockerEngine } from './docker-engine.ts'

const BUSYBOX = '/bin/busybox'

export interface ImageFiles {
  /** Names of executables; they land in /usr/local/bin. */
  readonly programs: readonly string[]
  /** Names of shared libraries that are loaded at run time. */
  readonly libraries?: readonly string[]
  /** Files and folders: path here to path there. */
  readonly files?: Readonly<Record<string, string>>
  /** Path there to what it links to. */
  readonly links?: Readonly<Record<string, string>>
}

/** Besides, there is a shell with all applets of busybox. */
export async function importImage(engine: DockerEngine, tag: string, image: ImageFiles): Promise<void> {
  const root = join(engine.node.workDir, 'images', tag.replaceAll(/[^\w-]/g, '-'))
  for (const folder of ['bin', 'tmp', 'usr/bin', 'usr/local/bin'])
    mkdirSync(join(root, folder), { recursive: true })
  cpSync(BUSYBOX, join(root, 'bin/busybox'))
  for (const applet of runSync([BUSYBOX, '--list']).split('\n').filter(Boolean))
    if (applet !== 'busybox') symlinkSync('busybox', join(root, 'bin', applet))
  symlinkSync('/bin/env', join(root, 'usr/bin/env')) // where scripts look for it
  const programs = image.programs.map(executable)
  for (const program of programs) copy(program, join(root, 'usr/local/bin', basename(program)))
  const loaded = (image.libraries ?? []).map(library)
  for (const path of new Set([...programs, ...loaded].flatMap(librariesOf).concat(loaded)))
    copy(path, join(root, path))
  for (const [from, to] of Object.entries(image.files ?? {})) copy(from, join(root, to))
  for (const [path, target] of Object.entries(image.links ?? {})) symlinkSync(target, join(root, path))
  const archive = `${root}.tar`
  runSync(['tar', '--create', '--file', archive, '--directory', root, '.'])
  await engine.docker('import', archive, tag)
}

function copy(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  cpSync(from, to, { recursive: true, dereference: true })
}

function executable(program: string): string {
  const path = `/usr/local/sbin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}`
  return realpathSync(runSync(['env', `PATH=${path}`, 'sh', '-c', 'command -v "$1"', 'sh', program]).trim())
}

/** As the dynamic linker finds it. */
function library(name: string): string {
  const line = runSync(['/sbin/ldconfig', '-p'])
    .split('\n')
    .find((entry) => entry.trim().startsWith(`${name} `))
  const path = line?.split(' => ')[1]
  if (path === undefined) throw new Error(`${name} is not on this machine`)
  return path
}

/** `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)` and `/lib64/ld-linux-x86-64.so.2 (0x...)` */
function librariesOf(file: string): string[] {
  const lines = runSync(['ldd', file]).split('\n')
  return lines.flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])
}
