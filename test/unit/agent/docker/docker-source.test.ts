// What follows an event. The engine is one of this test, which says when its answers show what it has told.
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock } from 'node:test'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { DockerSource } from '../../../../src/agent/docker/docker-source.ts'
import { waitFor } from '../../../helpers/wait.ts'

t.test('an engine whose answers come after its event', async (t) => {
  // Or the next list would make everything good.
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const engine = await startEngine(t)
  let changes = 0
  const source = await DockerSource.open({
    socket: engine.socket,
    onChange: () => changes++,
    log: pino({ level: 'silent' }),
  })
  t.teardown(() => source.close())
  const names = (): string[] => source.containers([]).unenforceable.map(({ name }) => name)
  // One look to begin with, and one when the stream of events has begun.
  await waitFor(() => engine.lists === 2, { what: 'the first looks' })
  await source.refresh()
  t.same(names(), ['before'])

  engine.showsAfter = engine.lists + 1
  engine.tell({ Type: 'container', Action: 'rename' })
  await waitFor(() => changes > 0, { what: 'a look after the one that came too early' })
  t.same(names(), ['after'])
})

interface FakeEngine {
  readonly socket: string
  /** How often it was asked for all containers. */
  lists: number
  /** From the next list on its only container has the new name alone. */
  showsAfter: number
  stream: ServerResponse | undefined
  tell(event: object): void
}

async function startEngine(t: Test): Promise<FakeEngine> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-'))
  const engine: FakeEngine = {
    socket: join(dir, 'docker.sock'),
    lists: 0,
    showsAfter: Infinity,
    stream: undefined,
    tell: (event) => engine.stream?.write(`${JSON.stringify(event)}\n`),
  }
  const server = createServer((request, response) => answer(engine, request, response))
  await new Promise<void>((resolve) => server.listen(engine.socket, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
    rmSync(dir, { recursive: true })
  })
  return engine
}

function answer(engine: FakeEngine, { url = '' }: IncomingMessage, response: ServerResponse): void {
  if (url.includes('/events')) {
    response.flushHeaders()
    engine.stream = response
    return
  }
  const isList = url.includes('/containers/json')
  if (isList) engine.lists++
  const names = engine.lists > engine.showsAfter ? ['/after'] : ['/before', '/after']
  const body = url.includes('/version')
    ? { Version: '20.10.24', ApiVersion: '1.41' }
    : isList
      ? [{ Id: 'a'.repeat(64), Created: 1, Names: names, State: 'running' }]
      : []
  response.end(JSON.stringify(body))
}
