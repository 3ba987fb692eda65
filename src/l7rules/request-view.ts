// Which parts of a request rules look at: what a verdict can depend on.

export interface RequestView {
  readonly method: boolean
  readonly path: boolean
  readonly host: boolean
  /** Lower case, no duplicates. */
  readonly headers: readonly string[]
  /** Values are compared with secrets: none of them may be kept, nor may time tell how much was equal. */
  readonly hasSecrets: boolean
}

export const NOTHING: RequestView = {
  method: false,
  path: false,
  host: false,
  headers: [],
  hasSecrets: false,
}

/** A view of the headers and pseudo-headers `names`. */
export function viewOf(names: readonly string[], hasSecrets = false): RequestView {
  return {
    method: names.includes(':method'),
    path: names.includes(':path'),
    host: names.includes(':authority'),
    headers: [...new Set(names.filter((name) => !name.startsWith(':')))],
    hasSecrets,
  }
}

export function unionOfViews(views: readonly RequestView[]): RequestView {
  return {
    method: views.some((view) => view.method),
    path: views.some((view) => view.path),
    host: views.some((view) => view.host),
    headers: [...new Set(views.flatMap((view) => view.headers))],
    hasSecrets: views.some((view) => view.hasSecrets),
  }
}
