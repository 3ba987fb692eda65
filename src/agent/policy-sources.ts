// Which policies are in force, given the files of today and what was in force before. Pure: files as text
// come in. A broken policy never opens a gate: its last good version stays.
import { formatProblems, type Problem } from '../policy/problem.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'
import { nameTaken, type ParsedPolicies, type PolicyDocument } from '../policy/parse.ts'

/** `ok`: as in the file. `stale`: an older good version is in force. `rejected`: nothing of it is in force. */
export type PolicySourceState = 'ok' | 'stale' | 'rejected'

/** A policy of the folder, or a document that could not become one. */
export interface PolicySource {
  /** `namespace/name`; empty when a rejected document does not say it. */
  readonly name: string
  readonly file: string
  readonly state: PolicySourceState
  /** Of all problems, one per line; empty when ok. */
  readonly error: string
  /** The version in force, with its text in `yaml`; undefined when rejected. */
  readonly policy: ParsedPolicy | undefined
}

/** Content of a file, or why it could not be read. */
export type PolicyFile = { readonly text: string } | { readonly unreadable: string }

export class PolicySources {
  readonly #parse: (text: string, file: string) => ParsedPolicies
  #inForce: ReadonlyMap<string, ParsedPolicy> = new Map()
  #sources: readonly PolicySource[] = []

  /** `inForce`: what an earlier agent enforced; stays in force for files that are broken now. */
  constructor(parse: (text: string, file: string) => ParsedPolicies, inForce: readonly ParsedPolicy[] = []) {
    this.#parse = parse
    this.#inForce = new Map(inForce.map((policy) => [policy.key, policy]))
  }

  /** Sorted by file, then name. */
  get sources(): readonly PolicySource[] {
    return this.#sources
  }

  /** Policies in force. Those that did not change stay the same objects. */
  get policies(): readonly ParsedPolicy[] {
    return [...this.#inForce.values()]
  }

  /** `files`: all of the folder. A policy whose file is not among them any more is removed. */
  update(files: ReadonlyMap<string, PolicyFile>): void {
    const contents = [...files.keys()].sort().map((file) => this.#load(file, files.get(file)))
    const inForce = new Map<string, ParsedPolicy>()
    const sources: PolicySource[] = []
    // What is in force keeps its name: adding a file must not replace a policy of another one.
    for (const content of contents) {
      for (const policy of content.policies) {
        if (this.#inForce.get(policy.key)?.file === content.file) inForce.set(policy.key, this.#reuse(policy))
      }
      for (const [key, old] of this.#staleOf(content)) {
        inForce.set(key, old.policy)
        sources.push({ name: key, file: content.file, state: 'stale', error: old.error, policy: old.policy })
      }
    }
    for (const content of contents) sources.push(...settle(content, inForce))
    this.#inForce = inForce
    this.#sources = sources.sort(bySourceOrder)
  }

  #load(file: string, source: PolicyFile | undefined): FileContent {
    if (source === undefined || 'unreadable' in source) {
      const problem = wholeFile(
        file,
        source?.unreadable ?? 'is missing',
        'make the file readable, or remove it',
      )
      return { file, policies: [], broken: [{ key: undefined, problems: [problem] }], repeated: [] }
    }
    const { policies, documents } = this.#parse(source.text, file)
    const bad = documents.filter((document) => document.policy === undefined)
    const broken: Pick<PolicyDocument, 'key' | 'problems'>[] = bad.filter(
      ({ key }) => !defines(policies, key),
    )
    const repeated = bad.filter(({ key }) => defines(policies, key))
    if (documents.length === 0) {
      // A writer that truncates first, or an editor slip: not the way to lift a policy.
      const problem = wholeFile(file, 'holds no policy', 'remove the file to remove its policies')
      broken.push({ key: undefined, problems: [problem] })
    }
    return { file, policies, broken, repeated }
  }

  /** Policies of the file whose new version is, or may be, among its broken documents. */
  #staleOf({ file, policies, broken }: FileContent): Map<string, { policy: ParsedPolicy; error: string }> {
    const stale = new Map<string, { policy: ParsedPolicy; error: string }>()
    for (const [key, policy] of this.#inForce) {
      if (policy.file !== file || defines(policies, key)) continue
      const named = broken.filter((document) => document.key === key)
      const suspects = named.length > 0 ? named : broken.filter((document) => document.key === undefined)
      if (suspects.length === 0) continue
      stale.set(key, { policy, error: formatProblems(suspects.flatMap(({ problems }) => problems)) })
    }
    return stale
  }

  #reuse(policy: ParsedPolicy): ParsedPolicy {
    const old = this.#inForce.get(policy.key)
    const isSame = old?.yaml === policy.yaml && old.file === policy.file && old.line === policy.line
    return isSame ? old : policy
  }
}

interface FileContent {
  readonly file: string
  readonly policies: readonly ParsedPolicy[]
  /** Documents that could not become policies. */
  readonly broken: readonly Pick<PolicyDocument, 'key' | 'problems'>[]
  /** The same, but the file defines a policy of their name elsewhere, so that they are no version of it. */
  readonly repeated: readonly Pick<PolicyDocument, 'key' | 'problems'>[]
}

/** Sources of one file except stale ones; policies whose name is free enter `inForce`. */
function settle(
  { file, policies, broken, repeated }: FileContent,
  inForce: Map<string, ParsedPolicy>,
): PolicySource[] {
  const rejected = (name: string, problems: readonly Problem[]): PolicySource => {
    return { name, file, state: 'rejected', error: formatProblems(problems), policy: undefined }
  }
  const sources = policies.map((policy) => {
    const holder = inForce.get(policy.key) ?? policy
    if (holder.file !== file) {
      return rejected(policy.key, [nameTaken(policy.key, file, policy.line, `${holder.file}:${holder.line}`)])
    }
    inForce.set(policy.key, holder)
    return { name: policy.key, file, state: 'ok' as const, error: '', policy: holder }
  })
  const isStale = (key: string): boolean => inForce.get(key)?.file === file
  const anyStale = [...inForce].some(([key, policy]) => policy.file === file && !defines(policies, key))
  for (const { key, problems } of broken) {
    // Shown with the stale policies already.
    if (key === undefined ? anyStale : isStale(key)) continue
    sources.push(rejected(key ?? '', problems))
  }
  for (const { key, problems } of repeated) sources.push(rejected(key ?? '', problems))
  return sources
}

function defines(policies: readonly ParsedPolicy[], key: string | undefined): boolean {
  return policies.some((policy) => policy.key === key)
}

function wholeFile(file: string, message: string, mend: string): Problem {
  return { file, line: 1, column: 1, path: '', message, mend }
}

function bySourceOrder(a: PolicySource, b: PolicySource): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}
