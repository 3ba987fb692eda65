// Hosts, IPv6 literals above all: their grammar has more cases than the table of requests.
import { isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import { isHost, isHostWithPort } from '../../../../src/l7rules/http1/host.ts'

const inBuffer = (is: typeof isHost, host: string): boolean => {
  // With bytes around it that would complete or break it.
  const bytes = Buffer.from(`1:${host}]:80`, 'latin1')
  return is(bytes, 2, 2 + host.length)
}

t.test('IPv6 literals as node:net sees them', async (t) => {
  const group = fc.constantFrom('0', '1', 'abcd', 'FFFF', '12345', 'g', '')
  const colon = fc.constantFrom(':', ':', ':', ':', '::')
  const literal = fc.oneof(
    fc.array(fc.tuple(group, colon), { maxLength: 9 }).map((parts) => parts.flat().join('')),
    fc.ipV6().map((address) => address.toLowerCase()),
    fc
      .tuple(fc.ipV6(), fc.nat(40), fc.constantFrom(':', '.', '0', ''))
      .map(([address, at, piece]) => address.slice(0, at) + piece + address.slice(at + 1)),
    fc
      .array(fc.constantFrom('1.2.3.4', '256.0.0.1', '01.2.3.4', '1.2.3', '::', ':', 'ffff', '0'), {
        maxLength: 6,
      })
      .map((parts) => parts.join('')),
  )
  let valid = 0
  fc.assert(
    fc.property(literal, (address) => {
      if (isIPv6(address)) valid++
      return inBuffer(isHost, `[${address}]`) === isIPv6(address)
    }),
    { numRuns: 5_000 },
  )
  t.ok(valid > 500, 'many of them are valid')
})

t.test('ports', async (t) => {
  for (const port of ['0', '1', '80', '65535', '00080']) {
    t.ok(inBuffer(isHost, `a:${port}`), port)
    t.ok(inBuffer(isHostWithPort, `[::1]:${port}`), port)
  }
  for (const port of ['', '65536', '99999', '000080', '-1', '+1', '8o', ' 80']) {
    t.notOk(inBuffer(isHost, `a:${port}`), port)
    t.notOk(inBuffer(isHostWithPort, `a:${port}`), port)
  }
  t.notOk(inBuffer(isHostWithPort, 'a'))
  t.notOk(inBuffer(isHost, ''))
  t.notOk(inBuffer(isHost, ':80'))
  t.notOk(inBuffer(isHost, '[]'))
})
