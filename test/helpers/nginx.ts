// A real nginx in a pod.
import { type ChildProcess } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Namespace } from './namespace.ts'
import { canDial } from './tcp.ts'
import { waitFor } from './wait.ts'

export interface NginxOptions {
  /** Folder of its own for configuration, files and logs. */
  readonly directory: string
  readonly port?: number
  /** Served by path, e.g. `/10MB`. Everything else is answered with 200 and one line, whatever the method. */
  readonly files?: Readonly<Record<string, Buffer>>
  /** Body of that line. */
  readonly greeting?: string
  /** Speaks HTTP/2 with prior knowledge, and nothing else. */
  readonly isHttp2?: boolean
  /** Pass everything else on to an HTTP server at this port of the pod instead. */
  readonly backendPort?: number
}

export interface Nginx {
  readonly process: ChildProcess
  /** One JSON object per request: method, target, host, status. */
  readonly accessLog: string
  /** At once, connections or not. */
  stop(): Promise<void>
}

/** Resolves when it accepts connections. It ends with its namespace at the latest. */
export async function startNginx(pod: Namespace, options: NginxOptions): Promise<Nginx> {
  const { directory, port = 80, files = {} } = options
  const root = join(directory, 'html')
  mkdirSync(root, { recursive: true })
  for (const [path, content] of Object.entries(files)) writeFileSync(join(root, path), content)
  const configuration = join(directory, 'nginx.conf')
  writeFileSync(configuration, configurationText(options))
  const command = ['nginx', '-c', configuration, '-p', directory, '-e', 'stderr']
  // Ctrl-C in the terminal of the caller is for the caller alone, which then stops it.
  const child = pod.spawn(command, { detached: true })
  let messages = ''
  child.stderr?.on('data', (chunk: Buffer) => (messages += chunk.toString()))
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  await waitFor(
    () => {
      if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${messages}`)
      return canDial(pod, { host: '127.0.0.1', port })
    },
    { what: `nginx in ${pod.name}` },
  )
  return {
    process: child,
    accessLog: join(directory, 'access.log'),
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}

function configurationText({
  directory,
  port = 80,
  files = {},
  greeting = 'hello from nginx',
  isHttp2 = false,
  backendPort,
}: NginxOptions): string {
  const answer =
    backendPort === undefined
      ? `return 200 "${greeting}\\n";`
      : `proxy_pass http://127.0.0.1:${backendPort}; proxy_http_version 1.1; proxy_set_header Host $http_host;`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
user root;
worker_processes 1;
pid ${directory}/nginx.pid;
error_log stderr;
events { worker_connections 4096; }
http {
  log_format requests escape=json
    '{"method":"$request_method","target":"$request_uri","host":"$http_host","status":"$status"}';
  access_log ${directory}/access.log requests;
  ${temporary.map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n  ')}
  default_type text/plain;
  keepalive_requests 1000000;
  server {
    listen ${port}${isHttp2 ? ' http2' : ''};
    listen [::]:${port}${isHttp2 ? ' http2' : ''};
    client_max_body_size 0;
    root ${directory}/html;
    ${Object.keys(files)
      .map((path) => `location = ${path} { }`)
      .join('\n    ')}
    location / { ${answer} }
  }
}
`
}
