// Bounds of one HTTP/1.x connection. Each is checked before anything is kept.

/** RFC 9112 §3 asks for 501 above what is implemented; no registered method passes 17 bytes. */
export const MAX_METHOD_BYTES = 32
/** Request line with its CRLF (RFC 9112 §3 recommends at least 8000). Above: 414. */
export const MAX_REQUEST_LINE_BYTES = 32 * 1024
/** Start line, fields and empty line. Must not exceed the receive buffer of the relay. Above: 431. */
export const MAX_HEAD_BYTES = 64 * 1024
export const MAX_FIELDS = 128
/** From the first byte of a request head to its last. Above: 408. */
export const HEAD_TIMEOUT_MS = 60_000
/** 15 decimal digits stay below 2^53. */
export const MAX_CONTENT_LENGTH_DIGITS = 15
/** Leading zeros count. 8 digits stay below 2^32. */
export const MAX_CHUNK_SIZE_DIGITS = 8
/** Of one chunk, from the first `;` to the CRLF. */
export const MAX_CHUNK_EXTENSION_BYTES = 256
/** Of one message, with line ends. */
export const MAX_TRAILER_BYTES = 8 * 1024
/** Requests whose answer is due, of one connection. A power of two. */
export const MAX_OUTSTANDING = 64
/** Heads up to this size are kept to recognise their repetition. */
export const MAX_REMEMBERED_HEAD_BYTES = 4 * 1024
