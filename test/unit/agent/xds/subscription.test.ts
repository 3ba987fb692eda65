import fc from 'fast-check'
import t from 'tap'
import type { ResourceSet } from '../../../../src/agent/xds/resource-set.ts'
import { nodeAddress } from '../../../../src/agent/xds/node-id.ts'
import { STREAM_ERRORS, Subscription } from '../../../../src/agent/xds/subscription.ts'

const stateOf = (revision: number): ResourceSet => ({ revision }) as ResourceSet
const request = { versionInfo: '', responseNonce: '', resourceNames: [], errorDetail: undefined }

interface Response {
  readonly revision: number
  readonly version: string
}

/** A subscription, and the client at its other end. */
class Pair {
  readonly subscription: Subscription
  readonly unanswered: Response[] = []
  readonly versions: bigint[] = []
  /** In force at the client. */
  revision = 0
  #names: string[] = []
  #accepted: string

  constructor(mode: 'split' | 'ads', claimed: string) {
    this.#accepted = claimed
    this.subscription = new Subscription({
      typeUrl: 'x',
      mode,
      send: ({ revision }, _names, version) => {
        this.unanswered.push({ revision, version })
        this.versions.push(BigInt(version))
      },
      onRefused: () => {},
    })
  }

  open(): string | undefined {
    return this.subscription.onRequest({ ...request, versionInfo: this.#accepted })
  }

  /** `names`: subscribe to others by the way. */
  answer(isGood: boolean, names?: string[]): string | undefined {
    const response = this.unanswered.shift()
    if (response === undefined) return undefined
    if (names !== undefined) this.#names = names
    if (isGood) {
      this.#accepted = response.version
      this.revision = response.revision
    }
    return this.subscription.onRequest({
      versionInfo: this.#accepted,
      responseNonce: response.version,
      resourceNames: this.#names,
      errorDetail: isGood ? undefined : 'bad',
    })
  }
}

type Action =
  | { readonly kind: 'publish' }
  | { readonly kind: 'answer'; readonly isGood: boolean; readonly names: string[] | undefined }
  | { readonly kind: 'reconnect'; readonly claims: boolean }

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.constant<Action>({ kind: 'publish' }),
  fc.record({
    kind: fc.constant('answer' as const),
    isGood: fc.boolean(),
    names: fc.option(fc.subarray(['1', '2']), { nil: undefined }),
  }),
  fc.record({ kind: fc.constant('reconnect' as const), claims: fc.boolean() }),
)

t.test('whatever happens on the way, a client that accepts ends with the last revision', async (t) => {
  fc.assert(
    fc.property(fc.constantFrom<('split' | 'ads')[]>('split', 'ads'), fc.array(action), (mode, actions) => {
      let revision = 1
      let lastVersion = ''
      let settled = 0
      let offered = 0
      const open = (claimed: string): Pair => {
        const opened = new Pair(mode, claimed)
        opened.subscription.offer(stateOf(revision))
        if (opened.open() !== undefined) throw new Error('stream ended')
        return opened
      }
      const check = ({ unanswered, versions }: Pair): void => {
        if (unanswered.length > 1) throw new Error('two responses are unanswered')
        if (versions.some((version, i) => i > 0 && version <= versions[i - 1]!)) throw new Error('went back')
      }
      let pair = open('')
      for (const current of actions) {
        if (current.kind === 'publish') {
          revision++
          offered++
          pair.subscription.offer(stateOf(revision), () => settled++)
        } else if (current.kind === 'answer') {
          const [response] = pair.unanswered
          if (pair.answer(current.isGood, current.names) !== undefined) throw new Error('stream ended')
          if (current.isGood) lastVersion = response?.version ?? lastVersion
        } else {
          pair.subscription.close()
          pair = open(current.claims ? lastVersion : '')
        }
        check(pair)
      }
      // One more change: what was refused before is not sent without one.
      pair.subscription.offer(stateOf(++revision), () => settled++)
      while (pair.unanswered.length > 0) {
        pair.answer(true)
        check(pair)
      }
      const { realised, error, wanted } = pair.subscription
      if (settled !== offered + 1) throw new Error(`${settled} of ${offered + 1} settled`)
      return pair.revision === revision && realised === revision && wanted === revision && error === ''
    }),
  )
  t.pass()
})

t.test('a client that names a version of an earlier agent is answered above it', async (t) => {
  for (const [claimed, expected] of [
    ['0', '5'],
    ['5', '10'],
    ['18437736874454810623', '18437736874454810628'],
  ] as const) {
    const pair = new Pair('split', claimed)
    pair.subscription.offer(stateOf(5))
    t.equal(pair.open(), undefined)
    t.equal(pair.unanswered[0]?.version, expected)
  }
  const pair = new Pair('split', '18446744073709551615')
  t.equal(pair.open(), STREAM_ERRORS.version)
})

t.test('a second request before the first response does no harm', async (t) => {
  const pair = new Pair('split', '')
  pair.open()
  pair.subscription.offer(stateOf(1))
  t.equal(pair.subscription.onRequest({ ...request, versionInfo: '1' }), undefined, 'no nonce was quoted yet')
  t.equal(pair.subscription.realised, 0, 'and nothing was accepted')
  t.equal(pair.unanswered.length, 1)
})

t.test('node ids', async (t) => {
  t.equal(nodeAddress('host~127.0.0.1~no-id~localdomain'), '127.0.0.1')
  t.equal(nodeAddress('host~fd00::1~~'), 'fd00::1')
  for (const bad of ['', 'host', 'host~127.0.0.1~x', 'host~127.0.0.1~x~y~z', 'host~name~x~y', '~~~']) {
    t.equal(nodeAddress(bad), undefined, bad)
  }
})
