// A weir that waits a second for the rest of a request head, not a minute: for tests that go beyond it.
import { withConstant } from './with-constant.ts'

export const SHORT_HEAD_TIMEOUT_MS = 1_000

/** `executable` of a weir. */
export const WITH_SHORT_HEAD_TIMEOUT = withConstant({
  module: 'l7rules/http1/limits',
  name: 'HEAD_TIMEOUT_MS',
  value: SHORT_HEAD_TIMEOUT_MS,
})
