// Real sockets in the abstract namespace.
import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { lockNetwork } from '../../../src/agent/network-lock.ts'

t.test('a second agent is refused until the first releases, whatever its state directory', async (t) => {
  const name = `weir-test-${process.pid}-a`
  const release = await lockNetwork('/run/first', name)
  await t.rejects(lockNetwork('/run/second', name), {
    code: 'ALREADY_RUNNING',
    message: `agent ${process.pid} with --state-dir /run/first holds this network namespace; stop it first (\`ss -xlp\` tells who listens on @${name}): one namespace has one agent`,
  })
  release()
  ;(await lockNetwork('/run/second', name))()
})

t.test('a holder that says nothing is a holder', async (t) => {
  const name = `weir-test-${process.pid}-b`
  const squatter = createServer((socket) => socket.destroy())
  t.teardown(() => squatter.close())
  await once(squatter.listen(`\0${name}`), 'listening')
  await t.rejects(lockNetwork('/run/weir', name), {
    code: 'ALREADY_RUNNING',
    message: new RegExp(`does not answer on the socket @${name}`),
  })
})
