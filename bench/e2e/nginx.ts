// The server behind every proxy: as light as nginx can be.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Namespace } from '../../test/helpers/namespace.ts'
import { canDial } from '../../test/helpers/tcp.ts'
import { untilUp } from './child.ts'
import { maxPairs } from './descriptors.ts'
import { onOthersCore } from './pinning.ts'
import { LARGE_BYTES, LARGE_PATH, type RuleSet } from './rules.ts'

/** Resolves when it accepts connections. It ends with its namespace. */
export async function startNginx(pod: Namespace, directory: string, sets: readonly RuleSet[]): Promise<void> {
  const file = join(directory, 'html', LARGE_PATH)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, Buffer.alloc(LARGE_BYTES, 'x'))
  const configuration = join(directory, 'nginx.conf')
  writeFileSync(configuration, configurationText(directory, sets))
  const child = pod.spawn(onOthersCore(['nginx', '-c', configuration, '-p', directory, '-e', 'stderr']), {
    detached: true,
  })
  await untilUp(child, `nginx in ${pod.name}`, () => canDial(pod, { host: '127.0.0.1', port: sets[0]!.port }))
}

function configurationText(directory: string, sets: readonly RuleSet[]): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
user root;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr crit;
events { worker_connections ${maxPairs() * 2}; }
http {
  access_log off;
  ${temporary.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n  ')}
  default_type text/plain;
  sendfile on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server {
    ${sets.map(({ port, isHttp2 }) => `listen ${port}${isHttp2 === true ? ' http2' : ''} backlog=4096;`).join('\n    ')}
    root ${directory}/html;
    location = ${LARGE_PATH} { }
    location / { return 200 "hello from nginx\\n"; }
  }
}
`
}
