// What one side of a connection sees of a request that the side before it has edited.
import type { HeaderEdit } from './header-edits.ts'
import type { HttpRequest } from './http1/request.ts'

/** Valid as long as the request. */
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
