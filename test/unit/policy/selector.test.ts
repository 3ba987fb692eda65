import t from 'tap'
import { LabelSet } from '../../../src/policy/labels.ts'
import {
  makeSelector,
  requireKey,
  requireLabel,
  selects,
  type Operator,
} from '../../../src/policy/selector.ts'

const one = (operator: Operator, values: string[] = [], source = 'k8s') =>
  makeSelector([{ source, key: 'env', operator, values }])

t.test('operators', async (t) => {
  const cases: [Operator, string[], string[], boolean][] = [
    ['In', ['prod', 'test'], ['k8s:env=prod'], true],
    ['In', ['prod'], ['k8s:env=dev'], false],
    ['In', ['prod'], [], false],
    ['NotIn', ['prod'], ['k8s:env=prod'], false],
    ['NotIn', ['prod'], ['k8s:env=dev'], true],
    ['NotIn', ['prod'], [], true],
    ['Exists', [], ['k8s:env'], true],
    ['Exists', [], ['container:env=x'], false],
    ['DoesNotExist', [], ['k8s:env'], false],
    ['DoesNotExist', [], ['container:env=x'], true],
  ]
  for (const [operator, values, labels, expected] of cases) {
    const name = `${operator} [${values.join()}] of [${labels.join()}]`
    t.equal(selects(one(operator, values), LabelSet.parse(labels)), expected, name)
  }
})

t.test('any source', async (t) => {
  const labels = LabelSet.parse(['container:env=prod', 'k8s:env=dev'])
  t.equal(selects(one('In', ['prod'], 'any'), labels), true)
  t.equal(selects(one('NotIn', ['prod'], 'any'), labels), false)
  t.equal(selects(one('In', ['prod']), labels), false)
})

t.test('no requirement selects everything, several are ANDed', async (t) => {
  t.equal(selects(makeSelector([]), LabelSet.parse([])), true)
  const both = makeSelector([requireLabel('k8s', 'a', '1'), requireLabel('k8s', 'b', '1')])
  t.equal(selects(both, LabelSet.parse(['k8s:a=1'])), false)
  t.equal(selects(both, LabelSet.parse(['k8s:a=1', 'k8s:b=1'])), true)
})

t.test('the key does not depend on how a selector was written', async (t) => {
  const a = makeSelector([
    { source: 'k8s', key: 'b', operator: 'In', values: ['2', '1', '2'] },
    requireKey('k8s', 'a'),
    requireKey('k8s', 'a'),
  ])
  const b = makeSelector([
    requireKey('k8s', 'a'),
    { source: 'k8s', key: 'b', operator: 'In', values: ['1', '2'] },
  ])
  t.equal(a.key, b.key)
  t.equal(a.key, 'k8s:a Exists, k8s:b In [1,2]')
  t.not(makeSelector([requireKey('any', 'a')]).key, makeSelector([requireKey('k8s', 'a')]).key)
})

t.test('selectors know the namespaces that they are bound to', async (t) => {
  const ns = 'io.kubernetes.pod.namespace'
  t.same(makeSelector([requireLabel('k8s', ns, 'n')]).namespaces, ['n'])
  t.same(makeSelector([requireKey('k8s', ns)]).namespaces, undefined)
  t.same(makeSelector([{ source: 'k8s', key: ns, operator: 'NotIn', values: ['n'] }]).namespaces, undefined)
})
