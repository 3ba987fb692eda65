import t from 'tap'
import { checkAction, runActions } from '../../../src/l7rules/header-actions.ts'
import { composeEdits, type HeaderEdit } from '../../../src/l7rules/header-edits.ts'
import type { HeaderAction } from '../../../src/policy/network-policy.ts'
import { makeRequest } from './requests.ts'

type Changes = Partial<HeaderAction>

function action(changes: Changes): HeaderAction {
  return { name: 'x', value: 'v', onMatch: 'continue', onMismatch: 'continue', ...changes }
}

/** `ok`, the edits as `name -`, `name =value`, `name +value`, and the notes. */
function run(changes: Changes, values: readonly string[]): string {
  const { ok, edits, notes } = runActions([action(changes)], makeRequest({ headers: { x: values } }))
  const done = edits.map(
    ({ removes, adds }) => `${removes ? (adds.length > 0 ? '=' : '-') : '+'}${adds.join()}`,
  )
  return [ok ? 'ok' : 'fails', ...done, ...notes.map(({ kind, value }) => `${kind}:${value}`)].join(' ')
}

/** The table of cilium/proxy, row by row. */
const ROWS: [string, Changes, readonly string[], string][] = [
  ['match continue', {}, ['v'], 'ok'],
  ['match fail', { onMatch: 'fail' }, ['v'], 'fails rejected:v'],
  ['match delete', { onMatch: 'delete' }, ['v'], 'ok - rejected:v'],
  ['mismatch fail', { onMismatch: 'fail' }, ['w'], 'fails missing:v'],
  ['missing fail', { onMismatch: 'fail' }, [], 'fails missing:v'],
  ['mismatch continue', {}, ['w'], 'ok missing:v'],
  ['mismatch add', { onMismatch: 'add' }, ['w'], 'ok +v missing:v'],
  ['missing add', { onMismatch: 'add' }, [], 'ok +v missing:v'],
  ['mismatch delete', { onMismatch: 'delete' }, ['w'], 'ok - rejected:w'],
  ['missing delete', { onMismatch: 'delete' }, [], 'ok'],
  ['mismatch replace', { onMismatch: 'replace' }, ['w'], 'ok =v rejected:w missing:v'],
  ['missing replace', { onMismatch: 'replace' }, [], 'ok =v missing:v'],
  ['presence', { value: '', onMismatch: 'fail' }, ['w'], 'ok'],
  ['presence of nothing', { value: '', onMismatch: 'fail' }, [], 'fails missing:'],
  ['presence delete', { value: '', onMismatch: 'delete' }, [], 'ok'],
  ['presence rejected', { value: '', onMatch: 'delete' }, ['a', 'b'], 'ok - rejected:a,b'],
]
/** Repeated headers: what a server may read counts. cilium/proxy compares the joined value alone. */
const REPEATED: [string, Changes, readonly string[], string][] = [
  ['all right', { onMismatch: 'fail' }, ['v', 'v'], 'ok'],
  ['one wrong', { onMismatch: 'fail' }, ['v', 'w'], 'fails missing:v'],
  [
    'one forbidden',
    { onMatch: 'fail', onMismatch: 'delete' },
    ['w', 'v'],
    'fails - rejected:w,v rejected:w,v',
  ],
  ['joined is forbidden', { value: 'a,b', onMatch: 'fail' }, ['a', 'b'], 'fails missing:a,b rejected:a,b'],
  ['joined with a blank', { value: 'a, b', onMatch: 'fail' }, ['a', 'b'], 'fails missing:a, b rejected:a,b'],
  ['one to delete', { onMatch: 'delete' }, ['w', 'v'], 'ok - missing:v rejected:w,v'],
  [
    'secrets',
    { isSecret: true, onMismatch: 'replace' },
    ['w'],
    'ok =v rejected:[redacted] missing:[redacted]',
  ],
  ['a secret prefix', { isSecret: true, onMismatch: 'fail' }, ['vv'], 'fails missing:[redacted]'],
]
for (const [what, changes, values, expected] of [...ROWS, ...REPEATED]) {
  t.test(what, async (t) => void t.equal(run(changes, values), expected))
}

t.test('all actions run, also after one failed', async (t) => {
  const actions = [action({ name: 'a', onMismatch: 'fail' }), action({ name: 'b', onMismatch: 'fail' })]
  t.same(
    runActions(actions, makeRequest({})).notes.map(({ name }) => name),
    ['a', 'b'],
  )
})

t.test('pseudo-headers are compared like others', async (t) => {
  const { ok } = runActions(
    [action({ name: ':path', value: '/a', onMatch: 'fail' })],
    makeRequest({ path: '/a' }),
  )
  t.notOk(ok)
})

t.test('edits compose', async (t) => {
  const edit = (removes: boolean, ...adds: string[]): HeaderEdit => ({ name: 'x', removes, adds })
  t.same(composeEdits([edit(false, '1')], [edit(false, '2')]), [edit(false, '1', '2')])
  t.same(composeEdits([edit(false, '1')], [edit(false, '1')]), [edit(false, '1')], 'asked twice, done once')
  t.same(composeEdits([edit(true, '1')], [edit(false, '2')]), [edit(true, '1', '2')])
  t.same(composeEdits([edit(false, '1')], [edit(true)]), [edit(true)])
  t.same(composeEdits([edit(true)], [{ ...edit(true), name: 'y' }]).length, 2)
})

t.test('what decides framing, routing or the connection is not edited', async (t) => {
  const names = [
    'host',
    'content-length',
    'content_length',
    'transfer-encoding',
    'connection',
    'te',
    'trailer',
  ]
  for (const name of [...names, 'upgrade', 'expect', ':path']) {
    t.throws(() => checkAction(action({ name, onMatch: 'delete' })), { code: 'POLICY_INVALID' }, name)
    t.throws(() => checkAction(action({ name, onMismatch: 'replace' })), { code: 'POLICY_INVALID' })
    t.throws(() => checkAction(action({ name, onMismatch: 'add' })), { code: 'POLICY_INVALID' })
    t.throws(() => checkAction(action({ name, onMismatch: 'delete' })), { code: 'POLICY_INVALID' })
    t.doesNotThrow(
      () => checkAction(action({ name, onMatch: 'fail', onMismatch: 'fail' })),
      'comparing is fine',
    )
  }
  for (const value of ['a\r\nb: c', ' a', 'a\t', 'é', '\0']) {
    t.throws(
      () => checkAction(action({ value, onMismatch: 'add' })),
      { code: 'POLICY_INVALID' },
      JSON.stringify(value),
    )
    t.doesNotThrow(() => checkAction(action({ value, onMismatch: 'fail' })))
  }
  t.doesNotThrow(() => checkAction(action({ value: '', onMismatch: 'add' })))
})
