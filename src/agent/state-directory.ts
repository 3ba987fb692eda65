// The end of a state directory.
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** With all that is in it. In a container it is a mount point: then it is left, empty, to whoever mounts it. */
export function removeStateDirectory(path: string): void {
  if (!existsSync(path)) return
  for (const name of readdirSync(path)) rmSync(join(path, name), { recursive: true, force: true })
  try {
    rmdirSync(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EBUSY' && code !== 'EROFS') throw error
  }
}
