// Every code with which an HTTP/1.x connection or exchange may end, the status that the client gets for
// it, and what it means. Status 0: no answer is possible or due.

export const HTTP_CODES = {
  // Request line
  HTTP_TLS_CLIENT_HELLO: { status: 400, text: 'The client speaks TLS; this port expects plain HTTP.' },
  HTTP_H2_PREFACE: { status: 505, text: 'The client speaks HTTP/2 with prior knowledge.' },
  HTTP_LEADING_EMPTY_LINE: { status: 400, text: 'An empty line stands before the request line.' },
  HTTP_BAD_METHOD: { status: 400, text: 'The method is empty or holds a byte outside token.' },
  HTTP_METHOD_TOO_LONG: { status: 501, text: 'The method is longer than 32 bytes.' },
  HTTP_BAD_TARGET: {
    status: 400,
    text: 'The request target is empty, of no known form or holds a forbidden byte.',
  },
  HTTP_BAD_REQUEST_LINE: { status: 400, text: 'The request line is not method, target, version, CRLF.' },
  HTTP_UNSUPPORTED_VERSION: { status: 505, text: 'The version is neither HTTP/1.0 nor HTTP/1.1.' },
  HTTP_REQUEST_LINE_TOO_LONG: { status: 414, text: 'The request line is longer than 32 KiB.' },
  HTTP_ASTERISK_WITHOUT_OPTIONS: { status: 400, text: 'Only OPTIONS may have the target "*".' },
  HTTP_BAD_CONNECT_TARGET: { status: 400, text: 'CONNECT has another target than host:port.' },
  HTTP_CONNECT_WITH_BODY: { status: 400, text: 'CONNECT announces a body.' },
  HTTP_CONNECT_NOT_ALLOWED: { status: 405, text: 'No rule allows CONNECT to this host and port.' },
  // Path
  HTTP_BAD_PERCENT_ENCODING: {
    status: 400,
    text: 'A "%" of the path is not followed by two hexadecimal digits.',
  },
  HTTP_PATH_NUL: { status: 400, text: 'The path holds %00.' },
  HTTP_PATH_BACKSLASH: {
    status: 400,
    text: 'The path holds a backslash, raw or encoded; some servers read it as "/".',
  },
  HTTP_PATH_ENCODED_SLASH: {
    status: 400,
    text: 'The path holds %2F, which --path-encoded-slash reject forbids.',
  },
  HTTP_PATH_ABOVE_ROOT: { status: 400, text: 'A ".." segment leads above the root of the path.' },
  HTTP_PATH_HIDDEN_DOTS: {
    status: 400,
    text: 'A dot segment hides beside %2F or ";", where servers differ on seeing it.',
  },
  // Fields
  HTTP_BARE_CR: { status: 400, text: 'A CR is not followed by LF.' },
  HTTP_BARE_LF: { status: 400, text: 'A line ends with LF alone.' },
  HTTP_OBS_FOLD: { status: 400, text: 'A field line begins with white space (line folding).' },
  HTTP_SPACE_BEFORE_COLON: { status: 400, text: 'White space stands between a field name and its colon.' },
  HTTP_BAD_FIELD_NAME: { status: 400, text: 'A field name is empty or holds a byte outside token.' },
  HTTP_BAD_FIELD_VALUE: { status: 400, text: 'A field value holds a control byte.' },
  HTTP_AMBIGUOUS_FIELD_NAME: {
    status: 400,
    text: 'A framing field is spelled with "_" for "-", which some servers read as the same.',
  },
  HTTP_HEAD_TOO_LARGE: { status: 431, text: 'The head is larger than 64 KiB.' },
  HTTP_TOO_MANY_FIELDS: { status: 431, text: 'The head has more than 128 fields.' },
  HTTP_HEAD_TIMEOUT: { status: 408, text: 'The head was not complete 60 seconds after its first byte.' },
  HTTP_HEAD_TRUNCATED: { status: 400, text: 'The client ended the connection within a head.' },
  HTTP_MISSING_HOST: { status: 400, text: 'An HTTP/1.1 request has no Host field.' },
  HTTP_REPEATED_HOST: { status: 400, text: 'The Host field is repeated.' },
  HTTP_BAD_HOST: { status: 400, text: 'The host is not name, IPv4 or [IPv6] with an optional port.' },
  HTTP_HOST_MISMATCH: { status: 400, text: 'The authority of the target is not the one of the Host field.' },
  HTTP_BAD_CONNECTION_OPTION: {
    status: 400,
    text: 'Connection names a field that decides framing or routing.',
  },
  HTTP_H2C_UPGRADE: {
    status: 501,
    text: 'The client asks to go on in HTTP/2, which would escape judgement.',
  },
  // Framing
  HTTP_BAD_CONTENT_LENGTH: { status: 400, text: 'Content-Length is not 1 to 15 digits.' },
  HTTP_REPEATED_CONTENT_LENGTH: { status: 400, text: 'Content-Length is repeated.' },
  HTTP_CONTENT_LENGTH_WITH_TRANSFER_ENCODING: {
    status: 400,
    text: 'Content-Length stands beside Transfer-Encoding.',
  },
  HTTP_UNSUPPORTED_TRANSFER_ENCODING: {
    status: 501,
    text: 'Transfer-Encoding is not exactly one "chunked".',
  },
  HTTP_TRANSFER_ENCODING_IN_1_0: { status: 400, text: 'An HTTP/1.0 message has Transfer-Encoding.' },
  HTTP_BAD_CHUNK_SIZE: { status: 400, text: 'A chunk size is not 1 to 8 hexadecimal digits and CRLF.' },
  HTTP_BAD_CHUNK_EXTENSION: { status: 400, text: 'A chunk extension holds a forbidden byte.' },
  HTTP_CHUNK_EXTENSION_TOO_LONG: {
    status: 400,
    text: 'The extensions of a chunk are longer than 256 bytes.',
  },
  HTTP_BAD_CHUNK_END: { status: 400, text: 'Chunk data is not followed by CRLF.' },
  HTTP_TRAILERS_TOO_LARGE: { status: 431, text: 'The trailers are larger than 8 KiB.' },
  HTTP_FORBIDDEN_TRAILER: {
    status: 400,
    text: 'A trailer field decides framing, routing or authentication.',
  },
  HTTP_BODY_TRUNCATED: { status: 0, text: 'The client ended the connection within a body.' },
  // Responses
  HTTP_UNSOLICITED_RESPONSE: { status: 0, text: 'The server sent bytes that answer no request.' },
  HTTP_BAD_RESPONSE: { status: 502, text: 'The response does not begin with an HTTP/1.x status line.' },
  // Fields, framing and body of responses: the codes of requests, with RESPONSE_ in them
  HTTP_RESPONSE_BARE_CR: { status: 502, text: 'A CR of the response is not followed by LF.' },
  HTTP_RESPONSE_BARE_LF: { status: 502, text: 'A line of the response ends with LF alone.' },
  HTTP_RESPONSE_OBS_FOLD: {
    status: 502,
    text: 'A field line of the response begins with white space (line folding).',
  },
  HTTP_RESPONSE_SPACE_BEFORE_COLON: {
    status: 502,
    text: 'White space stands between a field name of the response and its colon.',
  },
  HTTP_RESPONSE_BAD_FIELD_NAME: {
    status: 502,
    text: 'A field name of the response is empty or holds a byte outside token.',
  },
  HTTP_RESPONSE_BAD_FIELD_VALUE: { status: 502, text: 'A field value of the response holds a control byte.' },
  HTTP_RESPONSE_AMBIGUOUS_FIELD_NAME: {
    status: 502,
    text: 'A framing field of the response is spelled with "_" for "-".',
  },
  HTTP_RESPONSE_HEAD_TOO_LARGE: { status: 502, text: 'The response head is larger than 64 KiB.' },
  HTTP_RESPONSE_TOO_MANY_FIELDS: { status: 502, text: 'The response head has more than 128 fields.' },
  HTTP_RESPONSE_REPEATED_HOST: { status: 502, text: 'The response has a repeated Host field.' },
  HTTP_RESPONSE_BAD_CONNECTION_OPTION: {
    status: 502,
    text: 'Connection of the response names a field that decides framing.',
  },
  HTTP_RESPONSE_BAD_CONTENT_LENGTH: {
    status: 502,
    text: 'Content-Length of the response is not 1 to 15 digits.',
  },
  HTTP_RESPONSE_REPEATED_CONTENT_LENGTH: { status: 502, text: 'Content-Length of the response is repeated.' },
  HTTP_RESPONSE_CONTENT_LENGTH_WITH_TRANSFER_ENCODING: {
    status: 502,
    text: 'Content-Length of the response stands beside Transfer-Encoding.',
  },
  HTTP_RESPONSE_UNSUPPORTED_TRANSFER_ENCODING: {
    status: 502,
    text: 'Transfer-Encoding of the response is not exactly one "chunked".',
  },
  HTTP_RESPONSE_TRANSFER_ENCODING_IN_1_0: {
    status: 502,
    text: 'An HTTP/1.0 response has Transfer-Encoding.',
  },
  HTTP_RESPONSE_UNDUE_BODY: {
    status: 502,
    text: 'A response that cannot have a body (1xx, 204) announces one.',
  },
  HTTP_RESPONSE_BAD_CHUNK_SIZE: {
    status: 502,
    text: 'A chunk size of the response is not 1 to 8 hexadecimal digits and CRLF.',
  },
  HTTP_RESPONSE_BAD_CHUNK_EXTENSION: {
    status: 502,
    text: 'A chunk extension of the response holds a forbidden byte.',
  },
  HTTP_RESPONSE_CHUNK_EXTENSION_TOO_LONG: {
    status: 502,
    text: 'The extensions of a chunk of the response are longer than 256 bytes.',
  },
  HTTP_RESPONSE_BAD_CHUNK_END: { status: 502, text: 'Chunk data of the response is not followed by CRLF.' },
  HTTP_RESPONSE_TRAILERS_TOO_LARGE: {
    status: 502,
    text: 'The trailers of the response are larger than 8 KiB.',
  },
  HTTP_RESPONSE_FORBIDDEN_TRAILER: {
    status: 502,
    text: 'A trailer field of the response decides framing, routing or authentication.',
  },
  HTTP_UNEXPECTED_UPGRADE: {
    status: 502,
    text: 'The server switched protocols where the request did not ask for it.',
  },
  HTTP_UPSTREAM_CLOSED: {
    status: 502,
    text: 'The server closed the connection before its answer was complete.',
  },
  // Connection
  HTTP_CONNECTION_LOST: { status: 0, text: 'The connection was reset, timed out or was shut down.' },
} as const satisfies Record<string, { readonly status: number; readonly text: string }>

export type HttpCode = keyof typeof HTTP_CODES

const RESPONSE_CODES = new Map(
  (Object.keys(HTTP_CODES) as HttpCode[])
    .filter((code) => code.startsWith('HTTP_RESPONSE_'))
    .map((code) => [code.replace('RESPONSE_', ''), code]),
)

/** Code of a response whose fields or body failed for the reason that is `code` in a request. */
export function responseCode(code: HttpCode): HttpCode {
  return RESPONSE_CODES.get(code) ?? 'HTTP_BAD_RESPONSE'
}
