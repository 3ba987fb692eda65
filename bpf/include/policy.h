/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The verdict on a flow: policy maps of every local endpoint that takes part. */
#pragma once

#include "maps.h"
#include "metrics.h"
#include "parsing.h"

struct judgement {
	__u8 verdict;
	__u8 reason;
	__u8 direction; /* of the policy that decided */
	__u8 is_audited; /* passes, but a rule that is not enforced would have denied it */
};

/* Identity of an address that is no local endpoint's. */
static __always_inline __u32 identity_of(const __be32 address[4])
{
	struct weir_ipcache_key key = { .prefix_bits = 128 };
	__u32 *identity;

	__builtin_memcpy(key.address, address, sizeof(key.address));
	identity = bpf_map_lookup_elem(&weir_ipcache, &key);
	return identity ? *identity : WEIR_IDENTITY_WORLD;
}

/*
 * The entry for this peer against the entry for any peer: higher precedence wins, then the longer port
 * prefix, then the peer's own.
 */
static __always_inline struct weir_policy_entry *better_entry(struct weir_policy_entry *own,
							      struct weir_policy_entry *any)
{
	if (!own)
		return any;
	if (!any)
		return own;
	if (any->precedence != own->precedence)
		return any->precedence > own->precedence ? any : own;
	return any->specific_bits > own->specific_bits ? any : own;
}

/* One endpoint, one direction. `peer` is the identity at the other end. */
static __always_inline void judge_endpoint(struct judgement *judgement, __u32 endpoint, __u8 direction,
					   __u32 peer, const struct packet *packet)
{
	struct weir_policy_key key = {
		.prefix_bits = WEIR_POLICY_FIXED_BITS,
		.identity = peer,
		.direction = direction,
		.protocol = packet->tuple.protocol,
		.port = packet->policy_port,
	};
	struct weir_policy_entry *own, *entry;
	void *policy_map;

	judgement->verdict = WEIR_VERDICT_DENY;
	judgement->direction = direction;
	policy_map = bpf_map_lookup_elem(&weir_policy, &endpoint);
	if (!policy_map) {
		judgement->reason = WEIR_REASON_NO_POLICY_MAP;
		return;
	}
	if (packet->tuple.protocol)
		key.prefix_bits += WEIR_POLICY_PROTOCOL_BITS + packet->port_bits;
	own = bpf_map_lookup_elem(policy_map, &key);
	key.identity = WEIR_IDENTITY_ANY;
	entry = better_entry(own, bpf_map_lookup_elem(policy_map, &key));
	if (!entry) {
		judgement->reason = packet->opaque_reason ? packet->opaque_reason : WEIR_REASON_POLICY_DENIED;
		return;
	}
	if (entry->verdict == WEIR_VERDICT_AUDIT) {
		judgement->verdict = WEIR_VERDICT_ALLOW;
		judgement->is_audited = 1;
		return;
	}
	judgement->verdict = entry->verdict;
	judgement->reason = entry->verdict == WEIR_VERDICT_DENY ? WEIR_REASON_POLICY_DENY : WEIR_REASON_NONE;
}

/* Both ends in one pass: the source's egress, then the destination's ingress. A redirect of either steers. */
static __always_inline struct judgement judge_flow(const struct packet *packet, const struct parties *parties,
						   bool is_egress_judged)
{
	struct judgement egress = { .verdict = WEIR_VERDICT_ALLOW, .direction = WEIR_EGRESS };
	struct judgement ingress = { .verdict = WEIR_VERDICT_ALLOW, .direction = WEIR_INGRESS };

	if (parties->egress_endpoint && !is_egress_judged) {
		judge_endpoint(&egress, parties->egress_endpoint, WEIR_EGRESS, parties->destination_identity,
			       packet);
		if (egress.verdict == WEIR_VERDICT_DENY)
			return egress;
	}
	if (parties->ingress_endpoint) {
		judge_endpoint(&ingress, parties->ingress_endpoint, WEIR_INGRESS, parties->source_identity,
			       packet);
		if (ingress.verdict == WEIR_VERDICT_DENY)
			return ingress;
		if (ingress.verdict == WEIR_VERDICT_REDIRECT ||
		    (ingress.is_audited && egress.verdict == WEIR_VERDICT_ALLOW && !egress.is_audited)) {
			ingress.is_audited |= egress.is_audited;
			return ingress;
		}
	}
	return egress;
}
