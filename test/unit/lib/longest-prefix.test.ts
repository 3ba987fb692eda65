import t from 'tap'
import { longestPrefix } from '../../../src/lib/longest-prefix.ts'

const ROWS = ['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3/32', '0.0.0.0/0', 'fd00::/8', 'fd00:1::/33'].map(
  (prefix) => ({
    prefix,
  }),
)

for (const [address, expected] of [
  ['10.1.2.3', '10.1.2.3/32'],
  ['10.1.2.4', '10.1.0.0/16'],
  ['10.2.0.1', '10.0.0.0/8'],
  ['11.0.0.1', '0.0.0.0/0'],
  ['fd00:1:7fff::1', 'fd00:1::/33'],
  ['fd00:1:8000::1', 'fd00::/8'],
  ['::1', undefined],
  ['::ffff:10.1.2.3', '10.1.2.3/32'],
] as const) {
  t.equal(longestPrefix(address, ROWS)?.prefix, expected, address)
}
t.throws(() => longestPrefix('10.0.0', ROWS), { code: 'CONFIG_INVALID' })
