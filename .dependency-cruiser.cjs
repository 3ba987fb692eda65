// Which folder may import which: lib <- policy <- l7rules <- proxy; lib <- redirect <- proxy;
// policy, redirect <- agent; l7rules <- trace <- rehearsal; cli -> lib. src/main.ts puts the parts together and may
// import all of them.
// src/gen, below lib, holds generated types of proto/.

/** Folders of src/ -> the folders that they may import besides themselves. */
const MAY_IMPORT = {
  lib: ['gen'],
  gen: [],
  policy: ['lib', 'gen'],
  l7rules: ['lib', 'policy'],
  redirect: ['lib'],
  proxy: ['lib', 'gen', 'policy', 'l7rules', 'redirect'],
  agent: ['lib', 'gen', 'policy', 'redirect'],
  cli: ['lib', 'gen'],
  trace: ['lib', 'gen', 'policy', 'l7rules'],
  // Of the agent only the documents that both read.
  rehearsal: ['lib', 'gen', 'policy', 'l7rules', 'trace', 'agent'],
}

const MEND = {
  lib: 'src/lib imports nothing of ours but generated types: move what both need down into src/lib, or this file up.',
  gen: 'src/gen is generated from proto/ and stands alone.',
  policy:
    'src/policy knows labels and rules only: pass the rest in as plain data or an interface declared here.',
  l7rules: 'src/l7rules is pure parsing and judging: sockets, logs and records belong in src/proxy.',
  redirect: 'src/redirect knows the kernel: decisions belong in src/policy, connections in src/proxy.',
  proxy: 'src/proxy meets the agent only through src/policy/network-policy.ts and gRPC.',
  agent:
    'src/agent meets the proxy only through src/policy/network-policy.ts and gRPC; src/main.ts injects the rest.',
  cli: 'src/cli talks gRPC to the agent: what it needs of other folders goes into the protocol or src/lib.',
  trace:
    'src/trace explains what is enforced: it is pure, and gets what it looks at through policy/trace-world.ts.',
  rehearsal: 'src/rehearsal answers from files: nothing of it may need the kernel, an agent or a proxy.',
}

const layers = Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
  name: `layer-${folder}`,
  comment: MEND[folder],
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: {
    path: '^(src|test|bench|demo)/',
    pathNot: `^src/(${[folder, ...allowed].join('|')})/`,
    // redirect writes policy map entries, so it may name their types.
    ...(folder === 'redirect' ? { dependencyTypesNot: ['type-only'] } : {}),
  },
}))

module.exports = {
  forbidden: [
    ...layers,
    {
      name: 'redirect-knows-policy-types-only',
      comment: MEND.redirect,
      severity: 'error',
      from: { path: '^src/redirect/' },
      to: { path: '^src/', pathNot: '^src/(redirect|lib|policy)/', dependencyTypes: ['type-only'] },
    },
    {
      name: 'nobody-imports-main',
      comment: 'src/main.ts is the composition root: what others need of it belongs in a folder of its own.',
      severity: 'error',
      from: {},
      to: { path: '^src/main\\.ts$' },
    },
    {
      name: 'no-cycles',
      comment: 'A cycle has no order of initialisation: move what both need down a layer.',
      severity: 'error',
      from: { pathNot: '^src/gen/' },
      to: { circular: true },
    },
    {
      name: 'no-test-code-in-src',
      comment: 'Shared test code belongs in test/helpers and is never shipped.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'no-dev-dependencies-in-src',
      comment: 'Not installed with the package: move it to "dependencies" of package.json or out of src/.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
    {
      name: 'not-resolvable',
      comment: 'The import leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node'],
    },
  },
}
