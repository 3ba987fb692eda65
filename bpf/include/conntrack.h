/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Flow state: replies to an allowed flow pass, and a flow of the proxy stays with it. */
#pragma once

#include "maps.h"
#include "parsing.h"

#define SECOND_NS 1000000000ULL
#define CT_LIFETIME_TCP_NS (21600 * SECOND_NS)
#define CT_LIFETIME_SYN_NS (60 * SECOND_NS)
#define CT_LIFETIME_CLOSING_NS (10 * SECOND_NS)
#define CT_LIFETIME_OTHER_NS (60 * SECOND_NS)

static __always_inline struct weir_ct_entry *ct_lookup(const struct weir_tuple *tuple, __u64 now_ns)
{
	struct weir_ct_entry *entry = bpf_map_lookup_elem(&weir_ct, tuple);

	return entry && entry->expires_ns > now_ns ? entry : 0;
}

static __always_inline __u64 ct_lifetime_ns(__u8 protocol, __u32 flags)
{
	if (protocol != IPPROTO_TCP)
		return CT_LIFETIME_OTHER_NS;
	if (flags & WEIR_CT_RESET)
		return CT_LIFETIME_CLOSING_NS;
	if ((flags & WEIR_CT_FIN_ORIGINAL) && (flags & WEIR_CT_FIN_REPLY))
		return CT_LIFETIME_CLOSING_NS;
	return flags & WEIR_CT_SEEN_REPLY ? CT_LIFETIME_TCP_NS : CT_LIFETIME_SYN_NS;
}

static __always_inline __u32 ct_packet_flags(const struct packet *packet, bool is_reply)
{
	__u32 flags = is_reply ? WEIR_CT_SEEN_REPLY : 0;

	if (packet->is_fin)
		flags |= is_reply ? WEIR_CT_FIN_REPLY : WEIR_CT_FIN_ORIGINAL;
	if (packet->is_reset)
		flags |= WEIR_CT_RESET;
	return flags;
}

/* What an existing flow learns from a packet that does not open it. */
static __always_inline __u32 ct_next_flags(const struct weir_ct_entry *entry, const struct packet *packet,
					   bool is_reply)
{
	__u32 flags = entry->flags | ct_packet_flags(packet, is_reply);

	/* Of a downstream leg only this direction is looked up: the proxy's own packets never are. */
	if (entry->flags & WEIR_CT_PROXIED)
		flags |= WEIR_CT_SEEN_REPLY;
	return flags;
}

static __always_inline void ct_touch(struct weir_ct_entry *entry, const struct packet *packet, bool is_reply,
				     __u64 now_ns)
{
	__u32 flags = ct_next_flags(entry, packet, is_reply);
	__u64 expires_ns = now_ns + ct_lifetime_ns(packet->tuple.protocol, flags);

	/* Rewriting a shared cache line for each packet is dear; one second of slack is not. */
	if (flags != entry->flags) {
		entry->flags = flags;
		entry->expires_ns = expires_ns;
	} else if (expires_ns - entry->expires_ns > SECOND_NS) {
		entry->expires_ns = expires_ns;
	}
}

/* Original-direction packet of a flow that may live: 0, or negative when the flow cannot be recorded. */
static __always_inline int ct_record(struct weir_ct_entry *entry, const struct packet *packet, __u32 flags,
				     __u64 now_ns)
{
	struct weir_ct_entry fresh = {};

	if (entry && !packet->is_opening && (entry->flags & WEIR_CT_PROXIED) == (flags & WEIR_CT_PROXIED)) {
		ct_touch(entry, packet, false, now_ns);
		return 0;
	}
	fresh.flags = flags | ct_packet_flags(packet, false);
	fresh.expires_ns = now_ns + ct_lifetime_ns(packet->tuple.protocol, fresh.flags);
	return bpf_map_update_elem(&weir_ct, &packet->tuple, &fresh, BPF_ANY);
}

/* The live flow, in either direction, that an ICMP error is about. */
static __always_inline struct weir_ct_entry *ct_find_related(const struct packet *packet, __u64 now_ns)
{
	struct weir_ct_entry *flow;
	struct weir_tuple reversed;

	if (!packet->related.protocol)
		return 0;
	flow = ct_lookup(&packet->related, now_ns);
	if (flow)
		return flow;
	reverse_tuple(&reversed, &packet->related);
	return ct_lookup(&reversed, now_ns);
}
