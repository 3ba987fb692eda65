// Endpoints and policies read from files, by the parsers of the agent, with every problem named.
import { stat } from 'node:fs/promises'
import { relative } from 'node:path'
import { parseEndpoints, type EndpointSpec } from '../agent/endpoints-document.ts'
import { readFolder, readPolicyFile } from '../agent/policy-folder.ts'
import { unreadSubfolders, type UnreadSubfolder } from '../agent/policy-subfolders.ts'
import type { PolicyFile } from '../agent/policy-sources.ts'
import { readTextFile } from '../agent/text-file.ts'
import { ADMISSION } from '../l7rules/admission.ts'
import { errorMessage, WeirError } from '../lib/errors.ts'
import { nameTaken, parsePolicies, type ParsedPolicies } from '../policy/parse.ts'
import type { Problem } from '../policy/problem.ts'
import type { ParsedPolicy } from '../policy/rule-model.ts'

export interface LoadedPolicies {
  readonly policies: readonly ParsedPolicy[]
  /** Of all files; usable only when there is none. */
  readonly problems: readonly Problem[]
  /** How many were read. */
  readonly files: number
  readonly unread: readonly UnreadSubfolder[]
}

/**
 * Policies of files and folders. Of a folder those files count that an agent would read.
 * @throws WeirError CONFIG_INVALID when a path does not exist or a folder cannot be listed
 */
export async function loadPolicies(paths: readonly string[]): Promise<LoadedPolicies> {
  const files = new Map<string, PolicyFile>()
  const unread: UnreadSubfolder[] = []
  for (const path of paths) {
    for (const [file, content] of await readPath(path)) files.set(file, content)
    unread.push(...(await unreadSubfolders(path)))
  }
  const parsed = [...files].map(([file, content]) => parseFile(relative('', file) || file, content))
  return { ...joinPolicies(parsed), files: files.size, unread }
}

/** Two policies of one name are a problem of the later one. */
export function joinPolicies(
  parsed: readonly Pick<ParsedPolicies, 'policies' | 'problems'>[],
): Omit<LoadedPolicies, 'files' | 'unread'> {
  const policies = new Map<string, ParsedPolicy>()
  const problems: Problem[] = []
  for (const file of parsed) {
    problems.push(...file.problems)
    for (const policy of file.policies) {
      const holder = policies.get(policy.key)
      if (holder === undefined) policies.set(policy.key, policy)
      else problems.push(nameTaken(policy.key, policy.file, policy.line, `${holder.file}:${holder.line}`))
    }
  }
  return { policies: [...policies.values()], problems }
}

async function readPath(path: string): Promise<ReadonlyMap<string, PolicyFile>> {
  const stats = await stat(path).catch(() => undefined)
  if (stats === undefined) {
    throw new WeirError('CONFIG_INVALID', `${path} does not exist`, {
      mend: 'name a policy file or a folder of them',
    })
  }
  if (stats.isDirectory()) return readFolder(path)
  return new Map([[path, (await readPolicyFile(path)) ?? { unreadable: 'is no file' }]])
}

function parseFile(file: string, content: PolicyFile): Pick<ParsedPolicies, 'policies' | 'problems'> {
  if ('unreadable' in content) return { policies: [], problems: [wholeFile(file, content.unreadable)] }
  const parsed = parsePolicies(content.text, file, ADMISSION)
  return parsed.documents.length > 0
    ? parsed
    : { policies: [], problems: [wholeFile(file, 'holds no policy')] }
}

function wholeFile(file: string, message: string): Problem {
  return { file, line: 1, column: 1, path: '', message, mend: 'write a policy, or remove the file' }
}

/** @throws WeirError CONFIG_INVALID when the file cannot be read */
export async function loadEndpoints(
  path: string,
): Promise<{ readonly endpoints: readonly EndpointSpec[]; readonly problems: readonly Problem[] }> {
  return parseEndpoints(await readText(path, 'an endpoints file'), relative('', path) || path)
}

/** @throws WeirError CONFIG_INVALID */
export async function readText(path: string, what: string): Promise<string> {
  try {
    return await readTextFile(path)
  } catch (cause) {
    throw new WeirError('CONFIG_INVALID', `read ${path}: ${errorMessage(cause)}`, {
      cause,
      mend: `name ${what}`,
    })
  }
}
