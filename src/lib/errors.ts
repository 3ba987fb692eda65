// The one error type of the project: a literal code, a message that names what, where, value and mend.

/** Every code, with its meaning for an operator. docs/errors.md lists the same set; a test compares both. */
export const ERROR_CODES = {
  CONFIG_INVALID: 'A flag or a file holds a value that cannot be used.',
  ENDPOINTS_INVALID: 'The endpoints file is broken; the last good version stays in force.',
  POLICY_INVALID:
    'A policy document is broken or uses an unsupported field; its last good version stays in force.',
  POLICY_NOT_READ: 'A subfolder of the policies folder holds policies; subfolders are not read.',
  REGEX_INVALID: 'A regular expression of a rule is not valid RE2 or is too large.',
  NOT_PRIVILEGED: 'The process lacks root or a capability.',
  KERNEL_UNSUPPORTED: 'libbpf, bpffs or a kernel feature is missing.',
  KERNEL_CALL_FAILED: 'A system call or libbpf call failed.',
  LAYOUT_MISMATCH: 'Pinned maps were made by another version of Weir.',
  PINNED_ELSEWHERE: 'Pinned maps belong to an agent of another network namespace.',
  DEVICE_MISSING: 'The device of an endpoint does not exist (yet).',
  POLICY_MAP_FULL: 'The policy map of an endpoint is full; the endpoint is closed.',
  MAP_FULL: 'A map shared by all endpoints is full.',
  ALREADY_RUNNING: 'Another agent uses the same state directory, or the same network namespace.',
  AGENT_UNREACHABLE: 'Nothing answers on the socket of the agent.',
  NOT_FOUND: 'The named object does not exist.',
  DOCKER_UNREACHABLE: 'Nothing that speaks the Docker API answers on the socket; endpoints stay as they are.',
  DOCKER_UNSUPPORTED: 'The Docker engine is too old.',
  EXPECTATION_MISSED: 'A traced flow or a policy test did not come out as it was expected to.',
  MACHINE_UNFIT: '`weir doctor` found something without which Weir cannot work.',
  INTERNAL: 'A fault of Weir itself: please report it with the message.',
} as const

export type ErrorCode = keyof typeof ERROR_CODES

export interface ErrorDetails {
  readonly cause?: unknown
  /** What the operator can do about it; appended to the message. */
  readonly mend?: string
}

export class WeirError extends Error {
  override readonly name = 'WeirError'
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(
      details.mend === undefined ? message : `${message}; ${details.mend}`,
      details.cause === undefined ? undefined : { cause: details.cause },
    )
    this.code = code
  }
}

/** Text of anything that was thrown, for a log field or a message. */
export function errorMessage(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
