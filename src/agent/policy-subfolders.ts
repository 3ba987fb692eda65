// Folders inside of the policies folder. They are not read, so somebody who puts policies there must be told.
import { readdir, stat } from 'node:fs/promises'
import { join, relative } from 'node:path'

export interface UnreadSubfolder {
  readonly folder: string
  readonly name: string
  /** A file in it that looks like a policy, relative to the subfolder. */
  readonly example: string
}

/** Hidden files are temporary ones of editors, or the real files behind the links of a ConfigMap. */
export function isPolicyFile(name: string): boolean {
  return /\.ya?ml$/.test(name) && !isHidden(name)
}

function isHidden(name: string): boolean {
  return /^[.#]/.test(name)
}

/** Those that hold, at whatever depth, files that would be policies one folder up; sorted. Never rejects. */
export async function unreadSubfolders(folder: string): Promise<UnreadSubfolder[]> {
  const found: UnreadSubfolder[] = []
  for (const name of await namesIn(folder)) {
    // One that is called like a policy is reported as a policy that cannot be read.
    if (isHidden(name) || isPolicyFile(name) || !(await isFolder(join(folder, name)))) continue
    const example = await firstPolicyFile(join(folder, name))
    if (example !== undefined) found.push({ folder, name, example: relative(join(folder, name), example) })
  }
  return found
}

/** What, where, value and mend. */
export function unreadText({ folder, name, example }: UnreadSubfolder): string {
  return (
    `policies folder ${folder}: the subfolder ${JSON.stringify(name)} holds ${JSON.stringify(example)}, ` +
    'and subfolders are not read; move its policies up into the folder, or, if they are none, name it with a dot in front'
  )
}

/** Links to folders are not followed: they may lead round in a circle. */
async function firstPolicyFile(folder: string): Promise<string | undefined> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  const visible = entries.filter(({ name }) => !isHidden(name)).sort((a, b) => (a.name < b.name ? -1 : 1))
  const file = visible.find((entry) => !entry.isDirectory() && isPolicyFile(entry.name))
  if (file !== undefined) return join(folder, file.name)
  for (const entry of visible) {
    const inner = entry.isDirectory() ? await firstPolicyFile(join(folder, entry.name)) : undefined
    if (inner !== undefined) return inner
  }
  return undefined
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch((): string[] => [])).sort()
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined)
  return stats?.isDirectory() ?? false
}
