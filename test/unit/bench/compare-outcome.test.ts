// How what both families said becomes one cell of the comparison of redirects: nothing bad may get lost on the way.
import t from 'tap'
import { cellOf, forEachFamily, isBad } from '../../../bench/compare/outcome.ts'

for (const [v4, v6, cell, bad] of [
  ['yes', 'yes', 'yes', false],
  ['yes', 'closed', 'IPv6: closed', false],
  ['BYPASSED', 'yes', 'IPv4: BYPASSED', true],
  ['yes', 'no', 'IPv6: no', true],
  ['closed', 'BYPASSED', 'IPv4: closed; IPv6: BYPASSED', true],
  ['0.2 ms', '3.5 ms', '0.2 / 3.5 ms', false],
  ['reset in 0.2 ms', 'reset in 1.0 ms', 'reset in 0.2 / 1.0 ms', false],
  ['reset in 0.2 ms', 'hangs', 'IPv4: reset in 0.2 ms; IPv6: hangs', true],
  ['no', 'no', 'no', true],
  ['none', 'none', 'none', false],
] as const) {
  t.test(`${v4}, ${v6}`, (t) => {
    t.equal(cellOf({ v4, v6 }), cell)
    t.equal(isBad(cell), bad)
    t.end()
  })
}

t.test('what is thrown is an answer, and a bad one', async (t) => {
  const outcome = await forEachFamily((family) =>
    family === 'v4' ? Promise.resolve('yes') : Promise.reject(new Error('no route\nat somewhere')),
  )
  t.equal(cellOf(outcome), 'IPv6: fails: no route')
  t.ok(isBad(cellOf(outcome)))
})
