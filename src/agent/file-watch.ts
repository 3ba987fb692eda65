// Tells when files of a folder change. Kernel events make it quick, a slow poll makes it sure: events get
// lost on queue overflow, on network and overlay file systems, and when the folder itself is replaced.
import { watch, type FSWatcher } from 'node:fs'

export interface FileWatchOptions {
  /** Folder whose events prompt a look. It may be missing for a while. */
  readonly folder: string
  /** A text that differs when the files differ, from their metadata. Must not reject. */
  readonly signature: () => Promise<string>
  /** Called after a change, never concurrently. Must not reject. */
  readonly onChange: () => Promise<void>
  /** How long files must stay the same before a change is reported: writers need more than one system call. */
  readonly settleMs?: number
  readonly pollMs?: number
}

const SETTLE_MS = 50
const POLL_MS = 2000

export class FileWatch {
  readonly #options: FileWatchOptions
  #watcher: FSWatcher | undefined
  #pollTimer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined
  #seen: string
  /** Signature of the last look, when it differed from `#seen`, and when it was first met. */
  #pending: { readonly signature: string; readonly sinceMs: number } | undefined
  #isLooking = false
  #lookAgain = false
  #isClosed = false

  /** `seen`: the signature of what the caller has read already. */
  constructor(options: FileWatchOptions, seen: string) {
    this.#options = options
    this.#seen = seen
    this.#arm()
    this.#pollTimer = setInterval(() => this.#poll(), options.pollMs ?? POLL_MS)
  }

  close(): void {
    this.#isClosed = true
    this.#watcher?.close()
    clearInterval(this.#pollTimer)
    clearTimeout(this.#settleTimer)
  }

  /** A watch belongs to the folder's inode: after an error it is made anew, by the next poll at the latest. */
  #arm(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    try {
      this.#watcher = watch(this.#options.folder, { persistent: true }, () => this.#settle())
      this.#watcher.on('error', () => this.#disarm())
    } catch {
      // No such folder, or no inotify instance left: polling goes on.
    }
  }

  #disarm(): void {
    this.#watcher?.close()
    this.#watcher = undefined
  }

  #poll(): void {
    // Cheap, and the only way to notice that the folder was replaced by another one of the same name.
    this.#arm()
    void this.#look()
  }

  #settle(): void {
    if (this.#isClosed) return
    clearTimeout(this.#settleTimer)
    this.#settleTimer = setTimeout(() => void this.#look(), this.#settleMs)
  }

  async #look(): Promise<void> {
    if (this.#isLooking) {
      this.#lookAgain = true
      return
    }
    this.#isLooking = true
    try {
      const signature = await this.#options.signature()
      if (!this.#isClosed && this.#isSettled(signature)) {
        this.#seen = signature
        this.#pending = undefined
        await this.#options.onChange()
      }
    } finally {
      this.#isLooking = false
      if (this.#lookAgain || this.#pending !== undefined) this.#settle()
      this.#lookAgain = false
    }
  }

  /** True when the files differ from those reported last, and have stayed so for long enough. */
  #isSettled(signature: string): boolean {
    if (signature === this.#seen) {
      this.#pending = undefined
      return false
    }
    const nowMs = performance.now()
    if (this.#pending?.signature !== signature) this.#pending = { signature, sinceMs: nowMs }
    return nowMs - this.#pending.sinceMs >= this.#settleMs
  }

  get #settleMs(): number {
    return this.#options.settleMs ?? SETTLE_MS
  }
}
