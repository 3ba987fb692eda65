// A folder of policy files, watched. What the files mean is decided in policy-sources.ts.
import { lstat, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { errorMessage, WeirError } from '../lib/errors.ts'
import type { ParsedPolicies } from '../policy/parse.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import { FileWatch } from './file-watch.ts'
import { readTextFile } from './text-file.ts'
import { isPolicyFile, type UnreadSubfolder, unreadSubfolders } from './policy-subfolders.ts'
import { PolicySources, type PolicyFile, type PolicySource } from './policy-sources.ts'

export type { PolicySource, PolicySourceState } from './policy-sources.ts'

export interface PolicyFolderOptions {
  readonly parse: (text: string, file: string) => ParsedPolicies
  /** What an earlier agent enforced: stays in force for files that are broken now. */
  readonly inForce?: readonly ParsedPolicy[]
  readonly settleMs?: number
  readonly pollMs?: number
}

export class PolicyFolder {
  readonly #path: string
  readonly #sources: PolicySources
  readonly #listeners = new Set<() => void>()
  readonly #watch: FileWatch
  #error: string | undefined
  #unread: readonly UnreadSubfolder[] = []

  /**
   * Read the folder and go on watching it.
   * @throws WeirError CONFIG_INVALID when it is missing or cannot be listed. Broken files do not throw.
   */
  static async open(path: string, options: PolicyFolderOptions): Promise<PolicyFolder> {
    const sources = new PolicySources(options.parse, options.inForce)
    // Before reading: a change in between is then seen as one.
    const signature = await folderSignature(path)
    sources.update(await readFolder(path))
    const folder = new PolicyFolder(path, sources, signature, options)
    folder.#unread = await unreadSubfolders(path)
    return folder
  }

  private constructor(path: string, sources: PolicySources, signature: string, options: PolicyFolderOptions) {
    this.#path = path
    this.#sources = sources
    this.#watch = new FileWatch(
      {
        folder: path,
        signature: () => folderSignature(path),
        onChange: () => this.#reread(),
        ...(options.settleMs === undefined ? {} : { settleMs: options.settleMs }),
        ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
      },
      signature,
    )
  }

  /** Every policy and every rejected document, sorted by file and name. */
  get sources(): readonly PolicySource[] {
    return this.#sources.sources
  }

  /** In force. Objects stay the same until their document changes. */
  get policies(): readonly ParsedPolicy[] {
    return this.#sources.policies
  }

  /** Why the folder as a whole cannot be read; everything that was in force stays so. */
  get error(): string | undefined {
    return this.#error
  }

  /** Folders inside of it with what look like policies. */
  get unreadSubfolders(): readonly UnreadSubfolder[] {
    return this.#unread
  }

  /** Called after each change of the files. Returns how to unsubscribe. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  close(): void {
    this.#watch.close()
    this.#listeners.clear()
  }

  async #reread(): Promise<void> {
    try {
      this.#sources.update(await readFolder(this.#path))
      this.#error = undefined
    } catch (thrown) {
      this.#error = errorMessage(thrown)
    }
    this.#unread = await unreadSubfolders(this.#path)
    for (const listener of this.#listeners) listener()
  }
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return (await readdir(path)).filter(isPolicyFile).sort()
  } catch (cause) {
    throw new WeirError('CONFIG_INVALID', `list policy folder ${path}: ${errorMessage(cause)}`, {
      cause,
      mend: 'create the folder, or name another one with --policies',
    })
  }
}

/** Content of its policy files by path. @throws WeirError CONFIG_INVALID when it cannot be listed */
export async function readFolder(path: string): Promise<Map<string, PolicyFile>> {
  const files = new Map<string, PolicyFile>()
  for (const name of await listFolder(path)) {
    const file = join(path, name)
    const content = await readPolicyFile(file)
    if (content !== undefined) files.set(file, content)
  }
  return files
}

/** undefined: no file, or gone since it was listed. */
export async function readPolicyFile(file: string): Promise<PolicyFile | undefined> {
  try {
    const stats = await stat(file)
    // A folder by that name is what container engines make of a file to mount that does not exist.
    if (!stats.isFile())
      return { unreadable: stats.isDirectory() ? 'is a folder' : 'is not an ordinary file' }
    return { text: await readTextFile(file) }
  } catch (error) {
    return (await isGone(file)) ? undefined : { unreadable: `cannot be read: ${errorMessage(error)}` }
  }
}

/** A link that leads nowhere is still there: it must not lift the policies that it led to. */
async function isGone(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

/** Follows links, so that a swap of what they point to shows. */
async function folderSignature(path: string): Promise<string> {
  try {
    const names = await listFolder(path)
    const lines = names.map(async (name) => `${name} ${await fileSignature(join(path, name))}`)
    const unread = (await unreadSubfolders(path)).map(({ name, example }) => `${name}/${example}`)
    return [...(await Promise.all(lines)), ...unread].join('\n')
  } catch (error) {
    return errorMessage(error)
  }
}

async function fileSignature(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return [ino, size, mtimeNs, ctimeNs].join(' ')
  } catch (error) {
    return errorMessage(error)
  }
}
