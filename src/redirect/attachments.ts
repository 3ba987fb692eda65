// Which clsact qdiscs Weir created, remembered on disk so that cleanup removes those and no others.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runJson } from './iproute.ts'
import { destroyClsact, detachTc, ensureClsact, interfaceIndex } from './tc.ts'

interface Attachment {
  readonly device: string
  readonly ifindex: number
}

export class Attachments {
  private readonly path: string
  private created: Attachment[]

  constructor(stateDir: string) {
    this.path = join(stateDir, 'clsact.json')
    this.created = existsSync(this.path) ? (JSON.parse(readFileSync(this.path, 'utf8')) as Attachment[]) : []
  }

  /** Make sure that the device has a clsact qdisc; written down before any filter goes on it. */
  ensure(device: string, ifindex: number): void {
    if (!ensureClsact(ifindex)) return
    this.save([...this.created.filter((entry) => entry.device !== device), { device, ifindex }])
  }

  /** Take our filters off the device, and the qdisc too if we made it and nobody else uses it. */
  remove(device: string): void {
    const ifindex = interfaceIndex(device)
    const entry = this.created.find((candidate) => candidate.device === device)
    if (ifindex !== 0) {
      detachTc(ifindex, 'ingress')
      detachTc(ifindex, 'egress')
      if (entry?.ifindex === ifindex && !hasFilters(device)) destroyClsact(ifindex)
    }
    if (entry !== undefined) this.save(this.created.filter((candidate) => candidate !== entry))
  }

  private save(created: Attachment[]): void {
    this.created = created
    writeFileSync(`${this.path}.new`, JSON.stringify(created), { mode: 0o600 })
    renameSync(`${this.path}.new`, this.path)
  }
}

function hasFilters(device: string): boolean {
  const has = (direction: string): boolean =>
    (runJson('tc', 'filter', 'show', 'dev', device, direction) as unknown[]).length > 0
  try {
    return has('ingress') || has('egress')
  } catch (error) {
    // It has vanished since: a container's device goes while its container is being forgotten.
    if (interfaceIndex(device) === 0) return false
    throw error
  }
}
