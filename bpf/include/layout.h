/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Structures and numbers shared with user space; src/redirect/layouts.ts mirrors them and a test compares both. */
#pragma once

#include <linux/types.h>

/* Addresses are 16 bytes in network order, IPv4 mapped (::ffff:a.b.c.d). */
enum weir_constant {
	WEIR_MAX_WORKERS = 16,
	/* Key of weir_listeners: slot of a worker, plus this for its IPv6 listener. */
	WEIR_LISTENER_IPV6 = 32,
	/* Parts of weir_policy_key.prefix_bits: identity and direction always count. */
	WEIR_POLICY_FIXED_BITS = 40,
	WEIR_POLICY_PROTOCOL_BITS = 8,
	WEIR_POLICY_PORT_BITS = 16,
	WEIR_PROXY_PORT = 15900,
	/* Where workers listen in mode nat: 169.254.119.101 and fd77:6569:7200::1, on weir0. */
	WEIR_NAT_IPV4 = 0xa9fe7765,
	WEIR_NAT_IPV6_PREFIX = 0xfd776569,
	WEIR_NAT_IPV6_REST = 0x72000000,
};

/*
 * skb->mark, bits 8..12. Upper half: low 16 bits of the source identity; for JUDGED and UPSTREAM the id of the
 * endpoint whose ingress policy was consulted, 0 for none.
 */
enum weir_mark {
	WEIR_MARK_MASK = 0x0f00,
	WEIR_MARK_TO_PROXY = 0x0200,
	WEIR_MARK_UPSTREAM = 0x0a00, /* sent by the proxy towards a server, judged request by request */
	WEIR_MARK_DOWNSTREAM = 0x0b00, /* sent by the proxy towards a client */
	WEIR_MARK_REDIRECTED = 0x0d00, /* on its way from a veth egress hook to weir0 */
	WEIR_MARK_JUDGED = 0x0f00, /* passed the ingress policy of the endpoint in the upper half */
	/* Beside TO_PROXY and REDIRECTED: an answer to the proxy, which NAT may have to translate back. */
	WEIR_MARK_REPLY = 0x1000,
};

/* How steered packets get to the proxy; docs/redirects.md tells the story. */
enum weir_redirect {
	WEIR_REDIRECT_HYBRID = 0, /* SYN: sk_lookup; all others: socket assigned by tc */
	WEIR_REDIRECT_SK_LOOKUP = 1, /* SYN: sk_lookup; all others: local route alone */
	WEIR_REDIRECT_SK_ASSIGN = 2, /* all: socket assigned by tc */
	WEIR_REDIRECT_TPROXY = 3, /* of clients: TPROXY of netfilter; of servers: socket assigned by tc */
	WEIR_REDIRECT_NAT = 4, /* destination rewritten by tc */
};

enum weir_endpoint_flag {
	/* The device is a port of a bridge or the like, which takes every frame before the IP layer sees it. */
	WEIR_ENDPOINT_HAS_MASTER = 1,
};

#define WEIR_IDENTITY_ANY 0
#define WEIR_IDENTITY_WORLD 2

enum weir_direction {
	WEIR_INGRESS = 0,
	WEIR_EGRESS = 1,
};

enum weir_verdict {
	WEIR_VERDICT_DENY = 0,
	WEIR_VERDICT_ALLOW = 1,
	WEIR_VERDICT_REDIRECT = 2,
	WEIR_VERDICT_AUDIT = 3, /* pass, and report what a rule that is not enforced would have denied */
};

/* Why a packet was dropped; index into weir_metrics. */
enum weir_reason {
	WEIR_REASON_NONE = 0,
	WEIR_REASON_POLICY_DENIED = 1,
	WEIR_REASON_POLICY_DENY = 2,
	WEIR_REASON_NO_POLICY_MAP = 3,
	WEIR_REASON_INVALID_SOURCE_IP = 4,
	WEIR_REASON_UNSUPPORTED_L3_PROTOCOL = 5,
	WEIR_REASON_FRAGMENT = 6,
	WEIR_REASON_IP_OPTIONS = 7,
	WEIR_REASON_IPV6_EXTENSION_HEADER = 8,
	WEIR_REASON_MALFORMED_PACKET = 9,
	WEIR_REASON_NO_LISTENER = 10,
	WEIR_REASON_MAP_UPDATE_FAILED = 11,
	WEIR_REASON_SOCKET_ASSIGN_FAILED = 12,
	WEIR_REASON_UNSUPPORTED_L4_REDIRECT = 13,
	WEIR_REASON_UNEXPECTED_ON_REDIRECT_DEVICE = 14,
	WEIR_REASON_POLICY_AUDIT = 15, /* not dropped */
	WEIR_REASON_UPSTREAM_NOT_JUDGED = 16,
	WEIR_REASON_STEERING_LOST = 17,
	WEIR_REASON_OTHER_ENDPOINT = 18,
	WEIR_REASON_REDIRECT_UNSUPPORTED = 19,
	WEIR_REASON_NAT_PORT_TAKEN = 20,
	WEIR_REASON_NAT_ENTRY_MISSING = 21,
	WEIR_REASON_COUNT = 22,
};

/* A connection or flow, named in the direction of its first packet. */
struct weir_tuple {
	__be32 source[4];
	__be32 destination[4];
	__be16 source_port;
	__be16 destination_port;
	__u8 protocol;
	__u8 pad[3];
};

/* weir_nat: end of the client -> original destination. */
struct weir_end {
	__be32 address[4];
	__be16 port;
	__u16 pad;
};

/* weir_conns: written for each steered SYN, taken by the proxy at accept. */
struct weir_connection {
	__u64 revision;
	__u32 source_identity;
	__u32 destination_identity;
	__u16 egress_endpoint; /* 0: the source is no local endpoint */
	__u16 ingress_endpoint; /* 0: the destination is no local endpoint */
	__u32 slot;
};

#define WEIR_CT_PROXIED 1 /* the flow belongs to the proxy, as downstream or upstream leg */
#define WEIR_CT_SEEN_REPLY 2
#define WEIR_CT_FIN_ORIGINAL 4
#define WEIR_CT_FIN_REPLY 8
#define WEIR_CT_RESET 16
#define WEIR_CT_UNTRANSLATED 32 /* upstream leg whose answers come as its socket expects them */

struct weir_ct_entry {
	__u64 expires_ns; /* CLOCK_MONOTONIC */
	__u32 flags;
	__u32 pad;
};

/* weir_endpoints: address -> local endpoint. */
struct weir_address {
	__be32 address[4];
};

struct weir_endpoint {
	__u32 endpoint;
	__u32 identity;
};

struct weir_ipcache_key {
	__u32 prefix_bits;
	__be32 address[4];
};

/*
 * Key of one endpoint's policy map, a longest-prefix-match trie. prefix_bits counts from `identity`:
 * 40 + (0 any protocol | 8 this protocol | 8 + n leading bits of the port).
 */
struct weir_policy_key {
	__u32 prefix_bits;
	__u32 identity;
	__u8 direction;
	__u8 protocol;
	__be16 port; /* for ICMP: the type */
};

struct weir_policy_entry {
	__u32 precedence; /* higher wins between the peer's entry and that of any peer */
	__u8 verdict;
	__u8 specific_bits; /* prefix_bits - 40: ties go to the longer */
	__u16 pad;
};

/* weir_config, one element. */
struct weir_config {
	__u64 revision;
	__u32 redirect; /* enum weir_redirect */
	__u32 pad;
};

/* weir_events: one record per dropped packet. */
struct weir_event {
	struct weir_tuple tuple;
	__u32 source_identity;
	__u32 destination_identity;
	__u16 endpoint; /* whose policy decided; 0: none was reached */
	__u8 reason;
	__u8 direction;
	__u32 pad;
};

/* Constants of the program on weir0. */
struct weir_redirect_config {
	__u32 redirect; /* enum weir_redirect */
};

/* Constants of one endpoint, written into .rodata.config before load (ELF templating). */
struct weir_endpoint_config {
	__u32 endpoint;
	__u32 identity;
	__u32 redirect_ifindex; /* of weir0 */
	__u32 flags; /* enum weir_endpoint_flag */
	__u32 redirect; /* enum weir_redirect */
};

_Static_assert(sizeof(struct weir_tuple) == 40, "weir_tuple");
_Static_assert(sizeof(struct weir_connection) == 24, "weir_connection");
_Static_assert(sizeof(struct weir_ct_entry) == 16, "weir_ct_entry");
_Static_assert(sizeof(struct weir_endpoint) == 8, "weir_endpoint");
_Static_assert(sizeof(struct weir_ipcache_key) == 20, "weir_ipcache_key");
_Static_assert(sizeof(struct weir_policy_key) == 12, "weir_policy_key");
_Static_assert(sizeof(struct weir_policy_entry) == 8, "weir_policy_entry");
_Static_assert(sizeof(struct weir_event) == 56, "weir_event");
_Static_assert(sizeof(struct weir_endpoint_config) == 20, "weir_endpoint_config");
_Static_assert(sizeof(struct weir_end) == 20, "weir_end");
