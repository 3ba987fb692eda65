// Header edits on the wire, alone and through a session.
import fc from 'fast-check'
import t from 'tap'
import type { HeaderEdit } from '../../../../src/l7rules/header-edits.ts'
import { editHead } from '../../../../src/l7rules/http1/edit-head.ts'
import { ORIGINAL, REPLY } from '../../../../src/l7rules/parser.ts'
import type { Verdict } from '../../../../src/l7rules/verdict.ts'
import { ALLOWED, connect } from '../../../conformance/http1/subject.ts'

const EDITS: HeaderEdit[] = [
  { name: 'x-gone', removes: true, adds: [] },
  { name: 'x-set', removes: true, adds: ['new'] },
  { name: 'x-more', removes: false, adds: ['b', ''] },
]
const edited: Verdict = { ...ALLOWED, edits: EDITS }
const edit = (head: string): string => editHead(Buffer.from(head, 'latin1'), EDITS).toString('latin1')

t.test('lines go and come, the rest stays byte for byte', async (t) => {
  t.equal(
    edit(
      'GET /a:b HTTP/1.1\r\nX-GONE:1\r\nHost:  h \r\nx-set: a\r\nX-More: a\r\nx-gone2: \xff\r\nX-Set: c\r\n\r\n',
    ),
    'GET /a:b HTTP/1.1\r\nHost:  h \r\nX-More: a\r\nx-gone2: \xff\r\nx-set: new\r\nx-more: b\r\nx-more: \r\n\r\n',
  )
  t.equal(edit('GET / HTTP/1.0\r\n\r\n'), 'GET / HTTP/1.0\r\nx-set: new\r\nx-more: b\r\nx-more: \r\n\r\n')
})

t.test('agrees with lines that are filtered one by one', async (t) => {
  const line = fc.tuple(
    fc.constantFrom('X-Gone', 'x-set', 'x-more', 'y', 'x-gon'),
    fc.constantFrom(':', ': ', ':\t'),
    fc.constantFrom('', 'a', 'x-set: 1', ':', 'é'),
  )
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
      const texts = lines.map((parts) => parts.join(''))
      const kept = texts.filter((text) => !/^x-(gone|set):/i.test(text))
      const render = (fields: string[]): string => ['GET / HTTP/1.1', ...fields, '', ''].join('\r\n')
      return edit(render(texts)) === render([...kept, 'x-set: new', 'x-more: b', 'x-more: '])
    }),
  )
  t.pass()
})

t.test('a session forwards the edited head and all else as it came', async (t) => {
  const connection = connect((request) => (request.path === '/edit' ? edited : ALLOWED))
  const body = 'Content-Length: 3\r\n\r\nabc'
  const plain = 'GET /plain HTTP/1.1\r\nHost: h\r\nx-gone: 1\r\n\r\n'
  const toEdit = `POST /edit HTTP/1.1\r\nHost: h\r\nX-Gone: 1\r\n${body}`
  connection.send(ORIGINAL, plain + toEdit + toEdit.replace('/edit', '/./edit') + plain)
  const done = 'Content-Length: 3\r\nx-set: new\r\nx-more: b\r\nx-more: \r\n\r\nabc'
  const once = `POST /edit HTTP/1.1\r\nHost: h\r\n${done}`
  t.equal(connection.output(ORIGINAL).toString('latin1'), plain + once + once + plain)
  connection.send(REPLY, 'HTTP/1.1 204 No\r\n\r\n'.repeat(4))
  t.strictSame(
    connection.subject.observed.map(({ requestBytes }) => requestBytes),
    [plain.length, toEdit.length, toEdit.length + 2, plain.length],
    'bytes are counted as received',
  )
})
