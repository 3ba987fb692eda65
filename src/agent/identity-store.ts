// Keeps identity numbers in a file, so that equal labels get equal numbers after a restart: numbers live on
// in policy maps, in the ipcache and in packets on their way.
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { asIdentity } from '../lib/brands.ts'
import { errorMessage, WeirError } from '../lib/errors.ts'
import type { IdentityStore } from '../policy/identity-allocator.ts'
import { CLUSTER_RANGE, type IdentityRange, type LabelledIdentity } from '../policy/identity.ts'
import { LabelSet } from '../policy/labels.ts'

const formatOf = ({ first, last }: IdentityRange) =>
  z.strictObject({
    version: z.literal(1),
    identities: z.array(
      z.strictObject({
        identity: z.number().int().min(first).max(last),
        labels: z.array(z.string().min(1)),
      }),
    ),
  })

export class FileIdentityStore implements IdentityStore {
  readonly #path: string
  readonly #format: ReturnType<typeof formatOf>

  constructor(path: string, range: IdentityRange = CLUSTER_RANGE) {
    this.#path = path
    this.#format = formatOf(range)
  }

  /** A file that does not exist is empty. @throws WeirError CONFIG_INVALID when it cannot be used. */
  load(): LabelledIdentity[] {
    if (!existsSync(this.#path)) return []
    const identities = this.#read()
    this.#refuseRepeated(identities)
    return identities
  }

  /**
   * Replaces the file in one step: after a crash it holds either the old or the new set, never a part.
   * @throws WeirError CONFIG_INVALID
   */
  save(all: readonly LabelledIdentity[]): void {
    const identities = all.map(({ identity, labels }) => ({ identity, labels: labels.toStrings() }))
    const text = `${JSON.stringify({ version: 1, identities }, undefined, 1)}\n`
    const temporary = `${this.#path}.tmp`
    try {
      mkdirSync(dirname(this.#path), { recursive: true })
      withFile(temporary, 'w', (fd) => {
        writeFileSync(fd, text)
        fsyncSync(fd)
      })
      renameSync(temporary, this.#path)
      // The name is part of the folder: without this a crash could bring the old file back.
      withFile(dirname(this.#path), 'r', fsyncSync)
    } catch (cause) {
      throw new WeirError('CONFIG_INVALID', `write identities to ${this.#path}: ${errorMessage(cause)}`, {
        cause,
        mend: 'the folder must exist on a disk with space left and be writable',
      })
    }
  }

  #read(): LabelledIdentity[] {
    try {
      const { identities } = this.#format.parse(JSON.parse(readFileSync(this.#path, 'utf8')))
      return identities.map(({ identity, labels }) => ({
        identity: asIdentity(identity),
        labels: LabelSet.parse(labels),
      }))
    } catch (cause) {
      const reason =
        cause instanceof z.ZodError ? z.prettifyError(cause).replaceAll('\n', ' ') : errorMessage(cause)
      throw this.#unusable(reason, cause)
    }
  }

  #refuseRepeated(identities: readonly LabelledIdentity[]): void {
    const numbers = new Set<number>()
    const sets = new Set<string>()
    for (const { identity, labels } of identities) {
      if (numbers.has(identity)) throw this.#unusable(`identity ${identity} occurs twice`)
      if (sets.has(labels.key)) throw this.#unusable(`labels ${labels.key} have two identities`)
      numbers.add(identity)
      sets.add(labels.key)
    }
  }

  #unusable(reason: string, cause?: unknown): WeirError {
    return new WeirError('CONFIG_INVALID', `read identities from ${this.#path}: ${reason}`, {
      ...(cause === undefined ? {} : { cause }),
      mend: 'restore the file, or remove it while no agent runs: endpoints then get new numbers',
    })
  }
}

function withFile(path: string, flags: string, work: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600)
  try {
    work(fd)
  } finally {
    closeSync(fd)
  }
}
