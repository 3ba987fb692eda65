// Numbers of endpoints, kept on disk so that a restarted agent takes over what is in the kernel.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { asEndpointId, type EndpointId } from '../lib/brands.ts'
import { WeirError } from '../lib/errors.ts'

/** Ids travel in 16 bits of a mark and of `weir_conns`. */
const LAST_ENDPOINT_ID = 65_535

export interface RegisteredEndpoint {
  readonly id: EndpointId
  /** Where its programs are, or will be. */
  readonly devices: readonly string[]
}

export class EndpointRegistry {
  readonly #path: string
  readonly #entries = new Map<string, RegisteredEndpoint>()

  /** @throws WeirError CONFIG_INVALID when the file was damaged */
  constructor(path: string) {
    this.#path = path
    if (!existsSync(path)) return
    try {
      const saved = JSON.parse(readFileSync(path, 'utf8')) as Record<
        string,
        { id: number; devices: string[] }
      >
      for (const [key, { id, devices }] of Object.entries(saved)) {
        this.#entries.set(key, { id: asEndpointId(id), devices: [...devices] })
      }
    } catch (error) {
      throw new WeirError('CONFIG_INVALID', `read ${path}: the file is damaged`, {
        cause: error,
        mend: 'run `weir cleanup`, which opens all traffic, then start again',
      })
    }
  }

  /** Keys as the reconciler makes them: `namespace/name`, or `container/ID`. */
  entries(): ReadonlyMap<string, RegisteredEndpoint> {
    return this.#entries
  }

  /** The same number as before if the key had one, else the lowest free one. Durable when it returns. */
  register(key: string, devices: readonly string[]): EndpointId {
    const known = this.#entries.get(key)
    if (known !== undefined && isSameList(known.devices, devices)) return known.id
    const id = known?.id ?? this.#lowestFree()
    this.#entries.set(key, { id, devices })
    this.#save()
    return id
  }

  forget(key: string): void {
    if (this.#entries.delete(key)) this.#save()
  }

  #lowestFree(): EndpointId {
    const taken = new Set([...this.#entries.values()].map(({ id }) => Number(id)))
    for (let id = 1; id <= LAST_ENDPOINT_ID; id++) {
      if (!taken.has(id)) return asEndpointId(id)
    }
    throw new WeirError('ENDPOINTS_INVALID', `register endpoint: all ${LAST_ENDPOINT_ID} ids are in use`)
  }

  #save(): void {
    const file = openSync(`${this.#path}.new`, 'w', 0o600)
    try {
      writeSync(file, JSON.stringify(Object.fromEntries(this.#entries)))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(`${this.#path}.new`, this.#path)
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((device) => b.includes(device))
}
