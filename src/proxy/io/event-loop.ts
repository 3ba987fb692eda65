// One epoll set for all sockets, driven inside Node's own loop.
//
// libuv's backend fd is a member of the set, so that blocking here wakes for gRPC, signals and files too. What
// it cannot wake for are libuv's timers and immediates; hence the bounds below.
import { isMainThread } from 'node:worker_threads'
import koffi from 'koffi'
import { WeirError } from '../../lib/errors.ts'
import type { Clock } from './types.ts'
import {
  addressOf,
  close,
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLLIN,
  epollCreate,
  epollCtl,
  epollWait,
  errno,
  errnoName,
} from './syscalls.ts'

/** Longest sleep, and so the most that a timer of Node can be late by our doing. */
const BLOCK_MS = 20
/** Longest time in one turn before libuv gets its own. */
const TURN_MS = 5
/** Turns without sleep after libuv had something to do: each lets it run timers, I/O and immediates once. */
const POLLS_AFTER_BACKEND = 2
const MAX_EVENTS = 256

// struct epoll_event { u32 events; u64 data } is packed on x86-64 only. In 32-bit words:
const STRIDE = process.arch === 'x64' ? 3 : 4
const DATA = process.arch === 'x64' ? 1 : 2

/** Owner of a file descriptor in the set. */
export interface FdHandler {
  /** `events` as epoll reports them. Edge-triggered. */
  onEvents(events: number): void
  /** Called once after each `defer`, later in the same or the next turn. */
  onDeferred(): void
}

/** One per process: two would sleep while the other has work. */
export class EventLoop implements Clock {
  nowMs = performance.now()
  readonly #epollFd: number
  readonly #backendFd: number
  readonly #events = new Uint32Array(Buffer.allocUnsafeSlow(MAX_EVENTS * STRIDE * 4).buffer)
  readonly #eventsPointer = addressOf(Buffer.from(this.#events.buffer))
  readonly #added = new Uint32Array(Buffer.allocUnsafeSlow(STRIDE * 4).buffer)
  readonly #addedPointer = addressOf(Buffer.from(this.#added.buffer))
  readonly #handlers: (FdHandler | null)[] = []
  // A descriptor number is reused at once; the generation tells its owners apart in a batch of events.
  readonly #generations: number[] = []
  readonly #ticks = new Set<(nowMs: number) => void>()
  #deferred: FdHandler[] = []
  #serving: FdHandler[] = []
  #pollsLeft = POLLS_AFTER_BACKEND
  #isRunning = false

  /** @throws WeirError KERNEL_UNSUPPORTED when Node's loop cannot be joined, KERNEL_CALL_FAILED */
  constructor() {
    this.#backendFd = libuvBackendFd()
    this.#epollFd = epollCreate(EPOLL_CLOEXEC)
    if (this.#epollFd < 0) throw callFailed('epoll_create1')
    // Level-triggered: with an edge, what libuv left unread would not wake us again.
    if (this.#control(this.#backendFd, EPOLLIN) < 0) throw callFailed('epoll_ctl of the backend fd of libuv')
  }

  /** Begin to turn; keeps the process alive until `stop`. */
  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    setImmediate(this.#turn)
  }

  stop(): void {
    this.#isRunning = false
  }

  /** Free the epoll set, after `stop`. */
  close(): void {
    this.stop()
    close(this.#epollFd)
  }

  /** Returns false, with `errno` set, when the kernel refuses. */
  add(fd: number, events: number, handler: FdHandler): boolean {
    this.#handlers[fd] = handler
    this.#generations[fd] = ((this.#generations[fd] ?? 0) + 1) >>> 0
    if (this.#control(fd, events) === 0) return true
    this.#handlers[fd] = null
    return false
  }

  /** Forget `fd` just before it is closed. Nothing is called for it any more. */
  remove(fd: number): void {
    this.#handlers[fd] = null
  }

  /** Call `handler.onDeferred()` when the call under way has returned. The caller avoids doubles. */
  defer(handler: FdHandler): void {
    this.#deferred.push(handler)
  }

  /** Call `tick` once per turn. Returns a function that ends it. */
  onTick(tick: (nowMs: number) => void): () => void {
    this.#ticks.add(tick)
    return () => this.#ticks.delete(tick)
  }

  readonly #turn = (): void => {
    if (!this.#isRunning) return
    try {
      this.#poll()
    } finally {
      // Last, so that immediates set during the turn come before the next one.
      setImmediate(this.#turn)
    }
  }

  #poll(): void {
    let mayBlock = this.#pollsLeft === 0
    if (!mayBlock) this.#pollsLeft--
    const endMs = performance.now() + TURN_MS
    let timeoutMs = mayBlock ? BLOCK_MS : 0
    do {
      const count = epollWait(
        this.#epollFd,
        this.#eventsPointer,
        MAX_EVENTS,
        this.#deferred.length > 0 ? 0 : timeoutMs,
      )
      this.nowMs = performance.now()
      if (this.#dispatch(count)) {
        this.#pollsLeft = POLLS_AFTER_BACKEND
        mayBlock = false
      }
      this.#serveDeferred()
      // After an idle sleep this is negative: libuv's timers had to wait long enough.
      timeoutMs = Math.ceil(endMs - performance.now())
    } while (mayBlock && timeoutMs > 0)
    for (const tick of this.#ticks) tick(this.nowMs)
  }

  /** Returns true when libuv has something to do. `count` may be -1 (EINTR). */
  #dispatch(count: number): boolean {
    const events = this.#events
    let isBackendReady = false
    for (let i = 0, at = 0; i < count; i++, at += STRIDE) {
      const fd = events[at + DATA] ?? 0
      if (fd === this.#backendFd) {
        isBackendReady = true
        continue
      }
      const handler = this.#handlers[fd]
      // Closed by an earlier event of this batch, or the number has a new owner already.
      if (handler == null || events[at + DATA + 1] !== this.#generations[fd]) continue
      try {
        handler.onEvents(events[at] ?? 0)
      } catch (error) {
        raiseLater(error)
      }
    }
    return isBackendReady
  }

  /** Only what was deferred before; what is deferred meanwhile waits for the next round: fairness. */
  #serveDeferred(): void {
    if (this.#deferred.length === 0) return
    const serving = this.#deferred
    this.#deferred = this.#serving
    this.#serving = serving
    for (const handler of serving) {
      try {
        handler.onDeferred()
      } catch (error) {
        raiseLater(error)
      }
    }
    serving.length = 0
  }

  #control(fd: number, events: number): number {
    this.#added[0] = events
    this.#added[DATA] = fd
    this.#added[DATA + 1] = this.#generations[fd] ?? 0
    return epollCtl(this.#epollFd, EPOLL_CTL_ADD, fd, this.#addedPointer)
  }
}

function libuvBackendFd(): number {
  const mend = 'run on Node.js >= 20 for Linux, in the main thread of a process'
  if (!isMainThread) throw new WeirError('KERNEL_UNSUPPORTED', 'event loop: not in the main thread', { mend })
  try {
    const node = koffi.load(null)
    const loop = node.func('uintptr_t uv_default_loop()')() as number | bigint
    const fd = node.func('int uv_backend_fd(uintptr_t)')(loop) as number
    if (fd >= 0) return fd
  } catch (cause) {
    throw new WeirError('KERNEL_UNSUPPORTED', 'event loop: this Node.js does not export uv_backend_fd', {
      cause,
      mend,
    })
  }
  throw new WeirError('KERNEL_UNSUPPORTED', 'event loop: libuv has no backend file descriptor', { mend })
}

function callFailed(call: string): WeirError {
  return new WeirError('KERNEL_CALL_FAILED', `event loop: ${call} failed with ${errnoName(errno())}`)
}

/** A fault of ours must be loud, but must not cost other sockets the edges of this batch. */
function raiseLater(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}
