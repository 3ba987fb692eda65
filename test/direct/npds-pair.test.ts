// Our agent and our client together, over real gRPC on a real unix socket: whatever is published, refused, cut or
// restarted, what the client enforces is what the agent says it accepted.
import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { agentHandlers, type AgentState } from '../../src/agent/agent-server.ts'
import { ControlServer } from '../../src/agent/control-server.ts'
import { FlowLog } from '../../src/agent/flow-log.ts'
import { startRpcServer, type RpcServer } from '../../src/agent/rpc-server.ts'
import { XdsServer } from '../../src/agent/xds/xds-server.ts'
import { asEndpointId, asIdentity, asRevision } from '../../src/lib/brands.ts'
import { instancePaths } from '../../src/lib/paths.ts'
import { agentChannel } from '../../src/lib/rpc/channel.ts'
import type { XdsMode } from '../../src/lib/rpc/discovery.ts'
import { endpointLabels } from '../../src/policy/labels.ts'
import type { PolicySnapshot } from '../../src/policy/network-policy.ts'
import { encodeNetworkPolicy } from '../../src/policy/npds-codec.ts'
import { PolicyRepository } from '../../src/policy/repository.ts'
import type { ParsedPolicy } from '../../src/policy/rule-model.ts'
import { XdsClient } from '../../src/proxy/xds/xds-client.ts'
import { Mailbox, logTo } from '../helpers/events.ts'
import { NAMESPACES, rawDocument, textOf } from '../helpers/policy-arbitraries.ts'
import { parseGood } from '../helpers/policy-world.ts'
import { waitFor } from '../helpers/wait.ts'

t.setTimeout(120_000)

/** Nothing here may hang on the clock of a slow machine. */
const PATIENCE_MS = 60_000

type Step =
  | { readonly do: 'set'; readonly policy: ParsedPolicy; readonly isGood: boolean }
  | { readonly do: 'remove'; readonly isGood: boolean }
  /** The stream ends, by the agent. */
  | { readonly do: 'cut' }
  /** Another agent comes, with revisions of its own. */
  | { readonly do: 'restart' }

const isGood = fc.boolean().chain((first) => fc.boolean().map((second) => first || second))
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('set' as const),
      policy: rawDocument.map((document) => parseGood(textOf(document))[0] as ParsedPolicy),
      isGood,
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), isGood }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'cut' }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'restart' }) },
)

class Pair {
  readonly #socketPath: string
  readonly #repository = new PolicyRepository()
  readonly #client: XdsClient
  #rpc: RpcServer | undefined
  #xds = makeServer()
  #revision = 0
  #latest: PolicySnapshot | undefined
  /** Of the latest revision: the client takes it. */
  #isGood = true
  #inForce: PolicySnapshot | undefined
  #expected: PolicySnapshot | undefined

  constructor(socketPath: string, mode: XdsMode) {
    this.#socketPath = socketPath
    const endpoints = Array.from({ length: 4 }, (_, i) => ({
      id: asEndpointId(1 + i),
      identity: asIdentity(256 + i),
      labels: endpointLabels(NAMESPACES[i % 2] ?? 'n', { app: i < 2 ? 'a' : 'b' }),
      addresses: [`10.0.0.${1 + i}`, `fd00::${1 + i}`],
    }))
    this.#repository.update({ setEndpoints: endpoints })
    this.#client = new XdsClient({
      channel: agentChannel(socketPath),
      mode,
      slot: 0,
      version: '0',
      log: logTo(new Mailbox()),
      backoff: { firstMs: 1, lastMs: 4 },
      apply: (snapshot) => {
        if (!this.#isGood) return 'not this one'
        this.#inForce = snapshot
        return undefined
      },
    })
  }

  async run(steps: readonly Step[]): Promise<void> {
    this.#rpc = await startAgent(this.#socketPath, this.#xds)
    this.#client.start()
    await this.#publish(true)
    await this.#settled('the first policy')
    for (const one of steps) {
      if (one.do === 'cut') this.#xds.close()
      else if (one.do === 'restart') await this.#restart()
      else await this.#change(one)
      await this.#settled(one.do)
    }
  }

  async stop(): Promise<void> {
    this.#client.close()
    await this.#rpc?.close()
  }

  async #change(one: Extract<Step, { do: 'set' | 'remove' }>): Promise<void> {
    const [oldest] = this.#repository.policies()
    if (one.do === 'set') this.#repository.update({ setPolicies: [one.policy] })
    else if (oldest !== undefined) this.#repository.update({ removePolicies: [oldest.key] })
    await this.#publish(one.isGood)
  }

  async #publish(isGood: boolean): Promise<void> {
    this.#isGood = isGood
    this.#revision++
    const policies = this.#repository.endpointPolicies().map(({ networkPolicy }) => networkPolicy)
    this.#latest = { revision: asRevision(this.#revision), policies, endpoints: [], identities: [] }
    if (isGood) this.#expected = this.#latest
    await this.#xds.publish(this.#latest)
  }

  async #restart(): Promise<void> {
    await this.#rpc?.close()
    this.#xds = makeServer()
    this.#revision = 0
    await this.#publish(this.#isGood)
    this.#rpc = await startAgent(this.#socketPath, this.#xds)
  }

  async #settled(what: string): Promise<void> {
    const [client] = await waitFor(
      () => {
        const clients = this.#xds.clients()
        const [one] = clients
        if (clients.length !== 1 || one === undefined || !this.#client.isConnected) return false
        return (this.#isGood ? one.realised === this.#revision : one.error !== '') && clients
      },
      { what: `the answer after ${what}`, timeoutMs: PATIENCE_MS },
    )
    if (client?.wanted !== this.#revision) throw new Error(`wanted ${client?.wanted}, not ${this.#revision}`)
    if (!this.#isGood && client.error !== 'not this one') throw new Error(`error ${client.error}`)
    if (client.realised === this.#revision && !this.#isGood) throw new Error('refused, and realised')
    if (onTheWire(this.#inForce) !== onTheWire(this.#expected)) throw new Error(`after ${what}: differs`)
  }
}

function makeServer(): XdsServer {
  return new XdsServer({
    log: logTo(new Mailbox()),
    hostAddresses: () => ['192.0.2.1'],
    ackTimeoutMs: PATIENCE_MS,
  })
}

function startAgent(socketPath: string, xds: XdsServer): Promise<RpcServer> {
  const control = new ControlServer({ log: logTo(new Mailbox()), onFlows: () => {} })
  return startRpcServer(socketPath, {
    control: control.handlers,
    agent: agentHandlers({} as AgentState, new FlowLog(), control),
    xds: xds.handlers,
  })
}

function onTheWire(snapshot: PolicySnapshot | undefined): string {
  return JSON.stringify(snapshot?.policies.map(encodeNetworkPolicy))
}

for (const mode of ['split', 'ads'] as const) {
  t.test(`${mode}: the client enforces what the agent says it accepted, after every answer`, async (t) => {
    const property = fc.asyncProperty(fc.array(step, { maxLength: 10 }), async (steps) => {
      const root = mkdtempSync(join(tmpdir(), 'weir-'))
      const pair = new Pair(instancePaths(join(root, 'state')).agentSocket, mode)
      try {
        await pair.run(steps)
      } finally {
        await pair.stop()
        rmSync(root, { recursive: true, force: true })
      }
    })
    await fc.assert(property, { numRuns: 25 })
    t.pass()
  })
}
