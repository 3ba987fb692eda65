// Forwarding by the kernel: what the rest costs.
import { type Stage } from '../stage.ts'
import { ruleSetOf } from '../rules.ts'
import { type Variant } from './variant.ts'

export function direct(stage: Stage): Variant {
  return {
    name: 'direct',
    client: stage.client,
    workDir: stage.node.workDir,
    pids: [],
    canDo: (load) =>
      load.isDenied !== true &&
      load.isHalfDenied !== true &&
      load.rules === undefined &&
      load.isIdle !== true,
    targetOf: (load) => ({ host: stage.server.v4, port: ruleSetOf(load).port }),
    restMs: 0,
    tidy: () => undefined,
    stop: () => Promise.resolve(),
  }
}
