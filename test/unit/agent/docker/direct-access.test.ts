import t from 'tap'
import { directAccessProblem } from '../../../../src/agent/docker/direct-access.ts'

const network = (name: string, Options: Record<string, string> = {}) => ({
  Id: name,
  Name: name,
  Driver: 'bridge',
  Options,
})
const MODE = 'com.docker.network.bridge.gateway_mode_ipv'
const TRUSTED = 'com.docker.network.bridge.trusted_host_interfaces'
const OPEN = { [`${MODE}4`]: 'nat-unprotected', [`${MODE}6`]: 'routed' }

t.test('engines before 28 filter nothing', async (t) => {
  t.equal(directAccessProblem('20.10.24+dfsg1', [network('bridge')]), undefined)
  t.equal(directAccessProblem('27.5.1', [network('bridge')]), undefined)
  t.equal(directAccessProblem('dev', [network('bridge')]), undefined)
})

t.test('from 28 on, networks are named with what helps', async (t) => {
  const networks = [
    network('web'),
    network('bridge'),
    network('half', { [`${MODE}4`]: 'nat-unprotected' }),
    network('open', OPEN),
    network('trusting', { [TRUSTED]: 'wg0:weir0' }),
    network('trusting-others', { [TRUSTED]: 'weir00' }),
  ]
  t.match(
    directAccessProblem('28.2.2', networks),
    /^Docker 28.2.2 drops .* networks bridge, half, trusting-others, web: create .*=weir0, or .*--allow-direct-routing/,
  )
  t.equal(directAccessProblem('29.0.0', [network('open', OPEN)]), undefined)
})
