import t from 'tap'
import { containerLabels } from '../../../../src/agent/docker/container-labels.ts'

t.test('what policy can select by stays', async (t) => {
  const labels = {
    app: 'web',
    'com.docker.compose.project': 'shop',
    'com.docker.compose.service': 'web',
    empty: '',
  }
  t.same(containerLabels(labels), { labels, notes: [] })
})

t.test(
  'what Compose and builders write down about a container does not count, and is not complained about',
  async (t) => {
    t.same(
      containerLabels({
        'com.docker.compose.project.working_dir': '/srv/shop',
        'com.docker.compose.container-number': '1',
        'com.docker.compose.config-hash': 'c'.repeat(64),
        'org.opencontainers.image.description': 'any text; at all',
        maintainer: 'Somebody <somebody@example.org>',
      }),
      { labels: {}, notes: [] },
    )
  },
)

const LEFT_OUT: [key: string, value: string, note: RegExp][] = [
  ['two words', 'x', /^label "two words" is left out: letters, digits/],
  ['', 'x', /^label "" is left out: the key is empty/],
  ['k8s:app', 'x', /^label "k8s:app" is left out/],
  ['a/b/c', 'x', /^label "a\/b\/c" is left out/],
  ['k'.repeat(64), 'x', /^label "k{60}\.\.\." is left out: the name has 64 characters, the limit is 63/],
  ['app', 'x;k8s:role=admin', /^label "app" is left out: of its value: letters, digits/],
  ['app', 'v'.repeat(64), /^label "app" is left out: of its value: it has 64 characters/],
  ['io.kubernetes.pod.namespace', 'kube-system', /is left out: keys of this kind are set by Weir/],
  ['io.cilium.k8s.policy.cluster', 'other', /is left out: keys of this kind are set by Weir/],
  ['io.cilium.k8s.namespace.labels.team', 'x', /is left out: keys of this kind are set by Weir/],
]
for (const [key, value, note] of LEFT_OUT) {
  t.test(
    `left out: ${JSON.stringify(key.slice(0, 40))} = ${JSON.stringify(value.slice(0, 20))}`,
    async (t) => {
      const { labels, notes } = containerLabels({ [key]: value, fine: 'yes' })
      t.same(labels, { fine: 'yes' })
      t.equal(notes.length, 1)
      t.match(notes[0], note)
    },
  )
}
