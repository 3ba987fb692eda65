// Bounds of one Kafka connection. Each is checked before anything is kept.

/** A request, without its length; the default of brokers (`socket.request.max.bytes`). Above: the connection ends. */
export const MAX_REQUEST_BYTES = 100 * 1024 * 1024
/**
 * Of a request that is held back until all that it touches is known. Must stay below what the relay retains. A Produce
 * whose topics were all allowed so far goes on above it; other requests end the connection.
 */
export const MAX_HELD_BYTES = 960 * 1024
/** Elements of all arrays of a request that are looked at: topics, partitions, groups. Above: the connection ends. */
export const MAX_ELEMENTS = 100_000
/** Client id, topic, group or transactional id: what 16 bits can say. */
export const MAX_NAME_BYTES = 32_767
/** Requests whose answer is due. Further ones are not read until the broker has answered. A power of two. */
export const MAX_OUTSTANDING = 256
/** Denials that wait for the broker's earlier answers. Further requests are not read until then. */
export const MAX_QUEUED_ANSWER_BYTES = 256 * 1024
/** What is left of an answer from which denied topics or groups were taken out. Above: the connection ends. */
export const MAX_FILTERED_BYTES = 8 * 1024 * 1024
/** From the first byte of a request until all that it touches is known. Above: the connection ends. */
export const JUDGE_TIMEOUT_MS = 60_000
/** Topic ids that a worker knows the names of; the oldest are forgotten first. */
export const MAX_TOPIC_IDS = 65_536
/** Tokens of an authentication in the old form (SaslHandshake v0) that may be of any number. */
export const MAX_SASL_TOKENS = 8
