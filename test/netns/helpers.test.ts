// The stage of all other namespace tests, without weir: plain forwarding between pods and node, both families.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import t from 'tap'
import { runCommand } from '../helpers/command.ts'
import { curl, CURL_TIMED_OUT } from '../helpers/curl.ts'
import { startHttpServer } from '../helpers/http-server.ts'
import { removeLeftovers } from '../helpers/leftovers.ts'
import { addressesOf, NodeNamespace, type Pod, urlOf } from '../helpers/node-namespace.ts'
import { startNginx } from '../helpers/nginx.ts'
import { canRunPrivileged } from '../helpers/privileges.ts'
import { connected, listenAndEcho, tryDial } from '../helpers/tcp.ts'

const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

function twoPods(node: NodeNamespace): [Pod, Pod] {
  return [
    node.addPod({ name: 'client', v4: '10.244.0.11', v6: 'fd00:244::11' }),
    node.addPod({ name: 'server', v4: '10.244.0.12', v6: 'fd00:244::12' }),
  ]
}

if (canRunPrivileged(t)) {
  t.test('packets between pods and node', async (t) => {
    const node = NodeNamespace.forTest(t)
    const [client, server] = twoPods(node)
    for (const host of addressesOf(server)) {
      t.equal(await tryDial(client, { host, port: 9 }), 'refused', `pod to pod and back, ${host}`)
      t.equal(await tryDial(node, { host, port: 9 }), 'refused', `node to pod and back, ${host}`)
    }
    for (const host of addressesOf(node)) {
      t.equal(await tryDial(client, { host, port: 9 }), 'refused', `pod to node and back, ${host}`)
    }
  })

  t.test('curl, HTTP server and nginx', async (t) => {
    const node = NodeNamespace.forTest(t)
    const [client, server] = twoPods(node)
    const file = randomBytes(10_000_000)
    await startNginx(server, { directory: node.workDir, files: { '/10MB': file } })
    const echo = await startHttpServer(server, { port: 8080, files: { '/10MB': file } })
    t.teardown(() => echo.close())
    for (const [who, from, sources] of [
      ['pod', client, addressesOf(client)],
      ['node', node, addressesOf(node)],
    ] as const) {
      for (const [index, address] of addressesOf(server).entries()) {
        const greeting = await curl(from, urlOf(address, '/v1/'), { method: 'POST', body: 'x' })
        t.match(greeting, { status: 200, exitCode: 0, error: '' }, `${who} to nginx, ${address}`)
        t.equal(greeting.body.toString(), 'hello from nginx\n')
        const download = await curl(from, urlOf(address, '/10MB'))
        t.equal(sha256(download.body), sha256(file), `${who} downloads from nginx, ${address}`)
        const upload = await curl(from, urlOf(address, '/up?a=b', 8080), { method: 'PUT', body: file })
        t.equal(upload.status, 200, `${who} uploads, ${address}`)
        const received = echo.requests.at(-1)
        t.match(received, {
          method: 'PUT',
          path: '/up?a=b',
          bodyBytes: file.length,
          bodySha256: sha256(file),
        })
        t.equal(received?.client.address, sources[index], 'the server sees the true source')
        t.equal(received?.client.port, upload.localPort)
      }
    }
    const nothing = await curl(client, urlOf(server.v4, '/', 81))
    t.match(nothing, { status: 0, exitCode: 7 }, 'a refused connection is told from a dropped one')
  })

  t.test('TCP sockets of the test process inside pods', async (t) => {
    const node = NodeNamespace.forTest(t)
    const [client, server] = twoPods(node)
    const echo = await listenAndEcho(server, 7)
    t.teardown(() => echo.close())
    for (const host of addressesOf(server)) {
      const connection = await connected(client, { host, port: 7 }, { localPort: 40_000 })
      connection.end('ping')
      const chunks: Buffer[] = []
      connection.on('data', (chunk: Buffer) => chunks.push(chunk))
      await once(connection, 'end')
      t.equal(Buffer.concat(chunks).toString(), 'ping', `echo by ${host}`)
      t.equal(echo.connections.at(-1)?.port, 40_000, 'the source port is the one asked for')
      connection.destroy()
    }
    t.equal(await tryDial(client, { host: server.v4, port: 8 }), 'refused')
    node.ip(`route replace blackhole ${server.v4}/32`)
    t.equal(await tryDial(client, { host: server.v4, port: 7 }, 200), 'timeout')
    const silent = await curl(client, urlOf(server.v4, '/'), { connectTimeoutMs: 200 })
    t.equal(silent.exitCode, CURL_TIMED_OUT)
  })

  t.test('a veth may go and come back', async (t) => {
    const node = NodeNamespace.forTest(t)
    const [client, server] = twoPods(node)
    node.disconnect(server)
    t.equal(await tryDial(client, { host: server.v4, port: 9 }, 200), 'unreachable')
    node.connect(server)
    for (const host of addressesOf(server)) t.equal(await tryDial(client, { host, port: 9 }), 'refused', host)
  })

  t.test('nothing is left behind', async (t) => {
    let name = ''
    await t.test('a node that ends with its test', async (t) => {
      const node = NodeNamespace.forTest(t)
      name = node.name
      node.addPod({ name: 'pod', v4: '10.244.0.11', v6: 'fd00:244::11' })
      node.spawn(['sleep', '1000'])
      t.ok(existsSync(node.path))
      t.equal(node.pids().length, 1)
    })
    const remains = (): string[] =>
      ['/run', '/run/netns', '/sys/fs/bpf']
        .flatMap((dir) => readdirSync(dir))
        .filter((entry) => entry.includes(name))
    t.strictSame(remains(), [])

    const script = `
      import { NodeNamespace } from './test/helpers/node-namespace.js'
      const node = NodeNamespace.forTest({ name: 'killed', teardown() {} })
      node.addPod({ name: 'pod', v4: '10.244.0.11', v6: 'fd00:244::11' }).spawn(['sleep', '1000'])
      console.log(node.name)
      process.kill(process.pid, process.argv[1])
      setInterval(() => {}, 1000)`
    for (const signal of ['SIGKILL', 'SIGTERM']) {
      const command = [process.execPath, '--input-type=module', '-e', script, signal]
      const result = await runCommand(command, { check: false, cwd: 'dist' })
      name = result.stdout.toString().trim()
      t.match(name, /^weir-t-\d+-1-killed$/)
      const removed = removeLeftovers()
      t.equal(
        removed.includes(name),
        signal === 'SIGKILL',
        `what ${signal} leaves is removed by the next test`,
      )
      t.strictSame(remains(), [], `nothing remains after ${signal}`)
    }
  })
}
