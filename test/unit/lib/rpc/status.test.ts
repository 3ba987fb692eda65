import { Metadata, status, type ServiceError } from '@grpc/grpc-js'
import t from 'tap'
import { WeirError } from '../../../../src/lib/errors.ts'
import { fromStatus, toStatus } from '../../../../src/lib/rpc/status.ts'

const SOCKET = '/run/weir/agent.sock'

/** As grpc-js makes it of what arrived. */
function failure(fields: { code: status; details: string; metadata?: Metadata }): ServiceError {
  return Object.assign(new Error(`${fields.code} ${fields.details}`), { metadata: new Metadata(), ...fields })
}

t.test('a WeirError arrives with code and message', async (t) => {
  for (const code of ['NOT_FOUND', 'MAP_FULL'] as const) {
    const sent = toStatus(new WeirError(code, 'what', { mend: 'do this' }))
    t.match(fromStatus(failure(sent), SOCKET), { name: 'WeirError', code, message: 'what; do this' })
  }
  t.equal(toStatus(new WeirError('NOT_FOUND', '')).code, status.NOT_FOUND)
})

t.test('a bug of the agent stays visible as one', async (t) => {
  const sent = toStatus(new TypeError('x is undefined'))
  t.match(sent, { code: status.INTERNAL, details: 'x is undefined' })
  const error = failure(sent)
  t.equal(fromStatus(error, SOCKET), error)
})

const CASES: [string, Parameters<typeof failure>[0], string, RegExp][] = [
  [
    'no agent',
    { code: status.UNAVAILABLE, details: 'connect ENOENT' },
    'AGENT_UNREACHABLE',
    /no agent answers on \/run\/weir\/agent\.sock; start it/,
  ],
  [
    'no right',
    { code: status.UNAVAILABLE, details: 'connect EACCES' },
    'NOT_PRIVILEGED',
    /run the command as root/,
  ],
  [
    'no answer',
    { code: status.DEADLINE_EXCEEDED, details: '' },
    'AGENT_UNREACHABLE',
    /does not answer in time/,
  ],
]
for (const [what, fields, code, message] of CASES) {
  t.test(what, async (t) => t.match(fromStatus(failure(fields), SOCKET), { code, message }))
}
