// Limits that several processes must agree on.

/** Listener slots that the datapath looks at: WEIR_MAX_WORKERS of bpf/include/layout.h. */
export const MAX_WORKERS = 16
/** Flow records that the agent keeps for `weir observe`. */
export const FLOW_RING_RECORDS = 4096
/** sun_path of sockaddr_un, less the closing zero. */
export const MAX_SOCKET_PATH_BYTES = 107

/** Bounds of --policy-map-entries, as Cilium's `bpf-policy-map-max`; tests use small ones. */
export const MIN_POLICY_MAP_ENTRIES = 4
export const MAX_POLICY_MAP_ENTRIES = 65_536
