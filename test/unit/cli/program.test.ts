import { Writable } from 'node:stream'
import t from 'tap'
import { createProgram, runProgram, type CliIo } from '../../../src/cli/program.ts'
import { WeirError } from '../../../src/lib/errors.ts'
import { MAX_WORKERS } from '../../../src/lib/limits.ts'
import { NO_REHEARSAL } from '../../helpers/no-rehearsal.ts'

class Collected extends Writable {
  text = ''
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

interface Ran {
  readonly exitCode: number
  readonly called: unknown[]
  readonly stdout: string
  readonly stderr: string
}

async function weir(args: string, fail?: Error): Promise<Ran> {
  const called: unknown[] = []
  const handler = (name: string) => async (options: object) => {
    if (fail !== undefined) throw fail
    called.push(name, options)
  }
  const io = { stdout: new Collected(), stderr: new Collected() } satisfies CliIo
  const program = createProgram(
    {
      run: handler('run'),
      agent: handler('agent'),
      proxy: handler('proxy'),
      cleanup: handler('cleanup'),
      doctor: () => [],
      rehearsal: NO_REHEARSAL,
    },
    io,
  )
  const exitCode = await runProgram(program, args.split(' ').filter(Boolean), io)
  return { exitCode, called, stdout: io.stdout.text, stderr: io.stderr.text }
}

t.test('handlers get parsed options with defaults', async (t) => {
  const policy = {
    endpointsFile: '/dev/null',
    dockerSocket: undefined,
    policiesDir: '/',
    stateDir: '/run/weir',
  }
  t.same(
    (
      await weir(
        'run --endpoints /dev/null --policies / --workers 3 --denied-403-body no --path-encoded-slash reject',
      )
    ).called,
    ['run', { ...policy, workers: 3, accessLog: undefined, denied403Body: 'no', encodedSlash: 'reject' }],
  )
  t.match((await weir('run --endpoints /dev/null --policies /')).called, ['run', { workers: /^[1-4]$/ }])
  t.same((await weir('agent --endpoints /dev/null --policies /')).called, ['agent', policy])
  t.match((await weir('run --docker --policies /')).called, [
    'run',
    { endpointsFile: undefined, dockerSocket: '/var/run/docker.sock' },
  ])
  t.match((await weir('agent --docker /run/d.sock --endpoints /dev/null --policies /')).called, [
    'agent',
    { endpointsFile: '/dev/null', dockerSocket: '/run/d.sock' },
  ])
  t.same((await weir('proxy --slot 1 --access-log - --state-dir /run/w2')).called, [
    'proxy',
    { slot: 1, stateDir: '/run/w2', accessLog: '-', denied403Body: undefined, encodedSlash: undefined },
  ])
  t.same((await weir('cleanup')).called, ['cleanup', { stateDir: '/run/weir' }])
})

const FAILURES: [string, RegExp][] = [
  ['run', /^weir: CONFIG_INVALID: required option '--policies <dir>' not specified\n$/],
  [
    'run --policies /',
    /^weir: CONFIG_INVALID: no endpoints are named; give --endpoints FILE, --docker, or both\n$/,
  ],
  ['agent --policies /', /^weir: CONFIG_INVALID: no endpoints are named/],
  [
    'run --endpoints /dev/null --policies / --workers 99',
    /^weir: CONFIG_INVALID: --workers "99" .*1 to \d\d.*\n$/,
  ],
  [`proxy --slot ${MAX_WORKERS}`, new RegExp(`from 0 to ${MAX_WORKERS - 1};`)],
  ['nonsense', /^weir: CONFIG_INVALID: unknown command 'nonsense'.*\n$/],
  ['status --nonsense', /unknown option '--nonsense'/],
  ['status extra', /too many arguments/],
  ['observe --last 5000', /--last "5000" .* 1 to 4096/],
  [
    'status --state-dir /run/weir-of-nobody',
    /^weir: AGENT_UNREACHABLE: no agent answers on .*; start it with .*\n$/,
  ],
]
for (const [args, message] of FAILURES) {
  t.test(`weir ${args}`, async (t) => {
    const { exitCode, stdout, stderr, called } = await weir(args)
    t.equal(exitCode, 1)
    t.match(stderr, message)
    t.equal(stdout, '')
    t.same(called, [])
  })
}

t.test('errors of handlers', async (t) => {
  t.match(await weir('cleanup', new WeirError('NOT_PRIVILEGED', 'load', { mend: 'run as root' })), {
    exitCode: 1,
    stderr: 'weir: NOT_PRIVILEGED: load; run as root\n',
  })
  t.match(await weir('cleanup', new Error('bug')), { exitCode: 1, stderr: 'weir: INTERNAL: bug\n' })
})

t.test('help and version', async (t) => {
  t.match(await weir('--version'), { exitCode: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  t.match(await weir('run --help'), { exitCode: 0, stdout: /--denied-403-body <text>/ })
  t.match(await weir('bpf'), { exitCode: 1, stderr: /^Usage: weir bpf/ })
})
