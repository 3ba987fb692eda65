// What is done to the headers of a request that is forwarded: at most one edit per name.
import type { HttpRequest } from './http1/request.ts'

export interface HeaderEdit {
  /** Lower case, never one that decides framing, routing or the connection. */
  readonly name: string
  /** The occurrences that came are left out. */
  readonly removes: boolean
  /** Put behind all other headers, each as an occurrence of its own. ASCII without control characters. */
  readonly adds: readonly string[]
}

/** `later` done after `earlier`. */
export function composeEdits(earlier: readonly HeaderEdit[], later: readonly HeaderEdit[]): HeaderEdit[] {
  const result = new Map(earlier.map((edit) => [edit.name, edit]))
  for (const edit of later) {
    const known = result.get(edit.name)
    result.set(edit.name, known === undefined || edit.removes ? edit : append(known, edit.adds))
  }
  return [...result.values()]
}

/** Two rules that ask for the same header value ask for one occurrence of it. */
function append(edit: HeaderEdit, values: readonly string[]): HeaderEdit {
  return { ...edit, adds: [...new Set([...edit.adds, ...values])] }
}

/** A request as the receiver of its edited form sees it. Valid as long as the request. */
export class EditedRequest implements HttpRequest {
  readonly method: string
  readonly target: string
  readonly path: string
  readonly host: string
  readonly #request: HttpRequest
  readonly #edits: readonly HeaderEdit[]

  constructor(request: HttpRequest, edits: readonly HeaderEdit[]) {
    this.method = request.method
    this.target = request.target
    this.path = request.path
    this.host = request.host
    this.#request = request
    this.#edits = edits
  }

  header(name: string): readonly string[] {
    const values = this.#request.header(name)
    const edit = this.#edits.find((each) => each.name === name)
    if (edit === undefined) return values
    return edit.removes ? edit.adds : [...values, ...edit.adds]
  }
}
