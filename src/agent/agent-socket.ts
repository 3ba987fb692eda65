// The unix socket of the agent: for root's eyes only, and taken over from a dead agent but never from a live one.
import { chmodSync, existsSync, mkdirSync, statSync, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { WeirError, errorMessage } from '../lib/errors.ts'
import { MAX_SOCKET_PATH_BYTES } from '../lib/limits.ts'

const SOCKET_MODE = 0o600
const PROBE_TIMEOUT_MS = 1000

/**
 * Listen on `path` with mode 0600; a missing directory is made with mode 0700.
 * @throws WeirError ALREADY_RUNNING when something answers on it, CONFIG_INVALID when the path is too long,
 *   KERNEL_CALL_FAILED when it cannot be bound.
 */
export async function listenOnAgentSocket(
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const bytes = Buffer.byteLength(path)
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw new WeirError(
      'CONFIG_INVALID',
      `socket path ${path} has ${bytes} bytes, more than ${MAX_SOCKET_PATH_BYTES}`,
      {
        mend: 'use a shorter --state-dir',
      },
    )
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  await removeStale(path)
  const server = createServer(onConnection)
  try {
    await bind(server, path)
    chmodSync(path, SOCKET_MODE)
  } catch (error) {
    server.close()
    throw new WeirError('KERNEL_CALL_FAILED', `bind ${path}: ${errorMessage(error)}`, { cause: error })
  }
  const mode = statSync(path).mode & 0o777
  if (mode !== SOCKET_MODE) {
    server.close()
    throw new WeirError('KERNEL_CALL_FAILED', `chmod 0600 ${path}: mode is 0${mode.toString(8)}`, {
      mend: 'the file system of --state-dir must support file modes',
    })
  }
  return server
}

async function removeStale(path: string): Promise<void> {
  if (!existsSync(path)) return
  if (await answers(path)) {
    throw new WeirError('ALREADY_RUNNING', `an agent answers on ${path}`, {
      mend: 'stop it first, or use another --state-dir',
    })
  }
  unlinkSync(path)
}

/** Only a refused connection proves that the socket has no owner: a busy agent may be slow to accept. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const done = (answer: boolean): void => {
      socket.destroy()
      resolve(answer)
    }
    socket.setTimeout(PROBE_TIMEOUT_MS, () => done(true))
    socket.on('connect', () => done(true))
    socket.on('error', (error: NodeJS.ErrnoException) => {
      done(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT' && error.code !== 'ENOTSOCK')
    })
  })
}

/** The umask keeps others out between bind and chmod; bind happens inside `listen`, so no other code sees it. */
function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    const umask = process.umask(0o077)
    try {
      server.listen({ path })
    } finally {
      process.umask(umask)
    }
  })
}
