// Question: what does the socket core with a pass-through relay cost per request?
//
// wrk -> relay -> nginx on loopback, nothing transparent, against wrk -> nginx. The relay has a core of its
// own, wrk and nginx share another. Expected (reference machine, 64 connections): below 12 us of CPU per
// request, three system calls per wake of each leg: epoll_wait (shared), recv, send.
//
//   node dist/bench/e2e/relay-loopback.js [seconds=5] [rounds=1]
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { parseAddress } from '../../src/lib/address.ts'
import { TcpNetwork } from '../../src/proxy/io/tcp-network.ts'
import { ProxyListener } from '../../src/proxy/listener.ts'

const LOOPBACK = parseAddress('127.0.0.1')
const BODY_BYTES = 10 * 1024 * 1024
const seconds = Number(process.argv[2] ?? 5)
const rounds = Number(process.argv[3] ?? 1)
const isPinned = availableParallelism() >= 2 && spawnSync('taskset', ['-V']).status === 0

interface Load {
  readonly name: string
  readonly path: string
  readonly connections: number
  readonly isNewPerRequest: boolean
}

const LOADS: readonly Load[] = [
  { name: 'keep-alive, 64 connections', path: '/', connections: 64, isNewPerRequest: false },
  { name: 'keep-alive, 1 connection', path: '/', connections: 1, isNewPerRequest: false },
  { name: 'new connection per request, 16 at a time', path: '/', connections: 16, isNewPerRequest: true },
  { name: '10 MB bodies, 4 at a time', path: '/large', connections: 4, isNewPerRequest: false },
]

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function run(command: string, args: readonly string[], stdout: 'pipe' | 'ignore'): ChildProcess {
  const stdio = ['ignore', stdout, 'inherit'] as const
  return isPinned
    ? spawn('taskset', ['-c', '1', command, ...args], { stdio: [...stdio] })
    : spawn(command, args, { stdio: [...stdio] })
}

async function startNginx(dir: string, port: number): Promise<ChildProcess> {
  writeFileSync(join(dir, 'large'), Buffer.alloc(BODY_BYTES, 'x'))
  const config = `
    daemon off; worker_processes 1; pid ${dir}/nginx.pid; error_log ${dir}/error.log;
    events { worker_connections 4096; }
    http {
      access_log off; keepalive_requests 100000000; sendfile on;
      client_body_temp_path ${dir}; proxy_temp_path ${dir}; fastcgi_temp_path ${dir};
      uwsgi_temp_path ${dir}; scgi_temp_path ${dir};
      server {
        listen 127.0.0.1:${port} backlog=4096;
        location / { return 200 "hello"; }
        location /large { root ${dir}; }
      }
    }`
  const file = join(dir, 'nginx.conf')
  writeFileSync(file, config)
  const nginx = run('nginx', ['-c', file, '-e', join(dir, 'error.log')], 'ignore')
  for (let tries = 0; tries < 100; tries++) {
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      (response) => response.ok,
      () => false,
    )
    if (isUp) return nginx
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('nginx did not start')
}

async function measure(
  port: number,
  load: Load,
): Promise<{ perSecond: number; cpuMicros: number; p99: string }> {
  const args = ['-t1', `-c${load.connections}`, `-d${seconds}s`, '--latency']
  if (load.isNewPerRequest) args.push('-H', 'Connection: close')
  const before = process.cpuUsage()
  const wrk = run('wrk', [...args, `http://127.0.0.1:${port}${load.path}`], 'pipe')
  const output = wrk.stdout === null ? '' : await text(wrk.stdout)
  const used = process.cpuUsage(before)
  const requests = Number(/(\d+) requests in/.exec(output)?.[1] ?? 0)
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)?.[1] ?? 0),
    cpuMicros: (used.user + used.system) / requests,
    p99: /99%\s+(\S+)/.exec(output)?.[1] ?? '?',
  }
}

const dir = mkdtempSync(join(tmpdir(), 'weir-bench-'))
if (isPinned) spawnSync('taskset', ['-apc', '0', String(process.pid)])
const nginxPort = await freePort()
const nginx = await startNginx(dir, nginxPort)
process.once('exit', () => nginx.kill('SIGTERM'))
const network = new TcpNetwork()
const listener = new ProxyListener({
  network,
  listen: [{ address: LOOPBACK, port: 0, isTransparent: false, mark: 0, isShared: false }],
  resolve: () => ({
    parser: null,
    dial: {
      source: null,
      destination: LOOPBACK,
      destinationPort: nginxPort,
      mark: 0,
      isTransparent: false,
    },
  }),
})
const relayPort = listener.sockets[0]?.port ?? 0
try {
  for (const load of LOADS) {
    for (let round = 0; round < rounds; round++) {
      const direct = await measure(nginxPort, load)
      const relayed = await measure(relayPort, load)
      console.log(
        `${load.name}: direct ${direct.perSecond.toFixed(0)} req/s p99 ${direct.p99}; ` +
          `relay ${relayed.perSecond.toFixed(0)} req/s p99 ${relayed.p99}, ` +
          `${relayed.cpuMicros.toFixed(1)} us CPU/request`,
      )
    }
  }
  console.log(
    'relay counters',
    JSON.stringify({ ...listener.counters, closed: [...listener.counters.closed] }),
  )
} finally {
  await listener.stop()
  network.close()
  nginx.kill('SIGTERM')
  await once(nginx, 'exit')
  rmSync(dir, { recursive: true })
}
