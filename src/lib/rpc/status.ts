// Errors across gRPC: a WeirError keeps its code and message from the agent to the command line.
import { Metadata, status, type ServiceError, type StatusObject } from '@grpc/grpc-js'
import { ERROR_CODES, WeirError, errorMessage, type ErrorCode } from '../errors.ts'

const CODE_KEY = 'weir-code'

/** What a handler answers when `thrown` stopped it. */
export function toStatus(thrown: unknown): StatusObject {
  const metadata = new Metadata()
  if (!(thrown instanceof WeirError))
    return { code: status.INTERNAL, details: errorMessage(thrown), metadata }
  metadata.set(CODE_KEY, thrown.code)
  const code = thrown.code === 'NOT_FOUND' ? status.NOT_FOUND : status.FAILED_PRECONDITION
  return { code, details: thrown.message, metadata }
}

/** The WeirError behind a failed call to the agent on `socketPath`; `error` itself for a bug of the agent. */
export function fromStatus(error: ServiceError, socketPath: string): Error {
  const code = String(error.metadata.get(CODE_KEY)[0] ?? '')
  if (isErrorCode(code)) return new WeirError(code, error.details, { cause: error })
  if (/\bE(ACCES|PERM)\b/.test(error.details)) {
    return new WeirError('NOT_PRIVILEGED', `connect ${socketPath}: permission denied`, {
      cause: error,
      mend: 'run the command as root',
    })
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    return new WeirError('AGENT_UNREACHABLE', `the agent on ${socketPath} does not answer in time`, {
      cause: error,
      mend: 'see its log',
    })
  }
  if (error.code !== status.UNAVAILABLE && error.code !== status.CANCELLED) return error
  return new WeirError('AGENT_UNREACHABLE', `no agent answers on ${socketPath}`, {
    cause: error,
    mend: 'start it with `weir run --endpoints FILE --policies DIR`, or name its --state-dir',
  })
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text)
}
