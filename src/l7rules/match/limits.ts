// Bounds of the regular expressions of policies: checked when a policy is admitted.

/** Of an automaton that many patterns share; further patterns get another one. */
export const MAX_NFA_NODES = 200_000
/** Of one pattern. */
export const MAX_PATTERN_NODES = 10_000
/** Largest count of one repeat, and largest product of nested ones. */
export const MAX_REPEAT = 1000
/** Levels of nesting: bounds the recursion of everything that walks the tree. */
export const MAX_NESTING = 500
/** Of the automaton, made as requests need them. */
export const MAX_DFA_STATES = 4096
