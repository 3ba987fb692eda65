// What one endpoint says about Kafka requests.
import type { Direction, KafkaRule, PortRule } from '../policy/network-policy.ts'
import type { KafkaAccess, KafkaRequest } from './kafka/request.ts'
import { compileKafkaRules, type CompiledKafkaRules } from './kafka/rules.ts'
import { makeVerdict, type Verdict } from './verdict.ts'

export interface KafkaJudgement {
  readonly kind: 'kafka'
  /** No enforced rule restricts the connection at L7: requests are looked at for what they tell. */
  readonly isAdvisory: boolean
  /** For bytes that no rule can judge. */
  readonly unparseable: Verdict
  judge(request: KafkaRequest, access: KafkaAccess): Verdict
}

/** The first rule that covers the access decides. */
export class KafkaRules implements KafkaJudgement {
  readonly kind = 'kafka'
  readonly isAdvisory = false
  readonly unparseable: Verdict
  readonly #rules: CompiledKafkaRules
  readonly #allowed: readonly Verdict[]
  readonly #denied: Verdict

  /** @param rules as `reachableRules` gives them, none for another protocol. */
  constructor(direction: Direction, rules: readonly PortRule[], denied: Verdict) {
    const listed = rules.filter(({ deny }) => !deny).flatMap(({ kafka }) => kafka ?? [])
    this.#rules = compileKafkaRules(listed)
    this.#allowed = listed.map(({ name }: KafkaRule) => makeVerdict(true, name, 'RULE_MATCHED', direction))
    this.#denied = denied
    this.unparseable = makeVerdict(false, denied.rule, 'UNPARSEABLE', direction)
  }

  judge(request: KafkaRequest, access: KafkaAccess): Verdict {
    const rule = this.#rules.evaluate(request, access)
    return rule < 0 ? this.#denied : (this.#allowed[rule] ?? this.#denied)
  }
}
