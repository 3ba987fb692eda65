import t from 'tap'
import { compileKafkaRules } from '../../../../src/l7rules/kafka/rules.ts'
import type { KafkaAccess, KafkaRequest } from '../../../../src/l7rules/kafka/request.ts'
import type { KafkaRule } from '../../../../src/policy/network-policy.ts'

const PRODUCE: KafkaRequest = { apiKey: 0, apiVersion: 9, clientId: '' }

function evaluate(rules: readonly Omit<KafkaRule, 'name'>[], access: KafkaAccess, request = PRODUCE): number {
  return compileKafkaRules(rules.map((rule) => ({ name: '', ...rule }))).evaluate(request, access)
}

t.test('no rule covers nothing, an empty one everything', async (t) => {
  t.equal(evaluate([], {}), -1)
  for (const access of [{}, { topic: 'a' }, { group: 'g' }, { isUnread: true }])
    t.equal(evaluate([{}], access), 0)
})

t.test('what an access does not have is no condition on it', async (t) => {
  t.equal(evaluate([{ topic: 'a' }], {}), 0)
  t.equal(evaluate([{ topic: 'a' }], { group: 'g' }), 0)
  t.equal(evaluate([{ group: 'g' }], { topic: 'b' }), 0, 'a rule on the group alone opens every topic')
  t.equal(evaluate([{ topic: 'a', group: 'g' }], { topic: 'a' }), 0)
  t.equal(evaluate([{ topic: 'a', group: 'g' }], { topic: 'a', group: 'h' }), -1)
  t.equal(evaluate([{ transactionalId: 'x' }], { transactionalId: 'y', topic: 'a' }), -1)
})

t.test('what cannot be read is covered by rules without conditions on resources only', async (t) => {
  const unread: KafkaAccess = { isUnread: true, topic: 'a' }
  t.equal(
    evaluate([{ topic: 'a' }, { topicPrefix: 'a' }, { group: 'g' }, { transactionalId: 'x' }], unread),
    -1,
  )
  t.equal(evaluate([{ topic: 'a' }, { apiKeys: [0] }], unread), 1)
  t.equal(evaluate([{ clientId: 'c' }], unread), -1)
})

t.test('names and prefixes are exact', async (t) => {
  t.equal(evaluate([{ topic: 'a' }], { topic: 'A' }), -1)
  t.equal(evaluate([{ topicPrefix: 'ab' }], { topic: 'a' }), -1)
  t.equal(evaluate([{ topicPrefix: 'ab' }], { topic: 'ab' }), 0)
  t.equal(evaluate([{ topicPrefix: 'ab' }], { topic: 'abc' }), 0)
  t.equal(evaluate([{ topic: 'a' }], { topic: '' }), -1, 'an empty name is a name')
  t.equal(evaluate([{ topicPrefix: 'é' }], { topic: 'é' }), 0, 'any text may come from another agent')
  t.equal(evaluate([{ topicPrefix: 'a€' }], { topic: 'a€b' }), 0)
})

t.test('ten thousand rules: the first that covers, and few are looked at', async (t) => {
  let looked = 0
  const rules = Array.from({ length: 10_000 }, (_, i): KafkaRule => {
    const name = i % 2 === 0 ? { topic: `t${i}` } : { topicPrefix: `p${i}.` }
    return Object.defineProperty({ name: `r${i}`, ...name }, 'apiKeys', {
      enumerable: true,
      get: () => {
        looked++
        return [0, 3]
      },
    })
  })
  const compiled = compileKafkaRules(rules)
  const ask = (access: KafkaAccess): number => compiled.evaluate(PRODUCE, access)
  t.equal(ask({ topic: 'none' }), -1)
  t.equal(ask({}), 0)
  looked = 0
  t.equal(ask({ topic: 't9998' }), 9998)
  t.equal(ask({ topic: 'p9999.x' }), 9999)
  t.equal(ask({ topic: 'none' }), -1)
  t.equal(ask({}), 0)
  t.ok(looked <= 4, `${looked} rules were looked at`)
})

t.test('rules hang on what fewest share', async (t) => {
  const rules = Array.from({ length: 100 }, (_, i) => ({ topic: 'a', group: `g${i}`, clientId: 'c' }))
  t.equal(evaluate(rules, { topic: 'a', group: 'g99' }, { ...PRODUCE, clientId: 'c' }), 99)
  t.equal(evaluate(rules, { topic: 'a' }, { ...PRODUCE, clientId: 'c' }), 0, 'all of them, so the first')
})
