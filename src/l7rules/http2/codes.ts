// Every code with which an HTTP/2 connection or stream may end beyond those of HTTP/1.x, the error code on the wire
// for it (RFC 9113 §7), and what it means.

export const NO_ERROR = 0
export const PROTOCOL_ERROR = 1
export const INTERNAL_ERROR = 2
export const FLOW_CONTROL_ERROR = 3
export const STREAM_CLOSED = 5
export const FRAME_SIZE_ERROR = 6
export const REFUSED_STREAM = 7
export const CANCEL = 8
export const COMPRESSION_ERROR = 9
export const ENHANCE_YOUR_CALM = 11

interface Meaning {
  readonly error: number
  readonly text: string
}

export const HTTP2_CODES = {
  // The connection ends: GOAWAY to the client, with INTERNAL_ERROR when the server is at fault.
  HTTP2_BAD_PREFACE: { error: PROTOCOL_ERROR, text: 'A side does not begin with its preface and SETTINGS.' },
  HTTP2_FRAME_TOO_LARGE: {
    error: FRAME_SIZE_ERROR,
    text: 'A frame is larger than the receiver allows.',
  },
  HTTP2_BAD_FRAME_SIZE: { error: FRAME_SIZE_ERROR, text: 'The length of a frame does not fit its type.' },
  HTTP2_BAD_PADDING: { error: PROTOCOL_ERROR, text: 'The padding of a frame is longer than the frame.' },
  HTTP2_BAD_STREAM_ID: {
    error: PROTOCOL_ERROR,
    text: 'A frame is on stream 0 that must not be, or the other way round, or on a stream that only the other side may open.',
  },
  HTTP2_IDLE_STREAM: { error: PROTOCOL_ERROR, text: 'A frame is on a stream that was never opened.' },
  HTTP2_STREAM_CLOSED: {
    error: STREAM_CLOSED,
    text: 'DATA or HEADERS come on a stream that their sender has ended.',
  },
  HTTP2_EXPECTED_CONTINUATION: {
    error: PROTOCOL_ERROR,
    text: 'Another frame stands within a header block.',
  },
  HTTP2_UNEXPECTED_CONTINUATION: { error: PROTOCOL_ERROR, text: 'CONTINUATION continues no header block.' },
  HTTP2_TOO_MANY_CONTINUATIONS: {
    error: ENHANCE_YOUR_CALM,
    text: 'A header block has more than 32 CONTINUATION frames.',
  },
  HTTP2_BLOCK_TOO_LARGE: { error: ENHANCE_YOUR_CALM, text: 'A header block is larger than 64 KiB.' },
  HTTP2_BLOCK_TIMEOUT: {
    error: ENHANCE_YOUR_CALM,
    text: 'A header block was not complete 60 seconds after its first byte.',
  },
  HTTP2_BAD_BLOCK: { error: COMPRESSION_ERROR, text: 'A header block is not well-formed HPACK.' },
  HTTP2_BAD_SETTING: { error: PROTOCOL_ERROR, text: 'A setting has a value that it must not have.' },
  HTTP2_BAD_INITIAL_WINDOW: {
    error: FLOW_CONTROL_ERROR,
    text: 'SETTINGS_INITIAL_WINDOW_SIZE is above 2^31-1.',
  },
  HTTP2_UNEXPECTED_ACK: { error: PROTOCOL_ERROR, text: 'SETTINGS are acknowledged that nobody sent.' },
  HTTP2_ZERO_INCREMENT: { error: PROTOCOL_ERROR, text: 'WINDOW_UPDATE adds nothing.' },
  HTTP2_WINDOW_OVERFLOW: {
    error: FLOW_CONTROL_ERROR,
    text: 'WINDOW_UPDATE makes a window larger than 2^31-1.',
  },
  HTTP2_WINDOW_EXCEEDED: { error: FLOW_CONTROL_ERROR, text: 'DATA is larger than its window.' },
  HTTP2_PUSH: { error: PROTOCOL_ERROR, text: 'PUSH_PROMISE: server push is turned off.' },
  HTTP2_SETTINGS_FLOOD: { error: ENHANCE_YOUR_CALM, text: 'SETTINGS come too often or hold too many.' },
  HTTP2_PING_FLOOD: { error: ENHANCE_YOUR_CALM, text: 'PING comes too often.' },
  HTTP2_EMPTY_FLOOD: { error: ENHANCE_YOUR_CALM, text: 'DATA without data comes too often.' },
  HTTP2_RESET_FLOOD: {
    error: ENHANCE_YOUR_CALM,
    text: 'The client resets streams, or has them reset, too often.',
  },
  HTTP2_IGNORED_FLOOD: {
    error: ENHANCE_YOUR_CALM,
    text: 'PRIORITY or frames of unknown types come too often.',
  },
  HTTP2_LATE_FLOOD: { error: ENHANCE_YOUR_CALM, text: 'Frames on streams that are over come too often.' },
  HTTP2_BAD_RESPONSE: {
    error: INTERNAL_ERROR,
    text: 'A response has no final status, or its frames are out of order.',
  },
  // The stream ends: RST_STREAM to the client, and to the server if it knows the stream.
  HTTP2_BAD_PSEUDO_HEADER: {
    error: PROTOCOL_ERROR,
    text: 'A pseudo-header field is missing, repeated, unknown, empty or behind other fields.',
  },
  HTTP2_BAD_FIELD_NAME: {
    error: PROTOCOL_ERROR,
    text: 'A field name is empty, in upper case or holds a byte outside token.',
  },
  HTTP2_BAD_FIELD_VALUE: {
    error: PROTOCOL_ERROR,
    text: 'A field value holds a control byte, or white space at an end.',
  },
  HTTP2_CONNECTION_FIELD: {
    error: PROTOCOL_ERROR,
    text: 'A field belongs to connections of HTTP/1.1, or TE is not "trailers".',
  },
  HTTP2_BAD_EXTENDED_CONNECT: {
    error: PROTOCOL_ERROR,
    text: ':protocol without CONNECT, or without the leave of the server.',
  },
  HTTP2_SELF_DEPENDENCY: { error: PROTOCOL_ERROR, text: 'A stream depends on itself.' },
  HTTP2_BAD_TRAILERS: {
    error: PROTOCOL_ERROR,
    text: 'Trailers do not end the stream, or hold a field that they must not.',
  },
  HTTP2_LENGTH_MISMATCH: { error: PROTOCOL_ERROR, text: 'Content-Length is not the length of the data.' },
  HTTP2_TOO_MANY_STREAMS: { error: REFUSED_STREAM, text: 'More than 16,384 streams are open.' },
  // A peer ended the stream.
  HTTP2_CLIENT_RESET: { error: CANCEL, text: 'The client reset the stream.' },
  HTTP2_SERVER_RESET: { error: CANCEL, text: 'The server reset the stream before its answer was complete.' },
} as const satisfies Record<string, Meaning>

export type Http2Code = keyof typeof HTTP2_CODES
