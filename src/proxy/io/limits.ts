/**
 * Read from a socket at once. A receiver that does not take its bytes stops the reading of their sender, so that of
 * each direction no more than this waits in the process.
 */
export const MAX_READ_BYTES = 256 * 1024
