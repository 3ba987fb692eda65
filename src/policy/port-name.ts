// Names of ports, as endpoints give them and policies use them.

const NAME_MAX = 63

/** Why `name` cannot name a port (RFC 6335 §5.1, but longer); undefined = it can. Case does not matter. */
export function portNameProblem(name: string): string | undefined {
  const isName = /^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/.test(name) && /[A-Za-z]/.test(name)
  if (isName && name.length <= NAME_MAX) return undefined
  return `up to ${NAME_MAX} letters, digits and single "-" in between, at least one letter`
}
