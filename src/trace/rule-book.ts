// Finds where rules are written, by their names.
import type { RuleRef__Output } from '../gen/weir/v1/RuleRef.ts'
import type { PolicyRepository } from '../policy/repository.ts'
import { policyKeyOf, ruleLines, type RuleLines } from '../policy/rule-line.ts'

export class RuleBook {
  readonly #repository: PolicyRepository
  readonly #lines = new Map<string, RuleLines>()

  constructor(repository: PolicyRepository) {
    this.#repository = repository
  }

  /** Names of no policy, as `default allow`, get a reference without a file. */
  reference(name: string): RuleRef__Output {
    const policy = this.#repository.policy(policyKeyOf(name))
    if (policy === undefined) return { name, file: '', line: 0 }
    let lines = this.#lines.get(policy.key)
    if (lines === undefined) this.#lines.set(policy.key, (lines = ruleLines(policy)))
    return { name, file: policy.file, line: lines(name) }
  }
}
