// Text from peers and files may hold escape sequences; a terminal must not obey them.

// eslint-disable-next-line no-control-regex -- controls are what this looks for
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/** `text` on one line, with controls and direction marks as \xNN or \uNNNN. */
export function printable(text: string): string {
  return text.replace(CONTROLS, escapeUnit)
}

/** The same for a text of several lines, of which newlines and tabs stay. */
export function printableLines(text: string): string {
  return text.replace(CONTROLS, (unit) => (unit === '\n' || unit === '\t' ? unit : escapeUnit(unit)))
}

function escapeUnit(unit: string): string {
  const code = unit.charCodeAt(0)
  return code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
