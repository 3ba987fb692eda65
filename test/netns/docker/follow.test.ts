// How soon what the engine tells is in force: from the engine's own time of an event to the time of the agent's log line
// that says so. What a machine takes that is busy with other things says nothing about Weir. So the best of several rounds
// counts, and there are more rounds until each kind of event was followed in time once.
import t from 'tap'
import { DockerEngine } from '../../helpers/docker-engine.ts'
import { EngineEvents } from '../../helpers/docker-events.ts'
import { startWeir } from '../../helpers/docker-weir.ts'
import { fromPods, networkPolicy, onTcp } from '../../helpers/network-policy.ts'
import { NodeNamespace } from '../../helpers/node-namespace.ts'
import { canRunPrivileged } from '../../helpers/privileges.ts'
import { type LogLine } from '../../helpers/weir-process.ts'

const LIMIT_MS = 100
const ROUNDS = 5
/** After the first rounds, none begins later. */
const LAST_ROUND_MS = 120_000
const POLICIES = {
  'server.yaml': networkPolicy('server', { ingress: [{ ...fromPods('friend'), ...onTcp(8080) }] }),
}
const ADDRESSES_PER_NETWORK = 2

interface EndpointLine extends LogLine {
  readonly time: string
  readonly endpoint: string
  readonly state: string
  readonly devices: readonly string[]
  readonly addresses: readonly string[]
}
/** `before`: devices of the server when the command was given. */
type Fits = (line: EndpointLine, before: readonly string[]) => boolean

interface Followed {
  readonly event: string
  /** Whether it is in force by that line. */
  readonly fits: Fits
  /** Default: the event. */
  readonly name?: string
  /** From there the engine itself may take longer than the limit. */
  readonly isOnlyShown?: true
}

interface Step {
  /** Arguments of `docker`. */
  readonly command: readonly string[]
  readonly followed: readonly Followed[]
}

const isRemoved: Fits = ({ msg }) => msg === 'endpoint removed'

/** Its policy and its addresses are in force, as far as it has no device yet. */
function isSet(networks: number, name = 'server'): (line: EndpointLine) => boolean {
  return ({ msg, endpoint, addresses }) =>
    msg === 'endpoint set' &&
    endpoint === `default/${name}` &&
    addresses.length === networks * ADDRESSES_PER_NETWORK
}

/** Programs are on all its devices, too. */
function isReady(networks: number, name?: string): (line: EndpointLine) => boolean {
  return (line) => isSet(networks, name)(line) && line.state === 'ready' && line.devices.length === networks
}

/** Begins and ends with a server that runs on one network. */
const ROUND: readonly Step[] = [
  {
    command: ['stop', '-t', '0', 'server'],
    followed: [
      { event: 'network disconnect', fits: isRemoved, name: 'stop, from "network disconnect"' },
      { event: 'container stop', fits: isRemoved },
      { event: 'container die', fits: isRemoved, isOnlyShown: true },
    ],
  },
  {
    command: ['start', 'server'],
    followed: [
      { event: 'network connect', fits: isSet(1), name: 'start, policy from "network connect"' },
      { event: 'container start', fits: isReady(1) },
    ],
  },
  {
    command: ['restart', '-t', '0', 'server'],
    followed: [
      {
        event: 'container restart',
        fits: (line, before) => isReady(1)(line) && !before.some((device) => line.devices.includes(device)),
      },
    ],
  },
  {
    command: ['network', 'connect', 'back', 'server'],
    followed: [{ event: 'network connect', fits: isReady(2) }],
  },
  {
    command: ['network', 'disconnect', 'back', 'server'],
    followed: [{ event: 'network disconnect', fits: isReady(1) }],
  },
  {
    command: ['rename', 'server', 'renamed'],
    followed: [{ event: 'container rename', fits: isReady(1, 'renamed') }],
  },
  {
    command: ['rename', 'renamed', 'server'],
    followed: [{ event: 'container rename', fits: isReady(1) }],
  },
]

if (canRunPrivileged(t)) {
  t.test(`each kind of event is followed within ${LIMIT_MS} ms`, async (t) => {
    const node = NodeNamespace.forTest(t)
    const engine = await DockerEngine.start(t, node)
    await engine.addNetwork('web', 1)
    await engine.addNetwork('back', 2)
    await engine.run('server', { network: 'web', labels: { app: 'server' } })
    const weir = await startWeir(t, engine, { policies: POLICIES, env: { WEIR_LOG_LEVEL: 'debug' } })
    const events = await EngineEvents.follow(t, engine)
    /** In milliseconds, by name. */
    const delays = new Map<string, number[]>()
    const limited = ROUND.flatMap(({ followed }) => followed.filter(({ isOnlyShown }) => !isOnlyShown))
    const isFollowed = ({ event, name = event }: Followed): boolean =>
      Math.min(...(delays.get(name) ?? [])) <= LIMIT_MS

    const take = async ({ command, followed }: Step): Promise<void> => {
      const [told, logged] = [events.count, weir.log.length]
      const before = weir.log.findLast(({ msg }) => msg === 'endpoint set')?.['devices'] as readonly string[]
      await engine.docker(...command)
      for (const { event, fits, name = event } of followed) {
        const line = (await weir.waitForLog(
          (one) => fits(one as EndpointLine, before) && weir.log.indexOf(one) >= logged,
          { what: `that "${event}" of docker ${command.join(' ')} is in force` },
        )) as EndpointLine
        const { time } = await events.next(event, told)
        delays.set(name, [...(delays.get(name) ?? []), Date.parse(line.time) - time])
      }
    }

    const begin = performance.now()
    const isTime = (): boolean => performance.now() - begin < LAST_ROUND_MS
    for (let round = 0; round < ROUNDS || (isTime() && !limited.every(isFollowed)); round++) {
      for (const step of ROUND) await take(step)
    }
    for (const [name, all] of delays) t.comment(`${name}: ${describe(all)}`)
    for (const one of limited) t.ok(isFollowed(one), one.name ?? one.event)
  })
}

/** Negative: in force before the engine told. */
function describe(delays: readonly number[]): string {
  const sorted = delays.map(Math.round).sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)]
  return `median ${median} ms, ${sorted[0]} to ${sorted.at(-1)} ms of ${sorted.length}`
}
