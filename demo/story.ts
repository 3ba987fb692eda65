// What the ships do, what should become of it, and what became of it, as they and Weir's own records say.
import { type Flow } from '../src/lib/flow.ts'
import { urlOf } from '../test/helpers/node-namespace.ts'

/** How long a connection is waited for that is dropped. */
export const CONNECT_TIMEOUT_MS = 800

export interface Attempt {
  readonly who: 'tiefighter' | 'xwing' | 'host'
  readonly method: string
  readonly path: string
  readonly expected: '200' | '403' | 'dropped'
}

export const ATTEMPTS: readonly Attempt[] = [
  { who: 'tiefighter', method: 'POST', path: '/v1/request-landing', expected: '200' },
  { who: 'tiefighter', method: 'PUT', path: '/v1/exhaust-port', expected: '403' },
  { who: 'tiefighter', method: 'GET', path: '/v1/', expected: '403' },
  { who: 'xwing', method: 'POST', path: '/v1/request-landing', expected: 'dropped' },
  { who: 'host', method: 'POST', path: '/v1/request-landing', expected: 'dropped' },
]

/** Somebody who can send requests. */
export interface Player extends Addresses {
  /** @returns the status, `dropped`, or what else happened */
  send(method: string, url: string): Promise<string>
}

export interface Addresses {
  readonly v4: string
  readonly v6: string
}

export interface Cast {
  readonly players: Readonly<Record<Attempt['who'], Player>>
  readonly deathstar: Addresses
}

export interface Scene extends Attempt {
  readonly family: 'IPv4' | 'IPv6'
  readonly source: string
  readonly destination: string
  readonly outcome: string
}

/** Every attempt, one after the other, over both families at once. */
export async function play(cast: Cast): Promise<Scene[]> {
  const families = [playOver('IPv4', cast), playOver('IPv6', cast)]
  return (await Promise.all(families)).flat()
}

async function playOver(family: Scene['family'], { players, deathstar }: Cast): Promise<Scene[]> {
  const key = family === 'IPv4' ? 'v4' : 'v6'
  const destination = deathstar[key]
  const scenes: Scene[] = []
  for (const attempt of ATTEMPTS) {
    const player = players[attempt.who]
    const outcome = await player.send(attempt.method, urlOf(destination, attempt.path))
    scenes.push({ ...attempt, family, source: player[key], destination, outcome })
  }
  return scenes
}

/** The record of each scene; both are in order for each source. undefined: none (yet). */
export function matchRecords(scenes: readonly Scene[], flows: readonly Flow[]): (Flow | undefined)[] {
  const unused = [...flows]
  return scenes.map((scene) => {
    const index = unused.findIndex((flow) => belongsTo(flow, scene))
    return index < 0 ? undefined : unused.splice(index, 1)[0]
  })
}

function belongsTo(flow: Flow, scene: Scene): boolean {
  if (flow.IP.source !== scene.source || flow.IP.destination !== scene.destination) return false
  const http = flow.l7?.http
  if (http === undefined) return scene.outcome === 'dropped' && flow.verdict === 'DROPPED'
  return http.method === scene.method && http.url.endsWith(scene.path) && String(http.code) === scene.outcome
}

/** As expected, and decided where such things are decided. */
export function isRight(scene: Scene, flow: Flow | undefined): boolean {
  const where = scene.expected === 'dropped' ? 'kernel' : 'proxy'
  return scene.outcome === scene.expected && flow?.weir.where === where
}
