// Host names as rules compare them.

/** `toLowerCase` would change bytes beyond ASCII. */
export function lowerAscii(text: string): string {
  if (!/[A-Z]/.test(text)) return text
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** `host` itself when it names no port. */
export function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':')
  if (colon < 0) return host
  for (let i = colon + 1; i < host.length; i++) {
    const digit = host.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return host
  }
  // A bare IPv6 address ends in digits, too; with a port it stands in brackets.
  const isAddress = host.indexOf(':') !== colon && host.charCodeAt(colon - 1) !== 0x5d
  return isAddress ? host : host.slice(0, colon)
}
