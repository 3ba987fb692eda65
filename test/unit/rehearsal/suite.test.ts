import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { testPolicies, validatePolicies } from '../../../src/rehearsal/commands.ts'

function write(t: Test, files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const policy = (name: string, ingress: string): string => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: ${name} }
spec:
  endpointSelector: { matchLabels: { app: api } }
  ingress: ${ingress}
`
const ENDPOINTS = `- { name: web, labels: { app: web }, device: v1, addresses: [10.0.0.1] }
- { name: api, labels: { app: api }, device: v2, addresses: [10.0.0.2] }
`
const FROM_WEB = '[{ fromEndpoints: [{ matchLabels: { app: web } }] }]'

/** Problems as people read them, without the folder in front. */
async function problemsOf(
  t: Test,
  suite: string,
  files: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const folder = write(t, {
    'endpoints.yaml': ENDPOINTS,
    'policies/api.yaml': policy('api', FROM_WEB),
    ...files,
    'suite.yaml': suite,
  })
  const [report] = await testPolicies([join(folder, 'suite.yaml')])
  t.same(report?.cases, [], 'nothing runs beside problems')
  return (report?.problems ?? []).map(({ text }) => text.replaceAll(/[^ ']*\/weir-[^/]*\//g, ''))
}

const HEAD = 'endpoints: endpoints.yaml\npolicies: policies\n'

const BROKEN: [title: string, suite: string, problems: RegExp[], files?: Record<string, string>][] = [
  ['an empty file', '# nothing\n', [/^suite\.yaml:1:1: the file is empty; write endpoints/]],
  ['nothing in it', '{}', [/endpoints: is missing/, /policies: is missing/, /cases: is missing/]],
  ['no case', `${HEAD}cases: []`, [/^suite\.yaml:3:8: cases: lists no case \(value: \[\]\); add one$/]],
  [
    'unknown fields',
    `${HEAD}cases:\n  - { from: web, to: api, port: 80, expect: allow, http: { pth: / } }`,
    [/^suite\.yaml:4:\d+: cases\[0\]\.http\.pth: unknown field "pth".*did you mean "path"\?$/],
  ],
  [
    'a case that lacks everything',
    `${HEAD}cases:\n  - name: x`,
    [
      /cases\[0\]\.from: is missing/,
      /cases\[0\]\.to: is missing/,
      /cases\[0\]\.port: is missing/,
      /cases\[0\]\.expect: is missing/,
    ],
  ],
  [
    'values that mean nothing',
    `${HEAD}cases:\n  - { from: web, to: api, port: 99999, expect: maybe }`,
    [
      /^suite\.yaml:4:33: cases\[0\]\.port: is not PORT or PORT\/PROTOCOL \(value: 99999\)/,
      /cases\[0\]\.expect: is no expectation \(value: "maybe"\); write one of allow, deny/,
    ],
  ],
  [
    'requests of two protocols',
    `${HEAD}cases:\n  - { from: web, to: api, port: 80, expect: allow, http: {}, kafka: { apiKey: fetch } }`,
    [/cases\[0\]\.kafka: cannot be combined with http in one case.*write two cases$/],
  ],
  [
    'Kafka requests that cannot be',
    `${HEAD}cases:
  - { from: web, to: api, port: 80, expect: allow, kafka: {} }
  - { from: web, to: api, port: 80, expect: allow, kafka: { apiKey: fetch, apiVersion: 32768 } }
  - { from: web, to: api, port: 80, expect: allow, kafka: { apiKey: fetch, topics: a } }
  - { from: web, to: api, port: 80, expect: allow, kafka: { apiKey: fetch, group: [] } }
  - { from: web, to: api, port: 80, expect: allow, kafka: { apiKey: fetch, topic: a } }`,
    [
      /cases\[0\]\.kafka\.apiKey: is missing; e\.g\. produce/,
      /cases\[1\]\.kafka\.apiVersion: apiVersion must be 0 to 32767 \(value: 32768\)/,
      /cases\[2\]\.kafka\.topics: must be a list/,
      /cases\[3\]\.kafka\.group: must be text/,
      /cases\[4\]\.kafka\.topic: unknown field "topic".*did you mean "topics"/,
    ],
  ],
  [
    'a Kafka API that nobody knows',
    `${HEAD}cases:\n  - { from: web, to: api, port: 80, expect: allow, kafka: { apiKey: fetsh } }`,
    [/cases\[0\]\.kafka: "fetsh" is not an API of Kafka; e\.g\. produce/],
  ],
  [
    'ends that nobody knows',
    `${HEAD}cases:\n  - { from: wed, to: 10.0.0.999, port: 80, expect: allow }`,
    [
      /^suite\.yaml:4:13: cases\[0\]\.from: nothing is known by "wed"; name an endpoint.* \(value: "wed"\)$/,
      /cases\[0\]\.to: nothing is known by "10\.0\.0\.999"/,
    ],
  ],
  [
    'files that are not there',
    'endpoints: nowhere.yaml\npolicies: [nothing]\ncases: [{ from: web, to: api, port: 80, expect: allow }]',
    [
      /^suite\.yaml:1:12: endpoints: read .*nowhere\.yaml.*name an endpoints file/,
      /policies\[0\]: .*does not exist/,
    ],
  ],
  [
    'files that are broken',
    `${HEAD}cases: [{ from: web, to: api, port: 80, expect: allow }]`,
    [
      /^endpoints\.yaml:1:\d+: \[0\]\.lables: unknown field/,
      /^policies\/b\.yaml:6:\d+: spec\.ingress: must be a list/,
    ],
    {
      'endpoints.yaml': '- { name: web, lables: {}, device: v1, addresses: [10.0.0.1] }',
      'policies/b.yaml': policy('b', 'x'),
    },
  ],
  [
    'broken policies and endpoints inside',
    `endpoints:
  - { name: web, color: red }
policies:
  - apiVersion: cilium.io/v2
    kind: CiliumNetworkPolicy
    metadata: { name: p }
    spec:
      endpointSelector: {}
      ingres: []
cases: [{ from: web, to: world, port: 80, expect: allow }]`,
    [
      /^suite\.yaml:2:18: endpoints\[0\]\.color: unknown field "color"/,
      /^suite\.yaml:9:7: policies\[0\]\.spec\.ingres: unknown field "ingres".*did you mean "ingress"\?$/,
    ],
  ],
]
for (const [title, suite, problems, files] of BROKEN) {
  t.test(title, async (t) => {
    const found = await problemsOf(t, suite, files)
    for (const problem of problems) {
      t.ok(
        found.some((text) => problem.test(text)),
        `${problem.source} in:\n${found.join('\n')}`,
      )
    }
  })
}

t.test('everything in one file', async (t) => {
  const folder = write(t, {
    'suite.yaml': `
endpoints:
  - { name: web, labels: { app: web } }
  - { name: api, labels: { app: api }, addresses: [10.0.0.2] }
policies:
  - apiVersion: cilium.io/v2
    kind: CiliumNetworkPolicy
    metadata: { name: api }
    spec:
      endpointSelector: { matchLabels: { app: api } }
      ingress:
        - fromEndpoints:
            - matchLabels: { app: web }
cases:
  - { from: web, to: 10.0.0.2, port: 80, expect: allow, rule: 'default/api ingress[0]' }
  - { name: a miss, from: app=db, to: api, port: 80, expect: allow }
  - { name: the wrong rule, from: web, to: api, port: 80, expect: allow, rule: default/ap }
`,
  })
  const [report] = await testPolicies([join(folder, 'suite.yaml')])
  t.same(report?.problems, [])
  t.match(report?.cases, [
    {
      name: 'web to 10.0.0.2',
      line: 15,
      passed: true,
      got: { rule: { name: 'default/api ingress[0]', line: 12 } },
    },
    {
      name: 'a miss',
      line: 16,
      passed: false,
      got: { outcome: 'dropped', rule: { name: 'default/api', line: 6 } },
    },
    { name: 'the wrong rule', passed: false, got: { outcome: 'allow' } },
  ])
})

t.test('validate', async (t) => {
  const folder = write(t, {
    'good.yaml': policy('one', FROM_WEB),
    'more/a.yaml': `${policy('two', FROM_WEB)}---\n${policy('three', '[{ toPorts: [{ ports: [{ port: "80", protocol: TCP }], rules: { http: [{ path: "*" }] } }] }]')}`,
    'more/b.yml': policy('one', FROM_WEB),
    'more/empty.yaml': '# nothing\n',
    'more/.hidden.yaml': 'broken: [',
    'more/notes.txt': 'broken: [',
  })
  const report = await validatePolicies([join(folder, 'good.yaml'), join(folder, 'more')])
  t.equal(report.files, 4)
  t.same(report.policies, ['default/one', 'default/two'])
  t.match(
    report.problems.map(({ text }) => text.replaceAll(/[^ ']*\/weir-[^/]*\//g, '')),
    [
      /^more\/a\.yaml:13:\d+: spec\.ingress\[0\]\.toPorts\[0\]\.rules\.http\[0\]\.path: the regular expression is refused: .*\(value: "\*"\)/,
      /^more\/b\.yml:1:1: metadata\.name: policy default\/one is already defined at good\.yaml:1/,
      /^more\/empty\.yaml:1:1: holds no policy/,
    ],
  )
  t.match(report.problems[0], { line: 13, path: /path$/, value: '"*"', mend: /RE2/ })
  await t.rejects(validatePolicies([join(folder, 'nowhere')]), {
    code: 'CONFIG_INVALID',
    message: /does not exist/,
  })
})
