// What the compiler cannot see. Layers between folders: .dependency-cruiser.cjs. Layout: prettier.
import tseslint from 'typescript-eslint'

/** What a pure folder must not reach for, with where such code belongs. */
const IMPURE_MODULES = [
  {
    regex: '^(node:)?(net|http|https|http2|tls|dgram|dns|child_process|cluster|worker_threads)(/.*)?$',
    message: 'src/policy and src/l7rules are pure: sockets and processes belong in src/proxy or src/agent.',
  },
  {
    regex: '^(node:)?fs(/.*)?$',
    message: 'src/policy and src/l7rules are pure: read the file in src/agent and pass its text.',
  },
  {
    regex: '^(node:)?(timers|perf_hooks|process|os)(/.*)?$',
    message: 'src/policy and src/l7rules are pure: time and environment arrive as arguments.',
  },
  {
    regex: '^(pino|koffi|@grpc/.*)$|/lib/log\\.ts$',
    message:
      'src/policy and src/l7rules are pure: return a value and let src/proxy or src/agent log or send it.',
  },
]
const IMPURE_GLOBALS = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'process',
  'console',
  'fetch',
  'performance',
]

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'src/gen/', '.tap/'] },
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'off',
      'no-constant-binary-expression': 'error',
      'no-control-regex': 'error',
      'no-self-compare': 'error',
      'no-unreachable-loop': 'error',
      'no-useless-assignment': 'error',
      'object-shorthand': 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      // Numbers in messages read well; objects and undefined do not.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // `return fail(...)` and `(value) => call(value)` with a void call are shorter than a block and as clear.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // Spreading a string by code points is what is meant.
      '@typescript-eslint/no-misused-spread': 'off',
      // Structural typing is how in-memory twins stand in for real ones.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // A handle that the interface makes asynchronous need not await in each implementation.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    // Per byte and per packet work: indices are checked by the loop around them, and `?? 0` on each read costs a
    // branch that noUncheckedIndexedAccess would otherwise force.
    files: ['src/proxy/io/**/*.ts', 'src/l7rules/*/**/*.ts', 'src/redirect/layout*.ts'],
    rules: { '@typescript-eslint/no-non-null-assertion': 'off' },
  },
  {
    files: ['src/policy/**/*.ts', 'src/l7rules/**/*.ts', 'src/trace/**/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: IMPURE_MODULES }],
      'no-restricted-globals': [
        'error',
        ...IMPURE_GLOBALS.map((name) => ({ name, message: 'Pure folder: take it as an argument instead.' })),
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "MemberExpression[object.name='Date'][property.name='now'], NewExpression[callee.name='Date'][arguments.length=0]",
          message: 'Pure folder: the time arrives as an argument.',
        },
        {
          selector: "MemberExpression[object.name='Math'][property.name='random']",
          message: 'Pure folder: randomness arrives as an argument.',
        },
      ],
    },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts', 'demo/**/*.ts'],
    rules: {
      // A test that trips over `undefined` fails, as it should.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `t.test()` returns a promise that tap itself awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: '@tapjs/test', name: 'test' },
            { from: 'package', package: '@tapjs/core', name: 'test' },
            { from: 'package', package: 'tap', name: 'test' },
          ],
        },
      ],
      '@typescript-eslint/unbound-method': 'off',
    },
  },
)
