// One pinned BPF map by file descriptor: lookup, update, delete, iterate.
import { join } from 'node:path'
import { WeirError } from '../lib/errors.ts'
import { check, E2BIG, ENOENT, ENOSPC, kernelError, libbpf } from './libbpf.ts'

/** Fewer entries than this are written one by one. */
const MIN_BATCH = 8

export class BpfMap {
  readonly name: string
  readonly fd: number
  private readonly keyBytes: number
  private readonly valueBytes: number

  constructor(name: string, fd: number, keyBytes: number, valueBytes: number) {
    this.name = name
    this.fd = fd
    this.keyBytes = keyBytes
    this.valueBytes = valueBytes
  }

  /**
   * Open a map pinned by the agent.
   * @throws WeirError KERNEL_UNSUPPORTED when nothing is pinned there.
   */
  static openPinned(bpffsDir: string, name: string, keyBytes: number, valueBytes: number): BpfMap {
    const path = join(bpffsDir, name)
    const fd = libbpf().get(path) as number
    if (fd === -ENOENT) {
      throw new WeirError('KERNEL_UNSUPPORTED', `open ${path}: no such map`, {
        mend: 'start the agent first: it loads and pins the datapath',
      })
    }
    return new BpfMap(name, check(`open ${path}`, fd), keyBytes, valueBytes)
  }

  /** The value, or undefined when the key is absent. */
  lookup(key: Buffer): Buffer | undefined {
    const value = Buffer.alloc(this.valueBytes)
    const result = libbpf().mapLookup(this.fd, key, value) as number
    if (result === -ENOENT) return undefined
    check(`lookup in map ${this.name}`, result)
    return value
  }

  /** @throws WeirError MAP_FULL */
  update(key: Buffer, value: Buffer): void {
    const result = libbpf().mapUpdate(this.fd, key, value, 0) as number
    if (result === -ENOSPC || result === -E2BIG) throw new WeirError('MAP_FULL', `map ${this.name} is full`)
    check(`update map ${this.name}`, result)
  }

  /** Many entries by one system call, in their order. @throws WeirError MAP_FULL; some are written then */
  updateAll(entries: readonly (readonly [Buffer, Buffer])[]): void {
    if (entries.length < MIN_BATCH) {
      for (const [key, value] of entries) this.update(key, value)
      return
    }
    const keys = Buffer.concat(entries.map(([key]) => key))
    const values = Buffer.concat(entries.map(([, value]) => value))
    const result = libbpf().mapUpdateBatch(this.fd, keys, values, [entries.length], null) as number
    if (result === -ENOSPC || result === -E2BIG) throw new WeirError('MAP_FULL', `map ${this.name} is full`)
    check(`update map ${this.name} in a batch`, result)
  }

  /** True when the key was there. */
  delete(key: Buffer): boolean {
    const result = libbpf().mapDelete(this.fd, key) as number
    if (result === -ENOENT) return false
    check(`delete from map ${this.name}`, result)
    return true
  }

  /** All keys, gathered before any is handed out: deleting while iterating would restart the walk. */
  keys(): Buffer[] {
    const keys: Buffer[] = []
    let previous: Buffer | null = null
    for (;;) {
      const next = Buffer.alloc(this.keyBytes)
      const result = libbpf().mapNextKey(this.fd, previous, next) as number
      if (result === -ENOENT) return keys
      if (result < 0) throw kernelError(`iterate map ${this.name}`, result)
      keys.push(next)
      previous = next
    }
  }

  /** Entries that still exist when their key's turn comes. */
  entries(): [Buffer, Buffer][] {
    return this.keys().flatMap((key): [Buffer, Buffer][] => {
      const value = this.lookup(key)
      return value === undefined ? [] : [[key, value]]
    })
  }

  close(): void {
    libbpf().close(this.fd)
  }
}
