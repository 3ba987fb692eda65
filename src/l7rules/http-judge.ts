// Judges the requests of connections under the same rules: both endpoints must allow. Verdicts are kept by
// the exact strings that the rules look at, so that a request seen before costs one look-up.
import { EditedRequest } from './edited-request.ts'
import type { HttpRequest } from './http1/request.ts'
import { joinSides } from './moded-side.ts'
import { unionOfViews, type RequestView } from './request-view.ts'
import type { HttpJudgement } from './side.ts'
import type { Verdict } from './verdict.ts'

/** Verdicts kept, then all are forgotten. */
const MAX_ENTRIES = 4096
/** Requests that are kept under one path: others with it are evaluated, so that a chain stays short. */
const MAX_CHAIN = 8
/** Longer requests are not kept: strangers choose them, and 4,096 of them must stay small. */
const MAX_KEY_CHARS = 1024

interface Entry {
  readonly method: string
  readonly host: string
  /** Values of the headers that rules name, in the order of the view. */
  readonly headers: readonly (readonly string[])[]
  readonly verdict: Verdict
  readonly next: Entry | undefined
  /** Entries from here to the end of the chain. */
  readonly length: number
}

export class RequestJudge {
  readonly #first: HttpJudgement
  readonly #second: HttpJudgement | undefined
  readonly #view: RequestView
  /** By path (by '' when no rule looks at it); each value is the head of a chain. Fields compare exactly. */
  readonly #memo = new Map<string, Entry>()
  #entryCount = 0

  /** @param second asked when `first` allows; sees the request as `first` has edited it. */
  constructor(first: HttpJudgement, second?: HttpJudgement) {
    this.#first = first
    this.#second = second
    this.#view = unionOfViews(second === undefined ? [first.view] : [first.view, second.view])
  }

  /** An arrow function: it is handed over as a bare function and must not lose its judge. */
  readonly judge = (request: HttpRequest): Verdict => {
    const view = this.#view
    if (view.hasSecrets) return this.#evaluate(request)
    const path = view.path ? request.path : ''
    const method = view.method ? request.method : ''
    const host = view.host ? request.host : ''
    const head = this.#memo.get(path)
    for (let entry = head; entry !== undefined; entry = entry.next) {
      if (entry.method === method && entry.host === host && this.#sameHeaders(entry, request))
        return entry.verdict
    }
    const verdict = this.#evaluate(request)
    if (head === undefined || head.length < MAX_CHAIN) this.#remember(path, method, host, request, verdict)
    return verdict
  }

  #evaluate(request: HttpRequest): Verdict {
    const first = this.#first.judge(request)
    const second = this.#second
    if (second === undefined) return first
    if (!first.allowed && first.shadow?.allowed !== true) return first
    const seen = first.edits === undefined ? request : new EditedRequest(request, first.edits)
    return joinSides(first, second.judge(seen))
  }

  #sameHeaders(entry: Entry, request: HttpRequest): boolean {
    const names = this.#view.headers
    for (let i = 0; i < names.length; i++) {
      const known = entry.headers[i] as readonly string[]
      const values = request.header(names[i] as string)
      if (known.length !== values.length) return false
      for (let j = 0; j < known.length; j++) if (known[j] !== values[j]) return false
    }
    return true
  }

  #remember(path: string, method: string, host: string, request: HttpRequest, verdict: Verdict): void {
    const headers = this.#view.headers.map((name) => [...request.header(name)])
    let chars = path.length + method.length + host.length
    for (const values of headers) for (const value of values) chars += value.length + 1
    if (chars > MAX_KEY_CHARS) return
    if (this.#entryCount >= MAX_ENTRIES) {
      this.#memo.clear()
      this.#entryCount = 0
    }
    const next = this.#memo.get(path)
    this.#memo.set(path, { method, host, headers, verdict, next, length: (next?.length ?? 0) + 1 })
    this.#entryCount++
  }
}
