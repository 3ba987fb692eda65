// HTTP requests for tests of rules.
import type { HttpRequest } from '../../../src/l7rules/http1/request.ts'

export interface RequestParts {
  readonly method?: string
  readonly path?: string
  readonly host?: string
  readonly headers?: Readonly<Record<string, readonly string[]>>
}

export function makeRequest({
  method = 'GET',
  path = '/',
  host = 'a.test',
  headers = {},
}: RequestParts): HttpRequest {
  return { method, target: path, path, host, header: (name) => headers[name] ?? [] }
}
