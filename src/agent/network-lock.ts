// One agent per network namespace, whatever its state directory: filters, rules, routes and the device weir0 are
// shared, so that a second one would take the first one's enforcement away, and its cleanup open the gate.
//
// The lock is a listening socket in the abstract namespace, which belongs to the network namespace and ends with its
// process. It tells everybody who asks who holds it.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import { WeirError, errorMessage } from '../lib/errors.ts'

const NAME = 'weir-agent'
/** Each failed attempt means that the holder ended in between. */
const MAX_ATTEMPTS = 5
/** A holder that is busy, or is no agent. */
const ANSWER_MS = 2_000

/**
 * Take the lock of the network namespace that this process is in. Returns the function that releases it.
 * @throws WeirError ALREADY_RUNNING naming the holder
 */
export async function lockNetwork(stateDir: string, name = NAME): Promise<() => void> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const release = await tryListen(stateDir, `\0${name}`)
    if (release !== undefined) return release
    const holder = await askHolder(`\0${name}`)
    if (holder !== undefined) throw alreadyRunning(holder, name)
  }
  throw new WeirError('ALREADY_RUNNING', `the lock of this network namespace changes hands all the time`, {
    mend: 'see which service keeps starting agents',
  })
}

async function tryListen(stateDir: string, path: string): Promise<(() => void) | undefined> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.end(`agent ${process.pid} with --state-dir ${stateDir}`)
  })
  try {
    await once(server.listen(path), 'listening')
    return () => server.close()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw new WeirError('KERNEL_CALL_FAILED', `listen on @${path.slice(1)}: ${errorMessage(cause)}`, {
      cause,
    })
  }
}

/** '' when it does not answer; undefined when there is none any more. */
async function askHolder(path: string): Promise<string | undefined> {
  const socket = connect(path)
  const timer = setTimeout(() => socket.destroy(), ANSWER_MS)
  try {
    return await text(socket)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? undefined : ''
  } finally {
    clearTimeout(timer)
  }
}

function alreadyRunning(holder: string, name: string): WeirError {
  const who = holder === '' ? `a process that does not answer on the socket @${name}` : holder
  return new WeirError('ALREADY_RUNNING', `${who} holds this network namespace`, {
    mend: `stop it first (\`ss -xlp\` tells who listens on @${name}): one namespace has one agent`,
  })
}
