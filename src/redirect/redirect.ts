// The generations of transparent redirection behind one interface. Which packets are steered is decided by the same
// code for all; a redirect is how they get to the proxy, and what the proxy has to do about it. docs/redirects.md
// compares them.
import { REDIRECT_MODES, type RedirectMode } from '../lib/redirect-mode.ts'
import { REDIRECT } from './layouts.ts'

export type Family = 'ipv4' | 'ipv6'

export interface Redirect {
  readonly mode: RedirectMode
  /** enum weir_redirect: a constant of the programs on endpoints and on weir0, which do the rest. */
  readonly number: number
  /** A program at the listener lookup of the network namespace finds the worker for a SYN. */
  readonly usesSkLookup: boolean
  /** A rule of netfilter finds the socket for every packet. */
  readonly usesTproxy: boolean
  /** How workers listen. */
  readonly listen: readonly (readonly [Family, string])[]
  /** Original destination and client are the ends of the accepted socket, and the upstream leg has the client's address. */
  readonly isTransparent: boolean
  /** What it cannot do, for `weir status`; each is refused with a reason when it happens. */
  readonly limits: readonly string[]
}

const ON_LOOPBACK = [
  ['ipv4', '127.0.0.1'],
  ['ipv6', '::1'],
] as const
/** WEIR_NAT_*: addresses of weir0, for the destination of a packet must be one that the node answers to. */
const ON_REDIRECT_DEVICE = [
  ['ipv4', '169.254.119.101'],
  ['ipv6', 'fd77:6569:7200::1'],
] as const

const TRANSPARENT = {
  usesSkLookup: false,
  usesTproxy: false,
  listen: ON_LOOPBACK,
  isTransparent: true,
  limits: [],
} as const

const REDIRECTS: Readonly<Record<RedirectMode, Redirect>> = {
  hybrid: { mode: 'hybrid', number: REDIRECT.hybrid, ...TRANSPARENT, usesSkLookup: true },
  sk_lookup: {
    mode: 'sk_lookup',
    number: REDIRECT.sk_lookup,
    ...TRANSPARENT,
    usesSkLookup: true,
    limits: ['a connection that is older than its L7 rules hangs until it times out: REDIRECT_UNSUPPORTED'],
  },
  sk_assign: {
    mode: 'sk_assign',
    number: REDIRECT.sk_assign,
    ...TRANSPARENT,
    limits: ['a client that reuses a port too soon waits for a retransmission'],
  },
  tproxy: {
    mode: 'tproxy',
    number: REDIRECT.tproxy,
    ...TRANSPARENT,
    usesTproxy: true,
    limits: ['each steered packet passes a rule of netfilter'],
  },
  nat: {
    mode: 'nat',
    number: REDIRECT.nat,
    ...TRANSPARENT,
    listen: ON_REDIRECT_DEVICE,
    isTransparent: false,
    limits: [
      'servers see the address of the node, not that of the client',
      'L7 ingress rules admit only endpoints of this node that dial the address of the pod: REDIRECT_UNSUPPORTED',
      'a client port that speaks with one server cannot be used for a second: NAT_PORT_TAKEN',
    ],
  },
}

export function redirectOf(mode: RedirectMode): Redirect {
  return REDIRECTS[mode]
}

/** By the number in weir_config. @throws RangeError: another version of Weir wrote it */
export function redirectByNumber(number: number): Redirect {
  const mode = REDIRECT_MODES.find((candidate) => REDIRECTS[candidate].number === number)
  if (mode === undefined) throw new RangeError(`redirect ${number} is unknown`)
  return REDIRECTS[mode]
}
