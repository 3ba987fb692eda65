import t from 'tap'
import { formatAddress, parseAddress } from '../../../../src/lib/address.ts'
import { decodeAddress, decodePort, encodeSockaddr, familyOf } from '../../../../src/proxy/io/sockaddr.ts'
import { AF_INET, AF_INET6 } from '../../../../src/proxy/io/syscalls.ts'

t.test('addresses and ports survive encoding', async (t) => {
  for (const [text, family, bytes] of [
    ['127.0.0.1', AF_INET, 16],
    ['255.1.2.3', AF_INET, 16],
    ['::1', AF_INET6, 28],
    ['fd00:1:2:3:4:5:6:7', AF_INET6, 28],
  ] as const) {
    const address = parseAddress(text)
    t.equal(familyOf(address), family)
    t.equal(encodeSockaddr(address, 0x1234), bytes)
    t.equal(formatAddress(decodeAddress()), text)
    t.equal(decodePort(), 0x1234)
  }
})
