// The normal form of a path: what rules match, and what goes on the wire instead of another spelling.
import { type EncodedSlash } from '../../lib/encoded-slash.ts'
import { HEX, PATH_CHAR, SLASH, UNRESERVED } from './chars.ts'
import { type HttpCode } from './codes.ts'

export type NormalPath =
  { readonly ok: true; readonly path: string } | { readonly ok: false; readonly code: HttpCode }

/** `.` or `..`, also with path parameters behind it, which some servers cut off before they look. */
const DOT_SEGMENT = /^\.\.?(?:;|%3B|$)/

/**
 * Normalise an absolute path with an optional query (RFC 3986 §6.2.2): escapes of unreserved bytes decoded,
 * other escapes in upper case, bytes that no path may hold escaped, dot segments removed, runs of slashes
 * merged. `%2F` is kept unless told otherwise: decoding it changes which segments there are. The query is left
 * alone. Idempotent. Refused are paths on whose meaning servers differ: see the HTTP_PATH_ codes.
 * @param target visible ASCII that begins with `/`.
 */
export function normalisePath(target: string, encodedSlash: EncodedSlash = 'keep'): NormalPath {
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  const query = mark < 0 ? '' : target.slice(mark)
  const unescaped = normaliseEscapes(path, encodedSlash)
  if (!unescaped.ok) return unescaped
  const joined = removeDotSegments(unescaped.path)
  return joined.ok ? { ok: true, path: joined.path + query } : joined
}

function normaliseEscapes(path: string, encodedSlash: EncodedSlash): NormalPath {
  let normal = ''
  for (let i = 0; i < path.length; i++) {
    let byte = path.charCodeAt(i)
    const isEscaped = byte === 0x25
    if (isEscaped) {
      const high = HEX[path.charCodeAt(i + 1)] ?? 0
      const low = HEX[path.charCodeAt(i + 2)] ?? 0
      if (high === 0 || low === 0) return { ok: false, code: 'HTTP_BAD_PERCENT_ENCODING' }
      byte = ((high - 1) << 4) | (low - 1)
      i += 2
    }
    if (byte === 0) return { ok: false, code: 'HTTP_PATH_NUL' }
    if (byte === 0x5c) return { ok: false, code: 'HTTP_PATH_BACKSLASH' }
    if (isEscaped && byte === SLASH && encodedSlash !== 'keep') {
      if (encodedSlash === 'reject') return { ok: false, code: 'HTTP_PATH_ENCODED_SLASH' }
      normal += '/'
      continue
    }
    const staysRaw = isEscaped ? UNRESERVED[byte] === 1 : PATH_CHAR[byte] === 1 || byte === SLASH
    normal += staysRaw ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return { ok: true, path: normal }
}

/** RFC 3986 §5.2.4, then empty segments dropped. Above the root it is refused instead of clamped. */
function removeDotSegments(path: string): NormalPath {
  const kept: string[] = []
  const segments = path.slice(1).split('/')
  let isFolder = false
  for (const segment of segments) {
    isFolder = segment === '' || segment === '.' || segment === '..'
    if (segment === '.') continue
    if (segment === '..') {
      if (kept.pop() === undefined) return { ok: false, code: 'HTTP_PATH_ABOVE_ROOT' }
      continue
    }
    if (hidesDots(segment)) return { ok: false, code: 'HTTP_PATH_HIDDEN_DOTS' }
    kept.push(segment)
  }
  const names = kept.filter((segment) => segment !== '')
  return { ok: true, path: names.length === 0 ? '/' : `/${names.join('/')}${isFolder ? '/' : ''}` }
}

/** Whether a server that decodes %2F or cuts off parameters early would find a dot segment in `segment`. */
function hidesDots(segment: string): boolean {
  if (!segment.includes('.')) return false
  return segment.split('%2F').some((piece) => DOT_SEGMENT.test(piece))
}
