import fc from 'fast-check'
import t from 'tap'
import { TICK_MS, TimerWheel, WheelTimer, type TimerOwner } from '../../../src/proxy/timer-wheel.ts'

class Recorder implements TimerOwner {
  readonly firedMs: number[] = []
  nowMs = 0
  onFire: () => void = () => {}

  onTimer(): void {
    this.firedMs.push(this.nowMs)
    this.onFire()
  }
}

t.test('a timer fires once, not early, and at most two ticks late', async () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1_000_000 }),
      fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 3 * TICK_MS }),
      (startMs, delays, stepMs) => {
        const wheel = new TimerWheel(startMs)
        const recorders = delays.map((delayMs) => {
          const recorder = new Recorder()
          wheel.set(new WheelTimer(recorder), startMs, delayMs)
          return recorder
        })
        const lastMs = startMs + Math.max(...delays) + 2 * TICK_MS + stepMs
        for (let nowMs = startMs; nowMs <= lastMs; nowMs += stepMs) {
          for (const recorder of recorders) recorder.nowMs = nowMs
          wheel.advance(nowMs)
        }
        return recorders.every(({ firedMs }, i) => {
          const lateMs = (firedMs[0] ?? 0) - startMs - (delays[i] ?? 0)
          return firedMs.length === 1 && lateMs >= 0 && lateMs <= 2 * TICK_MS + stepMs
        })
      },
    ),
    { numRuns: 50 },
  )
})

t.test('setting again replaces, clearing removes', async (t) => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  const timer = new WheelTimer(recorder)
  wheel.set(timer, 0, 1000)
  wheel.set(timer, 0, 5000)
  t.ok(timer.isSet)
  wheel.advance(4000)
  t.same(recorder.firedMs, [])
  wheel.clear(timer)
  wheel.clear(timer)
  t.notOk(timer.isSet)
  wheel.advance(10_000)
  t.same(recorder.firedMs, [])
})

t.test('after a long sleep everything due fires', async (t) => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  for (const delayMs of [100, 60_000, 51_200 * 3, 900_000]) wheel.set(new WheelTimer(recorder), 0, delayMs)
  wheel.advance(3_600_000)
  t.equal(recorder.firedMs.length, 4)
})

t.test('an owner may set, and clear others, while it is called', async (t) => {
  const wheel = new TimerWheel(0)
  const recorder = new Recorder()
  const again = new WheelTimer(recorder)
  const victim = new WheelTimer(recorder)
  wheel.set(again, 0, 100)
  wheel.set(victim, 0, 100)
  recorder.onFire = () => {
    wheel.clear(victim)
    wheel.set(again, 200, 100)
    recorder.onFire = () => {}
  }
  wheel.advance(200)
  t.equal(recorder.firedMs.length, 1)
  wheel.advance(400)
  t.equal(recorder.firedMs.length, 2)
})
