// Decoding of chunked bodies that the parser under test has accepted, so far at least.

/** Latin-1. */
export function dechunk(raw: string): { body: string; isComplete: boolean } {
  let body = ''
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at)
    if (lineEnd < 0) return { body, isComplete: false }
    const size = Number.parseInt(raw.slice(at, lineEnd), 16)
    if (size === 0)
      return { body, isComplete: raw.startsWith('\r\n', lineEnd + 2) || raw.endsWith('\r\n\r\n') }
    body += raw.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}
