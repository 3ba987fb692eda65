// Names of the ways in which steered packets get to the proxy; src/redirect/redirect.ts says what each is.

export const REDIRECT_MODES = ['hybrid', 'sk_lookup', 'sk_assign', 'tproxy', 'nat'] as const
export type RedirectMode = (typeof REDIRECT_MODES)[number]
export const DEFAULT_REDIRECT: RedirectMode = 'hybrid'
