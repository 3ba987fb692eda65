// Access-log records to the agent, for `weir observe`.
import type { RecordSink } from './access-log.ts'
import type { AgentClient } from './agent-client.ts'

export function agentSink(client: AgentClient): RecordSink {
  return {
    write: (ndjson, records) => client.sendFlows(ndjson, records),
    get lost() {
      return client.flowsLost
    },
    reopen: () => {},
    close: () => Promise.resolve(),
  }
}
