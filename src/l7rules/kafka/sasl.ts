// Authentication in the old form: after SaslHandshake v0 tokens come in frames without a header, until a mechanism is
// done. Nobody says when that is: it follows from the mechanism. Taking a token for a request, or a request for a
// token, must not be possible: a broker that is done reads requests, whose first byte is 0 for each known API.
import { MAX_SASL_TOKENS } from './limits.ts'

interface Mechanism {
  readonly tokens: number
  /** It may be done sooner. Its tokens are empty or do not begin with 0. */
  readonly mayEndSooner: boolean
}

const MECHANISMS: Readonly<Record<string, Mechanism>> = {
  PLAIN: { tokens: 1, mayEndSooner: false },
  'SCRAM-SHA-256': { tokens: 2, mayEndSooner: false },
  'SCRAM-SHA-512': { tokens: 2, mayEndSooner: false },
  // The second one only takes note of an error.
  OAUTHBEARER: { tokens: 2, mayEndSooner: true },
  GSSAPI: { tokens: MAX_SASL_TOKENS, mayEndSooner: true },
}

export function isKnownMechanism(name: string): boolean {
  return Object.hasOwn(MECHANISMS, name)
}

export class SaslTokens {
  #left: number
  readonly #mayEndSooner: boolean

  constructor(mechanism: string) {
    const { tokens, mayEndSooner } = MECHANISMS[mechanism] ?? { tokens: 0, mayEndSooner: false }
    this.#left = tokens
    this.#mayEndSooner = mayEndSooner
  }

  get isOver(): boolean {
    return this.#left === 0
  }

  take(): void {
    this.#left--
  }

  /** Whether the next frame is a token; undefined: its first byte has to come. */
  isToken(length: number, firstByte: number | undefined): boolean | undefined {
    if (this.isOver) return false
    if (!this.#mayEndSooner || length === 0) return true
    return firstByte === undefined ? undefined : firstByte !== 0
  }
}
