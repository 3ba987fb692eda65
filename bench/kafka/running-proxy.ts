/** A proxy between client and broker. */
export interface RunningProxy {
  /** The process that touches bytes. */
  readonly worker: number
  /** Empty its logs. */
  tidy(): void
  stop(): Promise<void>
}
