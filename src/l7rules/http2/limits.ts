// Bounds of one HTTP/2 connection. Each is checked before anything is kept.

/** HEADERS and its CONTINUATION frames, without padding. */
export const MAX_BLOCK_BYTES = 64 * 1024
/** Of one header block. Each may be empty, so bytes alone bound nothing (CVE-2024-27316 and its kin). */
export const MAX_CONTINUATIONS = 32
/** Unpacked, as RFC 9113 §6.5.2 counts. A small block can refer to large entries again and again. */
export const MAX_HEADER_LIST_BYTES = 64 * 1024
/** `:authority` or Host. */
export const MAX_AUTHORITY_BYTES = 4096
/** Of a denial's text, in `grpc-message`, where each byte may become three. */
export const MAX_GRPC_MESSAGE_BYTES = 1024
/** Both sides' SETTINGS_HEADER_TABLE_SIZE are lowered to it: the tables here must be as large as theirs. */
export const MAX_TABLE_BYTES = 64 * 1024
/** From the first byte of a header block to its last. */
export const HEADERS_TIMEOUT_MS = 60_000
/** Open at the server at the same time; above, a new one is refused in a way that may be retried. */
export const MAX_STREAMS = 16_384
/** Entries of one SETTINGS frame: there are about ten settings. */
export const MAX_SETTINGS = 64
/** SETTINGS frames of one side that the other has not acknowledged. */
export const MAX_UNACKNOWLEDGED = 32
/** Frames of ours that wait for the end of a frame of the peer's: beyond, nothing that asks for more is read. */
export const MAX_QUEUED_BYTES = 64 * 1024
/** Bytes of denial bodies that the client's connection window has not got back yet: beyond, bodies are left out. */
export const MAX_WINDOW_DEBT_BYTES = 32 * 1024
/** Header blocks up to this size are recognised when they come again. */
export const MAX_REMEMBERED_BLOCK_BYTES = 512
/** Of a connection and direction; a power of two. */
export const MAX_REMEMBERED_BLOCKS = 32
/** Of the process: blocks that mean the same on every connection. A power of two. */
export const MAX_SHARED_BLOCKS = 256
