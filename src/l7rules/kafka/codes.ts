// Every code with which a Kafka connection or exchange may end, and the error numbers of the protocol that we send.

export const KAFKA_CODES = {
  // Requests
  KAFKA_TLS_CLIENT_HELLO: 'The client speaks TLS; this port expects Kafka in plain text.',
  KAFKA_REQUEST_TOO_LARGE: 'The length of a request is above 100 MiB.',
  KAFKA_BAD_LENGTH: 'The length of a request is negative, or too small for a request header.',
  KAFKA_MALFORMED_REQUEST:
    'A length or count within a request is negative or leads beyond its end, or bytes follow its last field.',
  KAFKA_NAME_TOO_LONG: 'A client id, topic, group or transactional id is longer than 32,767 bytes.',
  KAFKA_TOO_MANY_ELEMENTS: 'A request names more than 100,000 topics, partitions and groups.',
  KAFKA_HELD_TOO_LARGE: 'What a request touches was not known after 960 KiB of it.',
  KAFKA_REQUEST_TIMEOUT: 'What a request touches was not known 60 seconds after its first byte.',
  KAFKA_REQUEST_TRUNCATED: 'The client ended the connection within a request.',
  KAFKA_UNKNOWN_API:
    'The API is not known, so that nobody can tell what the request touches, and rules ask for that.',
  KAFKA_UNKNOWN_VERSION:
    'The version of the API is not known, so that nobody can tell what the request touches, and rules ask for that.',
  KAFKA_NO_DENIAL: 'The request was denied, and its API has no form for that which Weir knows.',
  KAFKA_LATE_DENIAL:
    'A topic was denied after the beginning of its Produce request had passed: the broker got no complete request.',
  // Responses
  KAFKA_UNSOLICITED_RESPONSE: 'The broker answers where no answer is due.',
  KAFKA_CORRELATION_MISMATCH: 'The broker answers another request than the one whose turn it is.',
  KAFKA_MALFORMED_RESPONSE: 'The length of a response, or one within a response that is edited, cannot be.',
  KAFKA_RESPONSE_TOO_LARGE: 'A response from which denied names have to be taken out is larger than 8 MiB.',
  KAFKA_UPSTREAM_CLOSED: 'The broker closed the connection before its answer was complete.',
  // Connection
  KAFKA_CONNECTION_LOST: 'The connection was reset, timed out or was shut down.',
} as const satisfies Record<string, string>

export type KafkaCode = keyof typeof KAFKA_CODES

/** Error numbers of the protocol. */
export const NONE = 0
export const NOT_LEADER_OR_FOLLOWER = 6
export const TOPIC_AUTHORIZATION_FAILED = 29
export const GROUP_AUTHORIZATION_FAILED = 30
export const CLUSTER_AUTHORIZATION_FAILED = 31
export const UNSUPPORTED_SASL_MECHANISM = 33
export const UNSUPPORTED_VERSION = 35
export const TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
export const OPERATION_NOT_ATTEMPTED = 55
export const FETCH_SESSION_ID_NOT_FOUND = 70
export const UNSTABLE_OFFSET_COMMIT = 88
export const UNKNOWN_TOPIC_ID = 100
export const SHARE_SESSION_NOT_FOUND = 122
