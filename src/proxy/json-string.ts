// JSON text that is pure ASCII, so that it can be written byte for byte and never breaks a terminal.

/** Everything but printable ASCII, the quote and the backslash. */
const NEEDS_ESCAPE = /[^ !#-[\]-~]/
const NOT_PRINTABLE = /[^ -~]/g

/** Content of a JSON string literal, without the quotes. Any UTF-16 code units come back from JSON.parse. */
export function jsonEscape(text: string): string {
  return NEEDS_ESCAPE.test(text) ? asciiJson(text).slice(1, -1) : text
}

/** JSON.stringify with everything outside printable ASCII as \uXXXX. */
export function asciiJson(value: unknown): string {
  // JSON.stringify has escaped controls already; what is left stands inside string literals.
  return JSON.stringify(value).replace(NOT_PRINTABLE, escapeUnit)
}

function escapeUnit(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}
