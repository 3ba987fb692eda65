// The demo on a Docker engine: docker/compose.yaml up, the requests of the talk, a table of what became of them; then it
// stays up to be played with. Everything of it goes in the end.
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { type Flow } from '../../src/lib/flow.ts'
import { REDIRECT_DEVICE } from '../../src/redirect/steering.ts'
import { waitFor } from '../../test/helpers/wait.ts'
import { perform } from '../performance.ts'
import { type Addresses, type Cast, CONNECT_TIMEOUT_MS, type Player } from '../story.ts'
import { attempt, bpfCapability, DemoError, docker, interrupt, requireEngine } from './engine.ts'
import { containerOf, findProject, hasLeftovers, type Project } from './project.ts'

const EXIT_INTERRUPTED = 130
const NETWORK = 'weir-demo_galaxy'
const STATE_DIR = process.env['WEIR_STATE_DIR'] ?? '/run/weir-demo'
const SHIPS = ['tiefighter', 'xwing', 'deathstar'] as const
const READY_MS = 60_000
const CURL_TIMED_OUT = 28

/** @returns the exit code: 0 when every outcome was right. @throws DemoError when something is missing */
export async function runDemo({ endsAfterTable }: { readonly endsAfterTable: boolean }): Promise<number> {
  await requireEngine()
  const interrupted = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted.abort())
  const stopped = once(interrupted.signal, 'abort').then(() => 'stopped' as const)
  const project = await prepare()
  let going: Promise<boolean> | undefined
  try {
    console.log(`images and containers, by ${project.by} ... (the first time, images are pulled and built)`)
    going = project.up().then(() => performOn())
    const isAllRight = await Promise.race([going, stopped])
    if (isAllRight === 'stopped') return EXIT_INTERRUPTED
    if (!endsAfterTable) {
      printInvitation()
      await stopped
    }
    return isAllRight ? 0 : 1
  } finally {
    process.stdout.write('\ncleaning up ... ')
    interrupt()
    await going?.catch(() => undefined)
    await strike(project)
    console.log('done')
  }
}

async function prepare(): Promise<Project> {
  const image = process.env['WEIR_IMAGE'] ?? ''
  const ship = process.env['CURL_IMAGE'] ?? 'curlimages/curl'
  const capability = process.env['WEIR_CAPABILITY'] ?? (await bpfCapability(ship))
  const project = await findProject({ WEIR_CAPABILITY: capability }, image !== '')
  if (await hasLeftovers()) {
    await strike(project)
    console.log('removed what an earlier demo had left')
  }
  if (REDIRECT_DEVICE in networkInterfaces()) {
    throw new DemoError(
      `Weir is at work on this machine already: there is a device ${REDIRECT_DEVICE}. Two of them would get into each other's way`,
    )
  }
  return project
}

async function performOn(): Promise<boolean> {
  const weir = await containerOf('weir')
  await waitFor(() => isInForce(weir), { what: 'the ships to be under policy', timeoutMs: READY_MS })
  const cast = await castOf()
  const isAllRight = await perform(cast, () => flows(weir))
  if (!isAllRight) console.log((await attempt(['docker', 'logs', weir])).text)
  return isAllRight
}

async function isInForce(weir: string): Promise<boolean> {
  const text = await docker('exec', weir, 'weir', 'endpoint', 'list', '-o', 'json', '--state-dir', STATE_DIR)
  const { endpoints } = JSON.parse(text) as { endpoints: { state: string; labels: string[] }[] }
  return SHIPS.every((ship) =>
    endpoints.some(
      ({ state, labels }) => state === 'ready' && labels.some((label) => label.endsWith(`class=${ship}`)),
    ),
  )
}

async function flows(weir: string): Promise<Flow[]> {
  const command = ['weir', 'observe', '-o', 'json', '--last', '100', '--state-dir', STATE_DIR]
  const lines = (await docker('exec', weir, ...command)).split('\n').filter(Boolean)
  return lines.map((line) => JSON.parse(line) as Flow)
}

async function castOf(): Promise<Cast> {
  const [tiefighter, xwing, deathstar] = await Promise.all(SHIPS.map(shipOf))
  if (!tiefighter || !xwing || !deathstar) throw new Error('a ship is missing')
  return { players: { tiefighter, xwing, host: await host() }, deathstar }
}

async function shipOf(service: string): Promise<Player> {
  const container = await containerOf(service)
  const addresses = await addressesIn(container, ['IPAddress', 'GlobalIPv6Address'])
  return { ...addresses, send: (method, url) => sendFrom(container, method, url) }
}

/** What the engine says about a container in the network of the demo. */
async function addressesIn(
  container: string,
  [v4Field, v6Field]: readonly [string, string],
): Promise<Addresses> {
  const network = `(index .NetworkSettings.Networks "${NETWORK}")`
  const format = `{{${network}.${v4Field}}} {{${network}.${v6Field}}}`
  const [v4 = '', v6 = ''] = (await docker('inspect', '--format', format, container)).split(' ')
  return { v4, v6 }
}

/** One request by curl. The line ends with status and exit code. */
async function sendFrom(container: string, method: string, url: string): Promise<string> {
  const seconds = String(CONNECT_TIMEOUT_MS / 1000)
  const curl = [
    'curl',
    '-s',
    '-S',
    '-g',
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '--connect-timeout',
    seconds,
  ]
  const { code, stdout, text } = await attempt(['docker', 'exec', container, ...curl, '-X', method, url])
  if (code === CURL_TIMED_OUT) return 'dropped'
  return code === 0 ? stdout : text
}

/** This process, whose packets come from the gateway of the network. */
async function host(): Promise<Player> {
  const gateway = await addressesIn(await containerOf('deathstar'), ['Gateway', 'IPv6Gateway'])
  return { ...gateway, send: sendFromHere }
}

async function sendFromHere(method: string, url: string): Promise<string> {
  try {
    const { status } = await fetch(url, { method, signal: AbortSignal.timeout(CONNECT_TIMEOUT_MS) })
    return String(status)
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? 'dropped' : String((error as Error).cause ?? error)
  }
}

function printInvitation(): void {
  console.log(`
It stays up. In a second terminal, see each request as it happens:
  docker exec weir-demo-weir-1 weir observe -f --state-dir ${STATE_DIR}

and in a third one:
  docker exec weir-demo-tiefighter-1 curl -sS -m 2 -X POST http://deathstar/v1/request-landing
  docker exec weir-demo-tiefighter-1 curl -sS -m 2 -i -X PUT http://deathstar/v1/exhaust-port
  docker exec weir-demo-xwing-1 curl -sS -m 2 -X POST http://deathstar/v1/request-landing
  docker exec weir-demo-weir-1 weir endpoint list --state-dir ${STATE_DIR}

Change demo/policies/empire-landing.yaml: what you save is in force at once.
Ctrl-C ends the demo and leaves the machine as it was.`)
}

/** Weir takes its own things away first, to show that it can; then everything else goes. */
async function strike(project: Project): Promise<void> {
  const weir = await containerOf('weir', ['--all'])
  if (weir !== '') {
    await docker('stop', weir)
    await project.once('weir', ['cleanup', '--state-dir', STATE_DIR]).catch((error: unknown) => {
      console.log(`Weir did not clean up after itself: ${String(error)}`)
    })
  }
  await project.down()
}

export { DemoError }
