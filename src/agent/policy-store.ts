// The policies in force, kept on disk: after a restart, a policy whose file is broken by then keeps its last
// good version. Without this, a restart at the wrong moment would lift the policy.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { z } from 'zod'
import { errorMessage, WeirError } from '../lib/errors.ts'
import type { ParsedPolicies } from '../policy/parse.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'

const FORMAT = z.array(z.strictObject({ file: z.string(), yaml: z.string() }))

export class PolicyStore {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** @throws WeirError CONFIG_INVALID when the file was damaged, or this version refuses what is in it */
  load(parse: (text: string, file: string) => ParsedPolicies): ParsedPolicy[] {
    if (!existsSync(this.#path)) return []
    try {
      const saved = FORMAT.parse(JSON.parse(readFileSync(this.#path, 'utf8')))
      return saved.flatMap(({ yaml, file }) => parse(yaml, file).policies)
    } catch (cause) {
      throw new WeirError('CONFIG_INVALID', `read ${this.#path}: ${errorMessage(cause)}`, {
        cause,
        mend: 'remove the file: policies that are broken in the folder now will then not be in force',
      })
    }
  }

  /** Replaces the file in one step. */
  save(policies: readonly ParsedPolicy[]): void {
    const saved = policies.map(({ file, yaml }) => ({ file, yaml }))
    writeFileSync(`${this.#path}.new`, JSON.stringify(saved), { mode: 0o600 })
    renameSync(`${this.#path}.new`, this.#path)
  }
}
