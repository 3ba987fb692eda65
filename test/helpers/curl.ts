// curl in a namespace, with what it says about the exchange.
import { type Namespace } from './namespace.ts'
import { PATIENCE_MS } from './wait.ts'

export interface CurlOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
  /** Default `PATIENCE_MS`. */
  readonly timeoutMs?: number
  /** Default the same: how long a SYN that is dropped is waited for. */
  readonly connectTimeoutMs?: number
  /** More arguments, e.g. a second URL. */
  readonly args?: readonly string[]
}

export interface CurlResult {
  /** 0 = none was received. */
  readonly status: number
  readonly body: Buffer
  /** Of curl itself: 0 fine, 7 refused, 28 timed out, 52 nothing came, 56 reset. */
  readonly exitCode: number
  /** '' or curl's message. */
  readonly error: string
  readonly timeMs: number
  readonly localPort: number
  /** New connections that were made for this. */
  readonly connects: number
  /** Of bodies. */
  readonly uploadedBytes: number
  readonly downloadedBytes: number
  /** Of the answer to CONNECT; 0 = none. */
  readonly tunnelStatus: number
}

export const CURL_TIMED_OUT = 28

interface WriteOut {
  readonly http_code: number
  readonly exitcode: number
  readonly errormsg: string | null
  readonly time_total: number
  readonly local_port: number
  readonly num_connects: number
  readonly size_upload: number
  readonly size_download: number
  readonly http_connect: number
}

/** Never rejects for what the network does; `exitCode` and `error` tell. */
export async function curl(from: Namespace, url: string, options: CurlOptions = {}): Promise<CurlResult> {
  const {
    method,
    headers = {},
    body,
    timeoutMs = PATIENCE_MS,
    connectTimeoutMs = timeoutMs,
    args = [],
  } = options
  const command = ['curl', '--silent', '--noproxy', '*', '--globoff', '--path-as-is', '--output', '-']
  command.push('--write-out', '%{stderr}%{json}')
  command.push('--max-time', String(timeoutMs / 1000), '--connect-timeout', String(connectTimeoutMs / 1000))
  if (method !== undefined) command.push('--request', method)
  for (const [name, value] of Object.entries(headers)) command.push('--header', `${name}: ${value}`)
  if (body !== undefined) command.push('--data-binary', '@-')
  command.push(...args, url)
  const input = body === undefined ? {} : { input: body }
  const result = await from.exec(command, { check: false, timeoutMs: timeoutMs + PATIENCE_MS, ...input })
  let report: WriteOut
  try {
    report = JSON.parse(result.stderr) as WriteOut
  } catch (cause) {
    throw new Error(`\`${command.join(' ')}\` ended with ${result.code} and said: ${result.stderr}`, {
      cause,
    })
  }
  return {
    status: report.http_code,
    body: result.stdout,
    exitCode: report.exitcode,
    error: report.errormsg ?? '',
    timeMs: report.time_total * 1000,
    localPort: report.local_port,
    connects: report.num_connects,
    uploadedBytes: report.size_upload,
    downloadedBytes: report.size_download,
    tunnelStatus: report.http_connect,
  }
}

export interface Answer {
  /** 0 = none was received. */
  readonly status: number
  /** New connections that were made for this. */
  readonly connects: number
}

/** One curl for many requests, one after the other, over as few connections as both ends allow. */
export async function curlEach(
  from: Namespace,
  urls: readonly string[],
  headers: readonly string[] = [],
): Promise<Answer[]> {
  const lines = urls.flatMap((url) => [`url = "${url}"`, 'output = "/dev/null"'])
  const command = ['curl', '--silent', '--noproxy', '*', '--globoff', '--max-time', '60', '--config', '-']
  const options = headers.flatMap((header) => ['--header', header])
  const result = await from.exec([...command, ...options, '--write-out', '%{http_code} %{num_connects}\\n'], {
    input: lines.join('\n'),
    check: false,
    timeoutMs: 90_000,
  })
  return result.stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.split(' ').map(Number))
    .map(([status = 0, connects = 0]) => ({ status, connects }))
}
