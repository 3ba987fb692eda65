// What `%2F` in the path of a request is: an ordinary byte of its segment, an offence, or a slash.

export const ENCODED_SLASH = ['keep', 'reject', 'decode'] as const
export type EncodedSlash = (typeof ENCODED_SLASH)[number]
