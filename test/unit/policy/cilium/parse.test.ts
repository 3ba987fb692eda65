// What is refused, where exactly, and what the message tells. What is admitted and means: test/conformance/policy.
import fc from 'fast-check'
import t from 'tap'
import { formatProblem } from '../../../../src/policy/problem.ts'
import { parse, policyText } from '../../../helpers/policy-world.ts'

/** Problems of a policy whose spec is given in YAML, two blanks deeper than `spec:` in line 5. */
function problemsOf(spec: string): string[] {
  const lines = spec.replace(/^\n|\n\s*$/g, '').split('\n')
  const indent = /^ */.exec(lines[0] ?? '')?.[0].length ?? 0
  const body = lines.map((line) => `  ${line.slice(indent)}`).join('\n')
  const head = 'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata:\n  name: p\nspec:\n'
  return parse(`${head}${body}\n`).problems.map(formatProblem)
}

const ONE_RULE = 'endpointSelector: {}\ningress:\n- '

t.test('a problem names file, line, column, path, value and mend', async (t) => {
  t.strictSame(
    problemsOf(`
      endpointSelector: {}
      ingress:
      - toPorts:
        - ports:
          - port: "80"
            protocol: TPC`),
    [
      'policy.yaml:11:19: spec.ingress[0].toPorts[0].ports[0].protocol: unknown protocol (value: "TPC"); use TCP, UDP, SCTP, ANY',
    ],
  )
})

t.test('all problems of a document are reported at once', async (t) => {
  const found = problemsOf(`
    endpointSelector: {matchLabels: {"a b": x, c: 1}}
    ingres: []
    ingress:
    - fromGroups: []
      toPorts:
      - ports: [{port: 80, protocol: TCP}]
        rules: {http: [{path: "*", method: 5}]}
    egress:
    - toFQDNs:
      - matchName: a.com`)
  t.equal(found.length, 8, found.join('\n'))
  t.match(found, [
    /^policy.yaml:6:\d+: spec.endpointSelector.matchLabels\["a b"\]: label key "a b" is not valid/,
    /matchLabels.c: must be text \(value: 1\); put it in quotes: "1"/,
  ])
  t.ok(
    found.some((text) =>
      text.includes('7:3: spec.ingres: unknown field "ingres" (value: []); did you mean "ingress"?'),
    ),
  )
  t.ok(found.some((text) => text.includes('spec.egress[0].toFQDNs: field "toFQDNs" is not supported yet')))
})

t.test('fields of the format that cannot be enforced are refused by name, at the name', async (t) => {
  const cases: [string, RegExp][] = [
    [
      `${ONE_RULE}fromNodes:\n  - {}`,
      /:8:5: spec.ingress\[0\].fromNodes: field "fromNodes" is not supp.*use fromEntities/,
    ],
    [
      `${ONE_RULE}fromCIDRSet: [{cidrGroupRef: x}]`,
      /\[0\].cidrGroupRef: field "cidrGroupRef" is not supported/,
    ],
    [`${ONE_RULE}fromCIDRSet: [{cidrGroupSelector: {}}]`, /"cidrGroupSelector" is not supported yet/],
    [`${ONE_RULE}fromGroups: []`, /"fromGroups" is not supported yet/],
    [`${ONE_RULE}fromRequires: []`, /"fromRequires" is not supported yet/],
    [`${ONE_RULE}authentication: {mode: required}`, /"authentication" is not supported yet/],
    ['endpointSelector: {}\negress:\n- toServices: []', /"toServices" is not supported yet/],
    ['endpointSelector: {}\negress:\n- toFQDNs: []', /"toFQDNs" is not supported yet .*use toCIDR/],
    ['endpointSelector: {}\negressDeny:\n- toFQDNs: []', /"toFQDNs" is not supported yet/],
    ['endpointSelector: {}\negress:\n- toNodes: []', /"toNodes" is not supported yet/],
    ['endpointSelector: {}\negress:\n- toGroups: []', /"toGroups" is not supported yet/],
    ['endpointSelector: {}\negress:\n- toRequires: []', /"toRequires" is not supported yet/],
    ['nodeSelector: {}\nendpointSelector: {}\ningress: [{}]', /"nodeSelector" is not supported yet/],
    [`log: {value: x}\n${ONE_RULE}{}`, /"log" is not supported yet/],
    [
      `${ONE_RULE}toPorts: [{ports: [{port: "53"}], rules: {dns: [{matchName: a}]}}]`,
      /"dns" is not supported yet/,
    ],
    [
      `${ONE_RULE}toPorts: [{ports: [{port: "53"}], rules: {l7proto: r2d2}}]`,
      /"l7proto" is not supported yet/,
    ],
    [`${ONE_RULE}toPorts: [{ports: [{port: "53"}], listener: {}}]`, /"listener" is not supported yet/],
    [
      `${ONE_RULE}toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [{headerMatches: [{name: A, secret: {name: s}}]}]}}]`,
      /headerMatches\[0\].secret: field "secret" is not supported yet/,
    ],
    [`${ONE_RULE}fromEntities: [wrld]`, /unknown entity "wrld" .*did you mean "world"\?/],
    [`${ONE_RULE}toPorts: [{ports: [{port: "1", protocol: ICMP}]}]`, /ICMP has no ports .*use icmps/],
    [`${ONE_RULE}toPorts: [{ports: [{port: "1", protocol: GRE}]}]`, /protocol "GRE" is not supported yet/],
    [
      `${ONE_RULE}toPorts: [{ports: [{port: "53"}], terminatingTLS: {}}]`,
      /"terminatingTLS" is not supported/,
    ],
    [
      `${ONE_RULE}toPorts: [{ports: [{port: "53"}], originatingTLS: {}}]`,
      /"originatingTLS" is not supported/,
    ],
    [`${ONE_RULE}toPorts: [{ports: [{port: "53"}], serverNames: [a]}]`, /"serverNames" is not supported yet/],
    [
      'endpointSelector: {}\ningressDeny: [{toPorts: [{ports: [{port: "1"}], listener: {}}]}]',
      /"listener" is not/,
    ],
    [
      'endpointSelector: {}\ningressDeny:\n- toPorts: [{ports: [{port: "1"}], rules: {}}]',
      /"rules" is not supported yet/,
    ],
  ]
  for (const [spec, expected] of cases) {
    const found = problemsOf(spec)
    t.match(found, [expected], spec)
    t.equal(found.length, 1, found.join('\n'))
  }
})

t.test('values are checked', async (t) => {
  const port = (text: string): string => `${ONE_RULE}toPorts: [{ports: [${text}]}]`
  const http = (text: string): string =>
    `${ONE_RULE}toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: ${text}}}]`
  const select = (text: string): string => `endpointSelector: ${text}\ningress: [{}]`
  const cases: [string, RegExp][] = [
    [port('{port: "65536"}'), /port must be 0 to 65535 \(value: "65536"\)/],
    [port('{port: ""}'), /is not a port number or name/],
    [port('{port: "a--b"}'), /is not a port number or name .*single "-"/],
    [port('{port: "http", endPort: 90}'), /endPort: a port by name has no end/],
    [`${ONE_RULE}fromCIDR: [10.0.0.0/33]`, /fromCIDR\[0\]: is not a prefix .*10.0.0.0\/8/],
    [`${ONE_RULE}fromCIDR: [10.0.0.0/255.0.255.0]`, /is not a prefix/],
    [`${ONE_RULE}fromCIDR: ["::ffff:10.0.0.0/104"]`, /is not a prefix/],
    [`${ONE_RULE}fromCIDR: [example.com]`, /is not a prefix/],
    [`${ONE_RULE}fromCIDRSet: [{cidr: 10.0.0.1}]`, /\[0\].cidr: is not a prefix .*add the length/],
    [`${ONE_RULE}fromCIDRSet: [{except: [10.0.0.0/8]}]`, /\[0\].cidr: is missing/],
    [`${ONE_RULE}icmps: [{}]`, /icmps\[0\].fields: is missing/],
    [`${ONE_RULE}icmps: [{fields: []}]`, /lists no type/],
    [`${ONE_RULE}icmps: [{fields: [{type: 256}]}]`, /an ICMP type is 0 to 255/],
    [`${ONE_RULE}icmps: [{fields: [{type: EchoRequst}]}]`, /did you mean "EchoRequest"/],
    [`${ONE_RULE}icmps: [{fields: [{type: PacketTooBig}]}]`, /unknown ICMP type of this family/],
    [`${ONE_RULE}icmps: [{fields: [{type: 8, family: IPX}]}]`, /unknown family/],
    [
      'endpointSelector: {}\ningressDeny: [{icmps: [{fields: [{family: IPv6, type: 135}]}]}]',
      /cannot be denied/,
    ],
    [port('{port: 80}'), /must be text \(value: 80\); put it in quotes: "80"/],
    [port('{protocol: TCP}'), /ports\[0\].port: is missing/],
    [port('{port: "80", endPort: 79}'), /endPort is below port 80 \(value: 79\)/],
    [port('{port: "80", endPort: "90"}'), /must be a whole number \(value: "90"\)/],
    [port('{port: "0", endPort: 90}'), /a range cannot begin at port 0/],
    [port('{port: "80", protocol: tcp}'), /protocol must be in capitals .*write TCP/],
    [`${ONE_RULE}toPorts: [{ports: []}]`, /lists no port/],
    [`${ONE_RULE}toPorts: [{}]`, /toPorts\[0\].ports: is missing/],
    [http('[]'), /lists no rule .*write \[{}\]/],
    [`${ONE_RULE}toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {}}]`, /names no protocol/],
    [http('[{path: ""}]'), /the pattern is empty/],
    [http('[{path: "*"}]'), /the regular expression is refused: .*\(value: "\*"\)/],
    [http('[{headers: ["X-A:b"]}]'), /is not a header .*blank after the colon/],
    [http('[{headers: ["X-A:"]}]'), /is not a header/],
    [http('[{headers: ["X-A: "]}]'), /header value is empty/],
    [http('[{headers: X-A}]'), /headers: must be a list/],
    [http('[{headerMatches: [{value: x}]}]'), /headerMatches\[0\].name: is missing/],
    [http('[{headerMatches: [{name: "a b"}]}]'), /is not a header name/],
    [http('[{headerMatches: [{name: a, mismatch: DROP}]}]'), /unknown action .*LOG, ADD, DELETE, REPLACE/],
    [http('[{headerMatches: [{name: a, mismatch: ADD}]}]'), /value: is missing; ADD needs the value/],
    [select('{matchLabels: {app: "a b"}}'), /is not a label value \(value: "a b"\)/],
    [
      select('{matchLabels: {"foo:app": a}}'),
      /unknown source "foo" .*use one of k8s, any, reserved, container/,
    ],
    [
      select('{matchExpressions: [{key: a, operator: Is}]}'),
      /unknown operator .*In, NotIn, Exists, DoesNotExist/,
    ],
    [select('{matchExpressions: [{key: a, operator: In}]}'), /values: is missing/],
    [select('{matchExpressions: [{key: a, operator: NotIn, values: []}]}'), /NotIn needs values/],
    [select('{matchExpressions: [{key: a, operator: Exists, values: [b]}]}'), /Exists takes no values/],
    [select('{matchExpressions: [{operator: Exists}]}'), /key: is missing/],
    [select('[]'), /endpointSelector: must be a mapping/],
    [
      select('{matchLabels: {io.kubernetes.pod.namespace: other}}'),
      /selects endpoints outside of namespace default/,
    ],
    [
      `${ONE_RULE}fromEndpoints:\n  toPorts: []`,
      /:8:5: spec.ingress\[0\].fromEndpoints: must be a list, but is empty/,
    ],
    ['endpointSelector: {}', /spec: holds no rule/],
    ['endpointSelector: {}\ningress: []', /spec: holds no rule/],
    ['ingress: [{}]', /endpointSelector: is missing/],
    ['endpointSelector: {}\ningress: {}', /spec.ingress: must be a list/],
    ['endpointSelector: {}\ningress: [{}]\nenableDefaultDeny: {ingress: "no"}', /must be true or false/],
    [`${ONE_RULE}fromEndpoints: []\n  fromEntities: [host]`, /cannot be combined with fromEndpoints/],
  ]
  for (const [spec, expected] of cases) t.match(problemsOf(spec)[0], expected, spec)
})

t.test('documents as a whole', async (t) => {
  const cases: [string, RegExp][] = [
    ['hello', /policy.yaml:1:1: must be a mapping \(value: "hello"\)/],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: p}', /kind "Pod" is not supported yet/],
    [
      'kind: CiliumNetworkPolicy\napiVersion: cilium.io/v1\nmetadata: {name: p}',
      /is not an apiVersion .*cilium.io\/v2/,
    ],
    ['metadata: {name: p}\nspec: {}', /kind: is missing/],
    ['kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nspec: {}', /metadata: is missing/],
    [
      'kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: P}',
      /metadata.name: is not a valid name/,
    ],
    ['kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: p}', /spec: is missing/],
    [
      'kind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata: {name: p}\nspecs: []',
      /specs: lists no rule/,
    ],
  ]
  for (const [text, expected] of cases) t.match(parse(text).problems.map(formatProblem)[0], expected, text)
})

const GOOD = policyText({ endpointSelector: {}, ingress: [{}] }, 'good')

t.test('a broken document does not hide the good ones beside it', async (t) => {
  for (const broken of [
    'a: [1',
    'a: "b',
    'a: b: c',
    '\tx: 1',
    '{',
    'kind: Pod',
    'a: *nowhere',
    'a: 1\na: 2',
    '- &x [*x]',
  ]) {
    const { policies, problems } = parse(
      `${GOOD}\n---\n${broken}\n---\n${GOOD.replace('"good"', '"other"')}\n`,
    )
    t.same(
      policies.map(({ key }) => key),
      ['n/good', 'n/other'],
      broken,
    )
    t.ok(problems.length > 0, broken)
    for (const { line } of problems) t.ok(line >= 2 && line <= 5, `${broken}: line ${line}`)
  }
})

t.test('broken YAML names line and column, and the policy as far as it can be read', async (t) => {
  const { documents } = parse(
    'kind: CiliumNetworkPolicy\nmetadata:\n  name: p\n  namespace: n\nspec: {a: [}\n',
  )
  t.equal(documents[0]?.key, 'n/p')
  t.match(
    documents[0]?.problems.map(formatProblem)[0],
    /^policy.yaml:5:\d+: broken YAML: .*correct the YAML syntax/,
  )
})

t.test('of two policies with one name in a file the later is refused', async (t) => {
  const { policies, problems, documents } = parse(`${GOOD}\n---\n# again\n${GOOD}`)
  t.equal(policies.length, 1)
  t.match(problems.map(formatProblem), [
    /^policy.yaml:4:1: metadata.name: policy n\/good is already defined at policy.yaml:1/,
  ])
  t.equal(documents.length, 2)
})

t.test('comments and empty documents are no documents', async (t) => {
  t.equal(parse('').documents.length, 0)
  t.equal(parse('# nothing\n---\n---\n# here\n').documents.length, 0)
})

t.test('a policy remembers its text and place', async (t) => {
  const text = `# first\n---\n# about it\nkind: CiliumNetworkPolicy\napiVersion: cilium.io/v2\nmetadata:\n  name: p\nspec:\n  endpointSelector: {}\n  ingress: [{}]   \n---\n# end\n`
  const [policy] = parse(text).policies
  t.equal(policy?.line, 4)
  t.equal(policy?.namespace, 'default')
  t.match(policy?.yaml, /^# about it\nkind: CiliumNetworkPolicy\n[^]*ingress: \[\{\}\]\n$/)
  t.notMatch(policy?.yaml, /---/)
})

t.test('what an exported object carries besides is accepted', async (t) => {
  const { problems } = parse(
    JSON.stringify({
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: {
        name: 'p',
        uid: 'x',
        resourceVersion: '1',
        generation: 1,
        creationTimestamp: '2026-01-01T00:00:00Z',
        labels: { a: 'b' },
        annotations: {},
        managedFields: [],
      },
      spec: { endpointSelector: {}, description: 'text', labels: [{ key: 'a', value: 'b' }], ingress: [{}] },
      status: { conditions: [] },
    }),
  )
  t.same(problems, [])
})

t.test('anchors work, but cannot be piled up', async (t) => {
  const spec = 'endpointSelector: &s {matchLabels: {a: b}}\ningress: [{fromEndpoints: [*s]}]'
  t.same(problemsOf(spec), [])
  const many = Array.from({ length: 200 }, () => '*a').join(',')
  const bomb = `endpointSelector: &a {}\ningress: [${Array.from({ length: 100 }, (_, i) => (i === 0 ? `&b {fromEndpoints: [${many}]}` : '*b')).join(',')}]`
  t.match(problemsOf(bomb), [/must be a mapping, but is empty/])
})

t.test('no text makes it throw, and what it admits it admits again from the text it keeps', async () => {
  const good = policyText(
    {
      endpointSelector: {
        matchLabels: { app: 'a' },
        matchExpressions: [{ key: 'b', operator: 'In', values: ['c'] }],
      },
      ingress: [
        {
          fromEndpoints: [{ matchLabels: { 'any:app': 'b' } }],
          toPorts: [
            {
              ports: [{ port: '80', protocol: 'TCP' }],
              rules: { http: [{ path: '/a', headers: ['X: y'] }] },
            },
          ],
        },
      ],
      egressDeny: [{ toEntities: ['world'], toPorts: [{ ports: [{ port: '1', endPort: 9 }] }] }],
    },
    'p',
  )
  const scraps = fc.constantFrom(
    ...'{}[]:,"\'&*-!|>?%@`#~\n\t\0 ',
    '\n---\n',
    'null',
    '[]',
    '{}',
    '80',
    '*a',
    '&a ',
    '<<: *a',
  )
  const edit = fc.tuple(fc.nat(good.length), fc.nat(6), scraps)
  const damaged = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
    return edits.reduce((text, [at, gone, scrap]) => text.slice(0, at) + scrap + text.slice(at + gone), good)
  })
  fc.assert(
    fc.property(
      fc.oneof(
        damaged,
        fc.string({ unit: 'binary' }),
        fc.array(scraps).map((all) => all.join('')),
      ),
      (text) => {
        const { policies, documents } = parse(text)
        for (const { policy, problems } of documents) {
          if ((policy === undefined) !== problems.length > 0) throw new Error('neither admitted nor refused')
        }
        for (const { yaml, rules } of policies) {
          const [again] = parse(yaml).policies
          if (JSON.stringify(again?.rules) !== JSON.stringify(rules)) throw new Error('means something else')
        }
      },
    ),
    { numRuns: 2000 },
  )
})
