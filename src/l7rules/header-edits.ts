// What is done to the headers of a request that is forwarded: at most one edit per name.

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
