import t from 'tap'
import { identityLabels } from '../../../src/policy/identity-labels.ts'
import {
  endpointLabels,
  formatLabel,
  labelKeyProblem,
  labelValueProblem,
  LabelSet,
  namespaceProblem,
  objectNameProblem,
  parseLabel,
} from '../../../src/policy/labels.ts'

t.test('labels as text', async (t) => {
  t.same(parseLabel('k8s:app=x'), { source: 'k8s', key: 'app', value: 'x' })
  t.same(parseLabel('app=x=y'), { source: 'k8s', key: 'app', value: 'x=y' })
  t.same(parseLabel('reserved:host'), { source: 'reserved', key: 'host', value: '' })
  t.same(parseLabel('a', 'container'), { source: 'container', key: 'a', value: '' })
  for (const text of ['k8s:app=x', 'reserved:host', 'k8s:app.kubernetes.io/name=x']) {
    t.equal(formatLabel(parseLabel(text)), text)
  }
  for (const text of ['', '=x', 'k8s:=x', ':app']) {
    t.throws(() => parseLabel(text), { code: 'CONFIG_INVALID', message: /source:key=value/ })
  }
})

t.test('keys by the rules of Kubernetes', async (t) => {
  const good = ['a', 'app', 'a.b_c-d', 'X1', 'app.kubernetes.io/name', 'a'.repeat(63)]
  for (const key of [...good, `io.cilium.k8s.namespace.labels.${'a'.repeat(63)}`]) {
    t.equal(labelKeyProblem(key), undefined, key)
  }
  const bad = ['', '-a', 'a-', 'a b', 'a/b/c', '/a', 'a/', 'A.io/x', 'a'.repeat(64), `${'a'.repeat(254)}/a`]
  for (const key of bad) t.type(labelKeyProblem(key), 'string', key)
})

t.test('values, namespaces and names', async (t) => {
  for (const value of ['', 'a', '1.2', 'a'.repeat(63)]) t.equal(labelValueProblem(value), undefined)
  for (const value of ['a b', '-', 'é', 'a/b', 'a'.repeat(64)]) t.type(labelValueProblem(value), 'string')
  t.equal(namespaceProblem('kube-system'), undefined)
  for (const name of ['', 'A', 'a.b', 'a'.repeat(64)]) t.type(namespaceProblem(name), 'string')
  t.equal(objectNameProblem('my.policy-1'), undefined)
  for (const name of ['', 'A', 'a..b', 'a_b', '.a']) t.type(objectNameProblem(name), 'string')
})

t.test('sets are equal whatever the order, and keep one label per source and key', async (t) => {
  const set = LabelSet.parse(['k8s:b=2', 'k8s:a=1'])
  t.equal(set.key, 'k8s:a=1;k8s:b=2;')
  t.equal(LabelSet.parse(['k8s:a=1', 'k8s:b=2', 'k8s:a=1']).key, set.key)
  t.same(LabelSet.parse(['k8s:a=1', 'k8s:a=2']).toStrings(), ['k8s:a=2'])
  t.same(LabelSet.parse(['k8s:a=1', 'container:a=2']).toStrings(), ['container:a=2', 'k8s:a=1'])
})

t.test('look-up by source, or by any', async (t) => {
  const set = LabelSet.parse(['k8s:a=1', 'container:a=2'])
  t.equal(set.get('k8s', 'a'), '1')
  t.equal(set.hasValue('k8s', 'a', ['2']), false)
  t.equal(set.hasValue('any', 'a', ['2']), true)
  t.equal(set.has('reserved', 'a'), false)
  t.equal(set.has('any', 'b'), false)
})

t.test('endpoints get the namespace as a label', async (t) => {
  t.same(endpointLabels('n', { app: 'x' }).toStrings(), ['k8s:app=x', 'k8s:io.kubernetes.pod.namespace=n'])
})

t.test('labels that differ between replicas are not part of the identity', async (t) => {
  const labels = LabelSet.parse([
    'k8s:app=x',
    'k8s:app.kubernetes.io/name=x',
    'k8s:io.kubernetes.pod.namespace=n',
    'k8s:io.kubernetes.pod.name=x-1',
    'k8s:pod-template-hash=abc',
    'k8s:statefulset.kubernetes.io/pod-name=x-0',
    'k8s:controller-revision-hash=1',
    'k8s:failure-domain.beta.kubernetes.io/zone=z',
    'reserved:host',
  ])
  t.same(identityLabels(labels).toStrings(), [
    'k8s:app=x',
    'k8s:app.kubernetes.io/name=x',
    'k8s:io.kubernetes.pod.namespace=n',
    'reserved:host',
  ])
})
