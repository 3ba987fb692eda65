// Bounds of the access log.

/** Records are handed to the sinks when so much has gathered, */
// Below 128 KiB, where V8 would map fresh pages for the text of each batch: that costs more than all the rest.
export const FLUSH_BYTES = 96 * 1024
/** or so much time has passed since the first of them. */
export const FLUSH_MS = 50
/** May wait for a slow disk or reader; more is dropped and counted. */
export const MAX_QUEUED_BYTES = 4 * 1024 * 1024
/** For what waits to be written when the worker stops. */
export const CLOSE_TIMEOUT_MS = 1000
