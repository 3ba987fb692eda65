// A process of its own for tests that run out of file descriptors: started with `ulimit -n`, it relays to the
// port in argv[2], prints its own port as the first line, and its counters as JSON for each line on stdin.
import { createInterface } from 'node:readline'
import { openLoopbackRelay } from './loopback-relay.ts'

const relay = openLoopbackRelay({ serverPort: Number(process.argv[2]) })
console.log(relay.port)
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  const { active, total, closed, details } = relay.listener.counters
  const accept = relay.listener.sockets[0]?.counters
  console.log(JSON.stringify({ active, total, accept, closed: [...closed], details: [...details] }))
})
lines.on('close', () => void relay.close())
